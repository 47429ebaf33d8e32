// What a tls_stream is made of.  Private to platform/.
#pragma once

#include "platform/tls_credentials.hpp"

#include <openssl/ssl.h>

namespace weft::tls {

using ssl_handle = x509::handle<SSL, SSL_free>;

/// A BIO over `socket`, which must outlive it.  It never blocks, and raises no
/// SIGPIPE.
x509::bio open_bio(const file_descriptor& socket);

struct connection {
  file_descriptor socket;
  side peer = side::server;
  std::string host; ///< whom the peer should be; empty: whoever
  ssl_handle ssl;
  std::string failure;  ///< empty: none yet
  bool refused = false; ///< the other side does not take our certificate
};

} // namespace weft::tls
