// Texts in the place of certificates, keys and lists of revocations: none
// crashes the readers, and what is read can be told of.
#include "platform/certificates.hpp"
#include "platform/x509.hpp"

#include <cstdlib>

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  if (const auto info = weft::read_certificate(text)) {
    if (info->fingerprint.size() != 64)
      std::abort();
    for (const char c : info->name) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
        std::abort();
    }
  }
  if (const auto lists = weft::x509::parse_revocations(text, "It")) {
    for (const auto& list : *lists) {
      const auto number = weft::x509::number_of(list.get());
      if (!number.empty() && number.front() == '0')
        std::abort();
    }
  }
  const auto key = weft::x509::parse_key(text, "It");
  if (!key && key.error().message.empty())
    std::abort();
  // As an authority's, certificate and key in one text.
  std::ignore = weft::certificate_authority::load(text, text).has_value();
  return 0;
}
