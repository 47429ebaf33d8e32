#include "platform/network_tls.hpp"

#include "platform/tls_connection.hpp"
#include "protocol/base/sodium.hpp"
#include "protocol/network/join_answer.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <exception>
#include <span>
#include <stdexcept>
#include <utility>

namespace weft {

namespace network_tls_parts {

/// What streams share with their context, which they may outlive.
struct context {
  tls::side role = tls::side::client;
  network_purpose purpose = network_purpose::members; ///< a client's
  chain_judge judge;
  /// What a directory shows behind its own: its issuer's, and the root.
  std::vector<x509::certificate> behind;
  tls::context_handle ssl;
};

struct stream {
  std::shared_ptr<const context> of;
  tls::connection connection;
  network_purpose purpose = network_purpose::members;
  std::vector<byte_vector> chain{}; ///< the other side's
  std::optional<refused> objection{};
};

} // namespace network_tls_parts

namespace {

using network_tls_parts::context;
using network_tls_parts::stream;

constexpr std::size_t most_certificates = 4;
/// With what the message has around each (RFC 8446, section 4.4.2).
constexpr long largest_chain = most_certificates * (most_certificate_bytes + 8);
constexpr auto signatures = "ed25519";
constexpr auto groups = "X25519";

// -- ALPN ---------------------------------------------------------------------

struct protocol {
  network_purpose purpose;
  std::string_view wire; ///< with its length in front
};
constexpr std::array protocols{
  protocol{network_purpose::joining, "\x0bweft-join/1"},
  protocol{network_purpose::members, "\x0eweft-members/1"}};

const unsigned char* raw(std::string_view text) {
  return sodium::raw(std::as_bytes(std::span(text)).data());
}

std::string_view wire_of(network_purpose purpose) {
  return std::find_if(protocols.begin(), protocols.end(),
                      [&](const protocol& each) {
                        return each.purpose == purpose;
                      })
    ->wire;
}

stream& stream_of(const SSL* ssl) {
  return *static_cast<stream*>(SSL_get_app_data(ssl));
}

constexpr auto other_protocol = "the other side does not speak weft's protocol "
                                "for networks";

/// Who connects must say what for: OpenSSL itself lets in who says nothing.
int check_hello(SSL* ssl, int* alert, void* /*unused*/) {
  const unsigned char* bytes = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(
        ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &bytes, &size)
      == 1)
    return SSL_CLIENT_HELLO_SUCCESS;
  stream_of(ssl).connection.objection = other_protocol;
  *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
  return SSL_CLIENT_HELLO_ERROR;
}

/// What a purpose asks of who connects, and shows to it.  It may come twice: a
/// client that guesses a group (RFC 8446, section 4.1.4) begins again.
bool prepare(SSL* ssl, network_purpose purpose, const context& of) {
  const bool joins = purpose == network_purpose::joining;
  SSL_set_verify(ssl,
                 joins ? SSL_VERIFY_NONE
                       : SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                 nullptr);
  const auto shown
    = std::span(of.behind).first(of.behind.size() - (joins ? 0 : 1));
  return SSL_clear_chain_certs(ssl) == 1
         && std::all_of(shown.begin(), shown.end(), [&](const auto& each) {
              return SSL_add1_chain_cert(ssl, each.get()) == 1;
            });
}

/// A directory's choice among what who connects offers (RFC 7301).
int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned offered_size,
                    void* /*unused*/) {
  auto& on = stream_of(ssl);
  for (const auto& [purpose, wire] : protocols) {
    unsigned char* found = nullptr;
    if (SSL_select_next_proto(&found, size, raw(wire),
                              static_cast<unsigned>(wire.size()), offered,
                              offered_size)
        != OPENSSL_NPN_NEGOTIATED)
      continue;
    if (!prepare(ssl, purpose, *on.of))
      return SSL_TLSEXT_ERR_ALERT_FATAL;
    on.purpose = purpose;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
  }
  on.connection.objection = other_protocol;
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool has_chosen(const SSL* ssl, network_purpose purpose) {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &name, &size);
  const auto wanted = wire_of(purpose).substr(1);
  return name != nullptr
         && std::equal(name, name + size, raw(wanted),
                       raw(wanted) + wanted.size());
}

// -- judging ------------------------------------------------------------------

/// The verdict of X.509 whose alert says the same to the other side.
int verdict_for(refusal why) {
  switch (why) {
    case refusal::expired:
    case refusal::not_yet_valid: // "or the clocks differ"
      return X509_V_ERR_CERT_HAS_EXPIRED;
    case refusal::revoked:
      return X509_V_ERR_CERT_REVOKED;
    case refusal::bad_signature:
    case refusal::wrong_network:
      return X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
    case refusal::wrong_role:
      return X509_V_ERR_INVALID_PURPOSE;
    default: // whose alert is that it is not said why
      return X509_V_ERR_PERMITTED_VIOLATION;
  }
}

