#include "platform/files.hpp"
#include "platform/tls_connection.hpp"
#include "platform/tls_errors.hpp"
#include "protocol/base/text.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <array>
#include <cerrno>
#include <initializer_list>
#include <utility>

namespace weft {

// -- all contexts ------------------------------------------------------------

namespace tls {

namespace {

// Not what the host's openssl.cnf has for all programs.
constexpr auto ciphers = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
                         "TLS_AES_128_GCM_SHA256";
constexpr auto groups = "X25519:P-256:P-384";

} // namespace

context_handle begin_context(side role, long largest_chain) {
  context_handle made{SSL_CTX_new(role == side::server ? TLS_server_method()
                                                       : TLS_client_method())};
  if (made)
    SSL_CTX_set_security_level(made.get(), security_level);
  if (!made || SSL_CTX_set_min_proto_version(made.get(), TLS1_3_VERSION) != 1
      || SSL_CTX_set_max_proto_version(made.get(), TLS1_3_VERSION) != 1
      || SSL_CTX_set_ciphersuites(made.get(), ciphers) != 1
      || SSL_CTX_set1_groups_list(made.get(), groups) != 1
      || SSL_CTX_set_num_tickets(made.get(), 0) != 1
      || SSL_CTX_set_max_early_data(made.get(), 0) != 1)
    return {};
  SSL_CTX_set_options(made.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(made.get(), SSL_SESS_CACHE_OFF);
  // Only what the owner shows is sent, not what a store could add.
  SSL_CTX_set_mode(made.get(), SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                                 | SSL_MODE_RELEASE_BUFFERS
                                 | SSL_MODE_NO_AUTO_CHAIN);
  // One record a call: a flood of those without data holds nobody else up.
  SSL_CTX_clear_mode(made.get(), SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_max_cert_list(made.get(), largest_chain);
  return made;
}

} // namespace tls

// -- control's ---------------------------------------------------------------

namespace {

using tls::context_handle;
using identities = std::array<std::optional<file_identity>, 4>;

/// More than any chain of Ed25519 or RSA certificates takes.
constexpr long largest_chain = 32'768;

identities look_at(const tls_files& files) {
  return {identify_file(files.certificate), identify_file(files.key),
          identify_file(files.authority),
          files.revocations.empty() ? std::nullopt
                                    : identify_file(files.revocations)};
}

bool set_certificates(SSL_CTX* context, const tls::identity& own) {
  if (SSL_CTX_use_certificate(context, own.chain.front().get()) != 1
      || SSL_CTX_use_PrivateKey(context, own.key.get()) != 1)
    return false;
  for (std::size_t i = 1; i < own.chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, own.chain[i].get()) != 1)
      return false;
  }
  return true;
}

result<context_handle>
make_context(tls::side role, const tls::identity& own, const tls::trust& who) {
  ERR_clear_error();
  auto made = tls::begin_context(role, largest_chain);
  if (!made || !set_certificates(made.get(), own))
    return tl::unexpected(x509::failure("Cannot set TLS up"));
  SSL_CTX_set_verify(made.get(),
                     SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     tls::usage_check(tls::other(role)));
  SSL_CTX_set1_cert_store(made.get(), who.store.get());
  return made;
}

/// Has OpenSSL demand that the server is `host`.
bool expect_host(SSL* ssl, const std::string& host) {
  auto* rules = SSL_get0_param(ssl);
  // A subject is no place for host names (RFC 9525).
  X509_VERIFY_PARAM_set_hostflags(rules,
                                  X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
                                    | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (!is_host_name(host))
    return X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) == 1;
  return X509_VERIFY_PARAM_set1_host(rules, host.data(), host.size()) == 1
         && SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
                     TLSEXT_NAMETYPE_host_name, const_cast<char*>(host.c_str()))
              == 1; // what the macro for it does
}

result<std::unique_ptr<tls::connection>>
open_connection(SSL_CTX* context, tls::side role, file_descriptor socket) {
  auto made = std::make_unique<tls::connection>();
  return tls::begin(*made, context, role, std::move(socket)).map([&] {
    return std::move(made);
  });
}

template <class T>
const system_error* error_of(const result<T>& outcome) {
  return outcome ? nullptr : &outcome.error();
}

/// What went wrong, as one text; null: nothing did.
std::string joined(std::initializer_list<const system_error*> errors) {
  std::string text;
  for (const auto* error : errors) {
    if (error != nullptr)
      text.append(text.empty() ? "" : "; ").append(error->message);
  }
  return text;
}

} // namespace

struct tls_context::state {
  tls::side role = tls::side::server;
  tls_files files;
  identities seen; ///< the files, as far as they are in force
  tls::trust trusted;
  tls::identity own;
  context_handle context;
  bool trust_is_due = false; ///< its files could not be taken over
  bool own_is_due = false;
  std::string mistakes; ///< that were told; empty: all is in force
  /// The newest lists that were ever in force: an authority that is away for a
  /// while comes back with none that is older.
  tls::list_numbers newest;
  tls::list_numbers remembered; ///< that are in files.memory
  bool told_of_memory = false;
  std::vector<std::string> warnings;

  static result<std::unique_ptr<state>> load(tls::side role, tls_files files);
  result<bool> reload();
  void remember();
};

