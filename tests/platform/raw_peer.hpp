// A peer that is not weft: OpenSSL with whatever settings.
#pragma once

#include "platform/x509.hpp"
#include "tests/platform/tls_support.hpp"

#include <openssl/ssl.h>

namespace weft::test {

/// OpenSSL as one end of a connection, which verifies nothing.
class raw_peer {
public:
  enum class kind { client, server };

  explicit raw_peer(kind what, file_descriptor socket)
    : context_(SSL_CTX_new(what == kind::client ? TLS_client_method()
                                                : TLS_server_method())),
      fd_(std::move(socket)), is_client_(what == kind::client) {
    REQUIRE(context_);
    SSL_CTX_set_session_cache_mode(context(), SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(context(), [](SSL* ssl, SSL_SESSION*) {
      ++*static_cast<int*>(SSL_get_app_data(ssl));
      return 0;
    });
  }
  SSL_CTX* context() const {
    return context_.get();
  }
  void use(const tls_files& files) const {
    REQUIRE(
      SSL_CTX_use_certificate_chain_file(context(), files.certificate.c_str())
      == 1);
    REQUIRE(SSL_CTX_use_PrivateKey_file(context(), files.key.c_str(),
                                        SSL_FILETYPE_PEM)
            == 1);
  }
  /// The settings of context() hold from the first call on.
  SSL* ssl() {
    if (!ssl_) {
      ssl_.reset(SSL_new(context()));
      REQUIRE(ssl_);
      SSL_set_app_data(ssl_.get(), &sessions_);
      SSL_set_fd(ssl_.get(), fd_.get());
      if (is_client_)
        SSL_set_connect_state(ssl_.get());
      else
        SSL_set_accept_state(ssl_.get());
    }
    return ssl_.get();
  }
  int sessions() const {
    return sessions_;
  }

private:
  x509::handle<SSL_CTX, SSL_CTX_free> context_;
  file_descriptor fd_;
  bool is_client_;
  int sessions_ = 0;
  x509::handle<SSL, SSL_free> ssl_;
};

/// Ten rounds are more than any handshake takes.
template <class Stream>
tls_status shake_hands(Stream& weft_end, raw_peer& other) {
  auto status = tls_status::wants_read;
  for (int round = 0; round < 10; ++round) {
    SSL_do_handshake(other.ssl());
    if (waits(status))
      status = weft_end.handshake().status;
  }
  return status;
}

} // namespace weft::test