/// Empty: there are too many, or one is too large.
std::vector<byte_vector> to_chain(const STACK_OF(X509) * shown) {
  const int size = shown == nullptr ? 0 : sk_X509_num(shown);
  if (size > static_cast<int>(most_certificates))
    return {};
  std::vector<byte_vector> chain;
  for (int i = 0; i < size; ++i) {
    chain.push_back(x509::to_der(sk_X509_value(shown, i)));
    if (chain.back().empty() || chain.back().size() > most_certificate_bytes)
      return {};
  }
  return chain;
}

std::optional<refused> find_objection(stream& on, X509_STORE_CTX* shown) {
  if (on.of->role == tls::side::client
      && !has_chosen(on.connection.ssl.get(), on.purpose))
    return refused{refusal::malformed, other_protocol};
  on.chain = to_chain(X509_STORE_CTX_get0_untrusted(shown));
  if (on.chain.empty())
    return refused{refusal::malformed,
                   "it shows more certificates than "
                     + std::to_string(most_certificates) + " of "
                     + std::to_string(most_certificate_bytes) + " bytes"};
  return on.of->judge(on.purpose, on.chain);
}

/// In the place of OpenSSL's own verification.  1: nothing is against it.
int judge_chain(X509_STORE_CTX* shown, void* /*unused*/) {
  auto* ssl = static_cast<SSL*>(
    X509_STORE_CTX_get_ex_data(shown, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& on = stream_of(ssl);
  try {
    on.objection = find_objection(on, shown);
  } catch (const std::exception& error) { // must not pass through OpenSSL
    on.objection = refused{refusal::malformed, error.what()};
  }
  ERR_clear_error();
  if (!on.objection)
    return 1;
  on.connection.objection = "the other side was refused: " + on.objection->what;
  X509_STORE_CTX_set_error(shown, verdict_for(on.objection->why));
  return 0;
}

// -- contexts -----------------------------------------------------------------

bool show(SSL_CTX* to, const network_identity& self) {
  const auto key = x509::signing_key(self.seed);
  if (self.chain.empty() || self.chain.size() > most_certificates || !key)
    return false;
  for (std::size_t i = 0; i < self.chain.size(); ++i) {
    const auto certificate = x509::parse_der(self.chain[i]);
    if (!certificate)
      return false;
    if (i == 0 ? SSL_CTX_use_certificate(to, certificate.get()) != 1
               : SSL_CTX_add1_chain_cert(to, certificate.get()) != 1)
      return false;
  }
  return SSL_CTX_use_PrivateKey(to, key.get()) == 1
         && SSL_CTX_check_private_key(to) == 1;
}

bool offer(SSL_CTX* to, network_purpose purpose) {
  const auto wire = wire_of(purpose);
  return SSL_CTX_set_alpn_protos(to, raw(wire),
                                 static_cast<unsigned>(wire.size()))
         == 0; // unlike others it returns 0 if it is done
}

bool allow_ed25519_only(SSL_CTX* to) {
  return SSL_CTX_set1_groups_list(to, groups) == 1
         && SSL_CTX_set1_sigalgs_list(to, signatures) == 1
         && SSL_CTX_set1_client_sigalgs_list(to, signatures) == 1;
}

result<std::shared_ptr<context>>
make_context(tls::side role, const network_identity* self, chain_judge judge) {
  ERR_clear_error();
  auto made = std::make_shared<context>();
  made->role = role;
  made->judge = std::move(judge);
  made->ssl = tls::begin_context(role, largest_chain);
  auto* ssl = made->ssl.get();
  if (ssl == nullptr || !allow_ed25519_only(ssl))
    return tl::unexpected(x509::failure("Cannot set TLS up"));
  if (self != nullptr && !show(ssl, *self))
    return tl::unexpected(x509::failure(
      "Cannot show the node's certificate of the network: it, its issuer's or "
      "its key is damaged, or they do not belong together"));
  SSL_CTX_set_cert_verify_callback(ssl, judge_chain, nullptr);
  return made;
}

result<std::shared_ptr<context>>
make_client(network_purpose purpose, const network_identity* self,
            chain_judge judge) {
  auto made = make_context(tls::side::client, self, std::move(judge));
  if (!made)
    return made;
  auto& client = **made;
  client.purpose = purpose;
  SSL_CTX_set_verify(client.ssl.get(), SSL_VERIFY_PEER, nullptr);
  if (!offer(client.ssl.get(), purpose))
    return tl::unexpected(x509::failure("Cannot set TLS up"));
  return made;
}

result<std::unique_ptr<stream>> open(std::shared_ptr<const context> of,
                                     tls::side role, file_descriptor socket) {
  if (of->role != role)
    return tl::unexpected(make_system_error(
      0, "Cannot begin a TLS connection: who listens does not connect, nor the "
         "reverse"));
  auto made = std::make_unique<stream>();
  made->purpose = of->purpose;
  auto* context = of->ssl.get();
  made->of = std::move(of);
  auto begun = tls::begin(made->connection, context, role, std::move(socket));
  if (begun && SSL_set_app_data(made->connection.ssl.get(), made.get()) != 1)
    begun = tl::unexpected(x509::failure("Cannot begin a TLS connection"));
  return std::move(begun).map([&] { return std::move(made); });
}

} // namespace

// -- the stream ---------------------------------------------------------------

network_stream::network_stream(std::unique_ptr<stream> made)
  : parts_(std::move(made)) {
}
network_stream::network_stream(network_stream&&) noexcept = default;
network_stream& network_stream::operator=(network_stream&&) noexcept = default;
network_stream::~network_stream() = default;

int network_stream::descriptor() const {
  return parts_->connection.socket.get();
}

tls_result network_stream::handshake() {
  return tls::handshake(parts_->connection);
}

tls_result network_stream::read(byte_span into) {
  return tls::read(parts_->connection, into);
}

tls_result network_stream::write(const_byte_span bytes) {
  return tls::write(parts_->connection, bytes);
}

tls_result network_stream::shutdown() {
  return tls::shutdown(parts_->connection);
}

const std::string& network_stream::failure() const {
  return parts_->connection.failure;
}

const std::optional<refused>& network_stream::objection() const {
  return parts_->objection;
}

bool network_stream::was_refused() const {
  return parts_->connection.refused;
}

network_purpose network_stream::purpose() const {
  return parts_->purpose;
}

const std::vector<byte_vector>& network_stream::peer_chain() const {
  return parts_->chain;
}

tls_exporter network_stream::exporter(std::string_view label) const {
  auto* ssl = parts_->connection.ssl.get();
  tls_exporter made{};
  if (SSL_is_init_finished(ssl) != 1
      || SSL_export_keying_material(ssl, sodium::raw(made.data()), made.size(),
                                    label.data(), label.size(), nullptr, 0, 0)
           != 1)
    throw std::logic_error("no exporter before the handshake is done");
  return made;
}

// -- the context --------------------------------------------------------------

network_tls::network_tls(std::shared_ptr<const context> made)
  : parts_(std::move(made)) {
}
network_tls::network_tls(network_tls&&) noexcept = default;
network_tls& network_tls::operator=(network_tls&&) noexcept = default;
network_tls::~network_tls() = default;

result<network_tls>
network_tls::directory(const network_identity& self, chain_judge judge) {
  auto made = make_context(tls::side::server, &self, std::move(judge));
  if (!made)
    return tl::unexpected(made.error());
  auto& server = **made;
  for (std::size_t i = 1; i < self.chain.size(); ++i)
    server.behind.push_back(x509::parse_der(self.chain[i]));
  server.behind.push_back(x509::parse_der(self.root));
  if (!server.behind.back())
    return tl::unexpected(make_system_error(
      0, "The root's certificate, which is shown to those who join, is damaged "
         "or missing"));
  SSL_CTX_set_client_hello_cb(server.ssl.get(), check_hello, nullptr);
  SSL_CTX_set_alpn_select_cb(server.ssl.get(), choose_protocol, nullptr);
  return network_tls{std::move(*made)};
}

result<network_tls>
network_tls::member(const network_identity& self, chain_judge judge) {
  return make_client(network_purpose::members, &self, std::move(judge))
    .map([](std::shared_ptr<context>&& made) {
      return network_tls{std::move(made)};
    });
}

result<network_tls> network_tls::joiner(chain_judge judge) {
  return make_client(network_purpose::joining, nullptr, std::move(judge))
    .map([](std::shared_ptr<context>&& made) {
      return network_tls{std::move(made)};
    });
}

result<network_stream> network_tls::accept(file_descriptor socket) const {
  return open(parts_, tls::side::server, std::move(socket))
    .map([](std::unique_ptr<stream>&& made) {
      return network_stream{std::move(made)};
    });
}

result<network_stream> network_tls::connect(file_descriptor socket) const {
  return open(parts_, tls::side::client, std::move(socket))
    .map([](std::unique_ptr<stream>&& made) {
      return network_stream{std::move(made)};
    });
}

} // namespace weft
