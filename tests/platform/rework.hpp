// Certificates that weft would not make.
#pragma once

#include "tests/platform/test_pki.hpp"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <functional>
#include <memory>

namespace weft::test {

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

using openssl_bio = std::unique_ptr<BIO, freed_by<BIO_free>>;

inline openssl_bio reader(std::string_view text) {
  return openssl_bio{
    BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
}

/// Has the authority sign NAME.pem again, changed.
inline void rework(test_pki& pki, const std::string& name,
                   const std::function<void(X509*)>& change) {
  const auto text = pki.text_of(name + ".pem");
  const auto key_text = pki.authority().key();
  REQUIRE(key_text);
  const std::unique_ptr<X509, freed_by<X509_free>> certificate{
    PEM_read_bio_X509(reader(text).get(), nullptr, nullptr, nullptr)};
  const std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>> key{
    PEM_read_bio_PrivateKey(reader(key_text->view()).get(), nullptr, nullptr,
                            nullptr)};
  REQUIRE(certificate);
  REQUIRE(key);
  change(certificate.get());
  REQUIRE(X509_sign(certificate.get(), key.get(), nullptr) > 0);
  const openssl_bio to{BIO_new(BIO_s_mem())};
  REQUIRE(PEM_write_bio_X509(to.get(), certificate.get()) == 1);
  std::string written(4096, '\0');
  const int size
    = BIO_read(to.get(), written.data(), static_cast<int>(written.size()));
  REQUIRE(size > 0);
  written.resize(static_cast<std::size_t>(size));
  pki.put(name + ".pem", written);
}

} // namespace weft::test
