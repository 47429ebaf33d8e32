// What a certificate's text says, for tests.
#pragma once

#include "platform/x509.hpp"

namespace weft::test {

/// Of the first certificate in `pem`.
inline result<certificate_info> read_certificate(std::string_view pem) {
  return x509::parse_certificates(pem, "The certificate")
    .map([](const auto& all) { return x509::info_of(all.front().get()); });
}

} // namespace weft::test
