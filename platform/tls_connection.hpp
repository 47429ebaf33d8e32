// What a tls_stream is made of.  Private to platform/.
#pragma once

#include "platform/tls_credentials.hpp"

#include <openssl/ssl.h>

namespace weft::tls {

using ssl_handle = x509::handle<SSL, SSL_free>;
using context_handle = x509::handle<SSL_CTX, SSL_CTX_free>;

/// What all contexts have alike: TLS 1.3 alone, no tickets, no resumption, no
/// early data, streams that do not block, chains of so many bytes at most.
/// Null: OpenSSL's error queue says why.
context_handle begin_context(side role, long largest_chain);

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
  /// What a callback of ours ends the handshake for, which is the failure then.
  std::string objection{};
};

/// Ready for its handshake.
result<void>
begin(connection& made, SSL_CTX* context, side role, file_descriptor socket);

// As tls_stream's.
tls_result handshake(connection& on);
tls_result read(connection& on, byte_span into);
tls_result write(connection& on, const_byte_span bytes);
tls_result shutdown(connection& on);

} // namespace weft::tls