result<std::unique_ptr<tls_context::state>>
tls_context::state::load(tls::side role, tls_files files) {
  auto made = std::make_unique<state>();
  made->role = role;
  made->files = std::move(files);
  made->seen = look_at(made->files);
  if (!made->files.revocations.empty()) {
    auto recalled = tls::recall_numbers(made->files.memory, made->warnings);
    if (!recalled)
      return tl::unexpected(recalled.error());
    made->newest = std::move(*recalled);
    made->remembered = made->newest;
  }
  auto trusted = tls::load_trust(made->files, made->newest);
  if (!trusted)
    return tl::unexpected(trusted.error());
  made->trusted = std::move(*trusted);
  auto own = tls::load_identity(made->files, role, made->trusted);
  if (!own)
    return tl::unexpected(own.error());
  made->own = std::move(*own);
  auto context = make_context(role, made->own, made->trusted);
  if (!context)
    return tl::unexpected(context.error());
  made->context = std::move(*context);
  made->remember();
  return made;
}

result<bool> tls_context::state::reload() {
  // Looked at before they are read: what changes meanwhile is seen next time.
  const auto now = look_at(files);
  const bool same_own = now[0] == seen[0] && now[1] == seen[1];
  const bool same_trust = now[2] == seen[2] && now[3] == seen[3];
  const bool reads_trust = trust_is_due || !same_trust;
  const bool own_is_new = own_is_due || !same_own;
  if (!reads_trust && !own_is_new)
    return false;
  std::optional<result<tls::trust>> new_trusted;
  if (reads_trust)
    new_trusted = tls::load_trust(files, newest);
  const bool trust_is_fine = new_trusted && *new_trusted;
  const auto& trust_then = trust_is_fine ? **new_trusted : trusted;
  auto new_own = tls::load_identity(files, role, trust_then);
  auto made = make_context(role, new_own ? *new_own : own, trust_then);
  bool taken_over = false;
  trust_is_due = reads_trust && !(trust_is_fine && made);
  own_is_due = !(new_own && made);
  if (made) {
    context = std::move(*made);
    if (trust_is_fine)
      trusted = std::move(**new_trusted);
    taken_over = trust_is_fine || (new_own && own_is_new);
    if (new_own)
      own = std::move(*new_own);
  }
  auto wrong
    = joined({error_of(made), new_trusted ? error_of(*new_trusted) : nullptr,
              error_of(new_own)});
  seen = now;
  if (taken_over)
    remember();
  if (wrong != std::exchange(mistakes, wrong) && !wrong.empty())
    return tl::unexpected(make_system_error(0, std::move(wrong)));
  return taken_over;
}

/// Keeps the numbers of the lists that are in force, if they have risen.
void tls_context::state::remember() {
  tls::add_numbers(newest, trusted.numbers);
  if (files.memory.empty() || newest == remembered)
    return;
  const auto kept = tls::keep_numbers(files.memory, newest);
  if (kept)
    remembered = newest;
  else if (!std::exchange(told_of_memory, true))
    warnings.push_back(kept.error().message
                       + ". After the next start an older list of revocations "
                         "would be taken over");
}

tls_context::tls_context(std::unique_ptr<state> made)
  : state_(std::move(made)) {
}
tls_context::tls_context(tls_context&&) noexcept = default;
tls_context& tls_context::operator=(tls_context&&) noexcept = default;
tls_context::~tls_context() = default;

result<tls_context> tls_context::server(tls_files files) {
  return state::load(tls::side::server, std::move(files))
    .map(
      [](std::unique_ptr<state> made) { return tls_context{std::move(made)}; });
}

result<tls_context> tls_context::client(tls_files files) {
  return state::load(tls::side::client, std::move(files))
    .map(
      [](std::unique_ptr<state> made) { return tls_context{std::move(made)}; });
}

result<bool> tls_context::reload_if_changed() {
  return state_->reload();
}

bool tls_context::is_behind() const {
  return state_->trust_is_due || state_->own_is_due;
}

std::vector<std::string> tls_context::take_warnings() {
  return std::exchange(state_->warnings, {});
}

result<tls_stream> tls_context::accept(file_descriptor socket) const {
  return open_connection(state_->context.get(), tls::side::server,
                         std::move(socket))
    .map([](std::unique_ptr<tls::connection> made) {
      return tls_stream{std::move(made)};
    });
}

result<tls_stream> tls_context::connect(file_descriptor socket,
                                        const std::string& server_name) const {
  auto made = open_connection(state_->context.get(), tls::side::client,
                              std::move(socket));
  if (!made)
    return tl::unexpected(made.error());
  (*made)->host = server_name;
  if (!expect_host((*made)->ssl.get(), server_name)) {
    ERR_clear_error();
    return tl::unexpected(make_system_error(
      EINVAL,
      "'" + server_name + "' is neither a host name nor an IP address"));
  }
  return tls_stream{std::move(*made)};
}

std::optional<std::string>
tls_context::objection_to(const tls_stream& stream, wall_time now) const {
  const auto& connection = *stream.connection_;
  auto* ssl = connection.ssl.get();
  auto* leaf = SSL_get0_peer_certificate(ssl);
  if (leaf == nullptr)
    return "the other side has not sent a certificate yet";
  const auto found
    = tls::verify(state_->trusted, {.role = connection.peer,
                                    .leaf = leaf,
                                    .others = SSL_get_peer_cert_chain(ssl),
                                    .rules = SSL_get0_param(ssl),
                                    .at = now});
  if (found.code == X509_V_OK)
    return {};
  return "the other side's certificate "
         + tls::describe_certificate(found.code, connection.peer,
                                     connection.host);
}

const certificate_info& tls_context::own() const {
  return state_->own.info;
}

const certificate_info& tls_context::authority() const {
  return state_->trusted.authority;
}

const std::string& tls_context::refused() const {
  return state_->mistakes;
}

} // namespace weft
