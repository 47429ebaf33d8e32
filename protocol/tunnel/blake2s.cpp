#include "protocol/tunnel/blake2s.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <cassert>
#include <stdexcept>

namespace weft::blake2s {

namespace {

constexpr std::size_t block_size = 64;

[[noreturn]] void fail() {
  throw std::runtime_error("libcrypto cannot compute BLAKE2s");
}

void require(bool success) {
  if (!success)
    fail();
}

const unsigned char* raw(const_byte_span bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// Looking an algorithm up takes longer than hashing a block, so it is done
// once for the process.  Never freed: threads may hash until the very end.

const EVP_MD* digest_algorithm() {
  static const EVP_MD* const found
    = EVP_MD_fetch(nullptr, "BLAKE2S-256", nullptr);
  require(found != nullptr);
  return found;
}

EVP_MAC* mac_algorithm() {
  static EVP_MAC* const found = EVP_MAC_fetch(nullptr, "BLAKE2SMAC", nullptr);
  require(found != nullptr);
  return found;
}

/// A hash computation in a context that its thread keeps and reuses.  One at a
/// time in each thread.  libcrypto wipes the context's state when it finishes.
class hasher {
public:
  hasher() : context_(thread_context()) {
    require(EVP_DigestInit_ex(context_, digest_algorithm(), nullptr) == 1);
  }

  hasher& add(const_byte_span bytes) {
    require(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1);
    return *this;
  }

  void finish(std::span<std::byte, hash_size> out) {
    require(EVP_DigestFinal_ex(
              context_, reinterpret_cast<unsigned char*>(out.data()), nullptr)
            == 1);
  }

private:
  static EVP_MD_CTX* thread_context() {
    struct holder {
      EVP_MD_CTX* context = EVP_MD_CTX_new();
      holder() = default;
      holder(const holder&) = delete;
      holder& operator=(const holder&) = delete;
      ~holder() {
        EVP_MD_CTX_free(context);
      }
    };
    thread_local const holder held;
    require(held.context != nullptr);
    return held.context;
  }

  EVP_MD_CTX* context_;
};

EVP_MAC_CTX* thread_mac_context() {
  struct holder {
    EVP_MAC_CTX* context = EVP_MAC_CTX_new(mac_algorithm());
    holder() = default;
    holder(const holder&) = delete;
    holder& operator=(const holder&) = delete;
    ~holder() {
      EVP_MAC_CTX_free(context);
    }
  };
  thread_local const holder held;
  require(held.context != nullptr);
  return held.context;
}

/// A key padded to a block and combined with one byte, as HMAC does.
class padded_key {
public:
  padded_key(const_byte_span key, std::byte pad) {
    assert(key.size() <= block_size);
    bytes_.fill(pad);
    for (std::size_t i = 0; i < key.size(); ++i)
      bytes_[i] ^= key[i];
  }
  padded_key(const padded_key&) = delete;
  padded_key& operator=(const padded_key&) = delete;
  ~padded_key() {
    OPENSSL_cleanse(bytes_.data(), bytes_.size());
  }

  const_byte_span bytes() const {
    return bytes_;
  }

private:
  byte_array<block_size> bytes_{};
};

} // namespace

byte_array<hash_size> hash(std::initializer_list<const_byte_span> parts) {
  hasher digest;
  for (auto part : parts)
    digest.add(part);
  byte_array<hash_size> result;
  digest.finish(result);
  return result;
}

byte_array<mac_size> mac(const_byte_span key, const_byte_span data) {
  auto* context = thread_mac_context();
  auto size = mac_size;
  const std::array parameters{OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE,
                                                          &size),
                              OSSL_PARAM_construct_end()};
  require(EVP_MAC_init(context, raw(key), key.size(), parameters.data()) == 1
          && EVP_MAC_update(context, raw(data), data.size()) == 1);
  byte_array<mac_size> result;
  std::size_t written = 0;
  require(EVP_MAC_final(context,
                        reinterpret_cast<unsigned char*>(result.data()),
                        &written, result.size())
            == 1
          && written == mac_size);
  return result;
}

void hmac(const_byte_span key, std::initializer_list<const_byte_span> parts,
          std::span<std::byte, hash_size> out) {
  const padded_key inner_key(key, std::byte{0x36});
  const padded_key outer_key(key, std::byte{0x5c});
  secret<hash_size> inner;
  {
    hasher digest;
    digest.add(inner_key.bytes());
    for (auto part : parts)
      digest.add(part);
    digest.finish(inner.bytes());
  }
  hasher().add(outer_key.bytes()).add(inner.bytes()).finish(out);
}

namespace {

// HKDF: the extracted key, and each output from it, the one before and a count.

secret<key_size> extract(const secret<key_size>& key, const_byte_span input) {
  secret<key_size> extracted;
  hmac(key.bytes(), {input}, extracted.bytes());
  return extracted;
}

void expand(const secret<key_size>& extracted, const_byte_span previous,
            int count, secret<key_size>& out) {
  const byte_array<1> number{static_cast<std::byte>(count)};
  hmac(extracted.bytes(), {previous, number}, out.bytes());
}

} // namespace

void kdf1(const secret<key_size>& key, const_byte_span input,
          secret<key_size>& first) {
  const auto extracted = extract(key, input);
  expand(extracted, {}, 1, first);
}

void kdf2(const secret<key_size>& key, const_byte_span input,
          secret<key_size>& first, secret<key_size>& second) {
  const auto extracted = extract(key, input);
  expand(extracted, {}, 1, first);
  expand(extracted, first.bytes(), 2, second);
}

void kdf3(const secret<key_size>& key, const_byte_span input,
          secret<key_size>& first, secret<key_size>& second,
          secret<key_size>& third) {
  const auto extracted = extract(key, input);
  expand(extracted, {}, 1, first);
  expand(extracted, first.bytes(), 2, second);
  expand(extracted, second.bytes(), 3, third);
}

} // namespace weft::blake2s
