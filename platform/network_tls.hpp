// TLS 1.3 (RFC 8446) between members, directories and those who want to join:
// Ed25519 certificates of a network, an ALPN for joining and one for members,
// no tickets, no resumption, no early data.  Nothing blocks.
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
  std::vector<byte_vector> chain; ///< its own first, DER; without the root
  signing_seed seed;
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
  /// context's judge has nothing against it.
  tls_result handshake();
  tls_result read(byte_span into);
  tls_result write(const_byte_span bytes);
  tls_result shutdown();
  const std::string& failure() const;

  // Once the handshake is done.
  network_purpose purpose() const;
  /// The other side's, its own first; empty: it has shown none.
  const std::vector<byte_vector>& peer_chain() const;
  /// RFC 8446, section 7.5.
  tls_exporter exporter(std::string_view label) const;

private:
  friend class network_tls;
  explicit network_stream(std::unique_ptr<network_tls_parts::stream> made);
  std::unique_ptr<network_tls_parts::stream> parts_;
};

/// What is against the other side's certificates, which are judged within the
/// handshake (it refuses them with an alert); nothing: it is welcome.  Called
/// with purpose and chain; the chain is never empty but for who joins.
using chain_judge = std::function<std::optional<refused>(
  network_purpose, std::span<const byte_vector>)>;

class network_tls {
public:
  /// A directory's listener, for both purposes.
  static result<network_tls>
  directory(const network_identity& self, chain_judge judge);
  /// A member that connects to directories.
  static result<network_tls>
  member(const network_identity& self, chain_judge judge);
  /// A node that wants to join.  A directory shows the root as well then, last
  /// of its chain (`shown_root` of directory's identity comes from its file):
  /// the judge compares it with the token's fingerprint.
  static result<network_tls> joiner(chain_judge judge);

  network_tls(network_tls&&) noexcept;
  network_tls& operator=(network_tls&&) noexcept;
  ~network_tls();

  result<network_stream> accept(file_descriptor socket) const;
  result<network_stream> connect(file_descriptor socket) const;

private:
  explicit network_tls(std::unique_ptr<network_tls_parts::context> made);
  std::unique_ptr<network_tls_parts::context> parts_;
};

} // namespace weft
