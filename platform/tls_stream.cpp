#include "platform/stream.hpp"
#include "platform/tls_connection.hpp"
#include "platform/tls_errors.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <utility>

namespace weft {

// -- the socket, for OpenSSL -------------------------------------------------

namespace tls {

namespace {

using bio_method = x509::handle<BIO_METHOD, BIO_meth_free>;

int socket_of(BIO* bio) {
  return static_cast<const file_descriptor*>(BIO_get_data(bio))->get();
}

int write_bytes(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const auto sent
    = write_some(socket_of(bio), {bytes, static_cast<std::size_t>(size)});
  if (sent.what == stream_result::status::ok)
    return static_cast<int>(sent.bytes);
  if (sent.what == stream_result::status::would_block)
    BIO_set_retry_write(bio);
  return -1;
}

int read_bytes(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  const auto got
    = read_some(socket_of(bio), {into, static_cast<std::size_t>(size)});
  if (got.what == stream_result::status::ok)
    return static_cast<int>(got.bytes);
  if (got.what == stream_result::status::would_block)
    BIO_set_retry_read(bio);
  return -1;
}

long control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

bio_method make_method() {
  bio_method made{BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
                               "a socket of weft's")};
  if (made) {
    BIO_meth_set_write(made.get(), write_bytes);
    BIO_meth_set_read(made.get(), read_bytes);
    BIO_meth_set_ctrl(made.get(), control);
  }
  return made;
}

} // namespace

x509::bio open_bio(const file_descriptor& socket) {
  static const auto method = make_method();
  x509::bio made{method ? BIO_new(method.get()) : nullptr};
  if (made) {
    // Only read; but OpenSSL keeps no pointers to constants.
    BIO_set_data(made.get(), const_cast<file_descriptor*>(&socket));
    BIO_set_init(made.get(), 1);
  }
  return made;
}

// -- the connection ----------------------------------------------------------

namespace {

constexpr std::size_t largest_record = 16'384;

/// What OpenSSL's return value (1: done) means.
tls_status status_of(const SSL* ssl, int returned) {
  switch (SSL_get_error(ssl, returned)) {
    case SSL_ERROR_NONE:
      return tls_status::done;
    case SSL_ERROR_WANT_READ:
      return tls_status::wants_read;
    case SSL_ERROR_WANT_WRITE:
      return tls_status::wants_write;
    case SSL_ERROR_ZERO_RETURN:
      return tls_status::closed;
    default:
      return tls_status::failed;
  }
}

/// Runs an operation on a connection that has not failed yet, and keeps the
/// reason if it does.
template <class Operation>
tls_result attempt(tls::connection& on, Operation operation) {
  if (!on.failure.empty())
    return {tls_status::failed, 0};
  ERR_clear_error();
  tls_result done;
  done.status = status_of(on.ssl.get(), operation(on.ssl.get(), &done.bytes));
  if (done.status != tls_status::failed)
    return done;
  on.refused = tls::is_refusal();
  on.failure = tls::describe_failure(on.ssl.get(), on.peer, on.host);
  if (!on.objection.empty())
    on.failure = on.objection;
  return done;
}

} // namespace

result<void>
begin(connection& made, SSL_CTX* context, side role, file_descriptor socket) {
  ERR_clear_error();
  made.socket = std::move(socket);
  made.peer = other(role);
  made.ssl.reset(SSL_new(context));
  auto bio = open_bio(made.socket);
  if (!made.ssl || !bio)
    return tl::unexpected(x509::failure("Cannot begin a TLS connection"));
  auto* both_ways = bio.release();
  SSL_set_bio(made.ssl.get(), both_ways, both_ways);
  if (role == side::server)
    SSL_set_accept_state(made.ssl.get());
  else
    SSL_set_connect_state(made.ssl.get());
  return {};
}

tls_result handshake(connection& on) {
  auto done = attempt(on, [](SSL* ssl, std::size_t* /*bytes*/) {
    return SSL_do_handshake(ssl);
  });
  if (done.status == tls_status::closed) {
    on.failure = "the other side ended the connection";
    done.status = tls_status::failed;
  }
  return done;
}

tls_result read(connection& on, byte_span into) {
  if (into.empty())
    return {tls_status::done, 0};
  return attempt(on, [into](SSL* ssl, std::size_t* bytes) {
    return SSL_read_ex(ssl, into.data(), into.size(), bytes);
  });
}

tls_result write(connection& on, const_byte_span bytes) {
  if (bytes.empty())
    return {tls_status::done, 0};
  // OpenSSL goes on to the next record before it tells of those that it wrote.
  bytes = bytes.first(std::min(bytes.size(), largest_record));
  return attempt(on, [bytes](SSL* ssl, std::size_t* written) {
    const int returned = SSL_write_ex(ssl, bytes.data(), bytes.size(), written);
    if (returned == 1 || SSL_get_error(ssl, returned) != SSL_ERROR_SYSCALL)
      return returned;
    // The other side is gone, but may have said why before it went.
    char ignored = 0;
    std::size_t none = 0;
    SSL_peek_ex(ssl, &ignored, 1, &none);
    return returned;
  });
}

tls_result shutdown(connection& on) {
  return attempt(on, [](SSL* ssl, std::size_t* /*bytes*/) {
    // 0: it was sent, and the other side has not sent its own.
    const int returned = SSL_shutdown(ssl);
    return returned < 0 ? returned : 1;
  });
}

} // namespace tls

// -- the stream --------------------------------------------------------------

tls_stream::tls_stream(std::unique_ptr<tls::connection> made)
  : connection_(std::move(made)) {
}
tls_stream::tls_stream(tls_stream&&) noexcept = default;
tls_stream& tls_stream::operator=(tls_stream&&) noexcept = default;
tls_stream::~tls_stream() = default;

int tls_stream::descriptor() const {
  return connection_->socket.get();
}

tls_result tls_stream::handshake() {
  return tls::handshake(*connection_);
}

bool tls_stream::has_heard() const {
  const auto state = SSL_get_state(connection_->ssl.get());
  return state != TLS_ST_BEFORE && state != TLS_ST_SR_CLNT_HELLO;
}

tls_result tls_stream::read(byte_span into) {
  return tls::read(*connection_, into);
}

tls_result tls_stream::write(const_byte_span bytes) {
  return tls::write(*connection_, bytes);
}

tls_result tls_stream::shutdown() {
  return tls::shutdown(*connection_);
}

tls_peer tls_stream::peer() const {
  const auto* certificate = SSL_get0_peer_certificate(connection_->ssl.get());
  if (certificate == nullptr)
    return {};
  const auto info = x509::info_of(certificate);
  tls_peer found{info.name, info.role, info.serial, info.fingerprint,
                 info.not_after};
  if (found.name.empty()
      || (connection_->peer == tls::side::client
          && found.role == control_role::node))
    found.role.reset();
  return found;
}

const std::string& tls_stream::failure() const {
  return connection_->failure;
}

bool tls_stream::was_refused() const {
  return connection_->refused;
}

} // namespace weft
