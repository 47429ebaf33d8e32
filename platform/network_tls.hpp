// TLS 1.3 (RFC 8446) between members, directories and those who want to join:
// Ed25519 certificates of a network, an ALPN (RFC 7301) for joining and one for
// members, no tickets, no resumption, no early data.
//
// Nothing blocks, as with tls_stream.  Deadlines, the number of connections and
// what is read are the caller's to bound; a chain has at most 4 certificates of
// 4 KiB.
#pragma once

#include "platform/network_certificates.hpp"
#include "platform/tls.hpp"
#include "protocol/network/join.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace weft {

namespace network_tls_parts {
struct context;
struct stream;
} // namespace network_tls_parts

/// What a connection is for (ALPN).
enum class network_purpose : std::uint8_t {
  joining, ///< `weft-join/1`: the client has no certificate
  members, ///< `weft-members/1`: both have one
};

/// What one side shows of itself.
struct network_identity {
  /// Its own and its issuer's, DER: what verify_chain() takes.
  std::vector<byte_vector> chain;
  signing_seed seed; ///< of the first one's key
  /// A directory's: the root's DER.  Those who join are shown it as a third
  /// certificate, to compare it with the fingerprint in their token.
  byte_vector root{};
};

/// One connection.  Owns its socket; never raises SIGPIPE.  The calls are
/// tls_stream's (platform/tls.hpp).
class network_stream {
public:
  network_stream(network_stream&&) noexcept;
  network_stream& operator=(network_stream&&) noexcept;
  ~network_stream();

  int descriptor() const;
  /// Done: the other side has the key of the certificate that it shows, and the
  /// judge has nothing against it.  What the other side's judge makes of this
  /// side's, who connects learns by its first read().
  tls_result handshake();
  tls_result read(byte_span into);
  tls_result write(const_byte_span bytes);
  tls_result shutdown();
  /// Why an operation failed: a clause that completes "Connection lost: ...".
  const std::string& failure() const;
  /// What this side's judge has had against the other side's certificates.
  const std::optional<refused>& objection() const;
  /// Whether it failed because the other side does not take our certificate.
  bool was_refused() const;

  // Once the handshake is done.
  network_purpose purpose() const;
  /// What the other side has shown, its own first; empty: it joins.
  const std::vector<byte_vector>& peer_chain() const;
  /// RFC 8446, section 7.5: the same at both ends.  Throws std::logic_error
  /// before the handshake is done.
  tls_exporter exporter(std::string_view label) const;

private:
  friend class network_tls;
  explicit network_stream(std::unique_ptr<network_tls_parts::stream> made);
  std::unique_ptr<network_tls_parts::stream> parts_;
};

/// What is against the other side's certificates, or nothing.  It is asked
/// within the handshake, with the purpose and 1 to 4 certificates, and what it
/// refuses ends it with an alert.  A directory is not asked about those who
/// join: they show none.  It may be asked by several threads at once, if
/// streams run on several.
using chain_judge = std::function<std::optional<refused>(
  network_purpose, std::span<const byte_vector>)>;

/// What the connections of one side share.  They may outlive it.
class network_tls {
public:
  /// A directory's listener, for both purposes: who connects says which.
  static result<network_tls>
  directory(const network_identity& self, chain_judge judge);
  /// A member that connects to directories.
  static result<network_tls>
  member(const network_identity& self, chain_judge judge);
  /// A node that wants to join.  Its judge gets the directory's chain and
  /// behind it the root.
  static result<network_tls> joiner(chain_judge judge);

  network_tls(network_tls&&) noexcept;
  network_tls& operator=(network_tls&&) noexcept;
  ~network_tls();

  /// A directory's: a connection that was accepted.
  result<network_stream> accept(file_descriptor socket) const;
  /// The others': one that stands, or is begun.
  result<network_stream> connect(file_descriptor socket) const;

private:
  explicit network_tls(std::shared_ptr<const network_tls_parts::context> made);
  std::shared_ptr<const network_tls_parts::context> parts_;
};

} // namespace weft
