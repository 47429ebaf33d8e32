// All that a running node leaves to the program that takes its place, as
// values: whoever has them goes on where it stopped, and no peer notices.
// No references, no actors, no closures.  Its keys wipe themselves.
#pragma once

#include "config/device_update.hpp"
#include "protocol/base/boxed.hpp"
#include "protocol/tunnel/receiver_index.hpp"
#include "protocol/tunnel/session_state.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// What a peer's actor leaves.
struct saved_session {
  session_state session;
  std::optional<time_point> up_until; ///< of its peer_health
  std::uint64_t too_big = 0;          ///< as in peer_status
  std::uint32_t path_mtu = 0;         ///< as in peer_status
  time_point path_mtu_told{};         ///< when that was heard last
};

/// What the registry leaves of a peer.
struct saved_peer {
  std::uint32_t slot = 0; ///< its receiver indices hold it
  peer_origin origin = peer_origin::file;
  peer_config config; ///< with the allowed IPs that it was given
  std::vector<preshared_key> other_preshared_keys; ///< as in a patch
  std::optional<weft::endpoint> address; ///< of its configured endpoint
  std::uint64_t restarts = 0;
  boxed<saved_session> session;       ///< nothing: its actor had failed
  std::optional<session_memory> lost; ///< of that one, if it had failed
};

struct saved_node {
  time_point taken{};         ///< when all of it stood still
  interface_config interface; ///< as in force, with its private key
  std::uint16_t port = 0;     ///< in use
  std::uint32_t fwmark = 0;   ///< of the sockets: configured, or chosen
  log_config log;             ///< as in force
  offload_config offloads;    ///< as in force
  std::string file_digest;    ///< of the file that was read last
  receiver_index_codec::state indices;
  /// Of the gate; nothing: the node has no key.
  std::optional<cookie_checker::state> cookies;
  /// By slot: of the first session's receiver index that a new peer there may
  /// have.
  std::vector<std::uint32_t> generations;
  std::vector<saved_peer> peers;    ///< in the order of their slots
  std::vector<public_key> deprived; ///< as in peer_directory
};

/// An older state is worth nothing: peers have begun anew meanwhile, or are
/// about to.
inline constexpr std::chrono::seconds most_saved_age{60};

/// What was saved belongs to this boot of the host, and is not too old.
inline bool is_fresh(const saved_node& node, time_point now) {
  return node.taken <= now && now - node.taken <= most_saved_age;
}

} // namespace weft
