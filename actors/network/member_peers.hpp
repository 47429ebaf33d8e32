// A network's peers as changes for the overlay: their keys, and which of their
// endpoints is tried.  Plain.
#pragma once

#include "actors/network/candidates.hpp"
#include "config/patch.hpp"
#include "protocol/network/member_view.hpp"
#include "protocol/network/preshared.hpp"

#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace weft {

class member_peers {
public:
  using patches = std::vector<patch<peer_config>>;

  member_peers(const network_id& network, const public_key& own_key)
    : network_(network), own_key_(own_key) {
  }

  /// Addresses of this node's links, with the lengths of their networks.
  void set_links(std::vector<ip_prefix> links) {
    own_.links = std::move(links);
  }
  /// Where its own tunnel is heard.
  void set_port(std::uint16_t port) {
    own_.port = port;
  }

  /// The overlay has a session with it before it is told of any peer here: it
  /// stays where it is.
  void was_up_before(const public_key& peer) {
    up_before_.insert(peer);
  }

  // How the overlay says they are.  Of others than the network's: ignored.

  void is_up(const public_key& peer);
  /// There is no session, and nobody who needs one.
  void is_down(const public_key& peer);
  /// Handshakes come to nothing.
  void fails(const public_key& peer);

  // What the overlay is to be told.

  patches
  follow(std::span<const peer_change> changes, const preshared_epochs& epochs);
  /// The preshared keys of all.
  patches rekey(const preshared_epochs& epochs) const;
  /// The endpoint for each that has moved while its session was up, and another
  /// one for each that fails where it is tried.
  patches try_next();
  /// Whether there are such.
  bool has_failing() const {
    return due_ > 0;
  }
  bool contains(const public_key& peer) const {
    return peers_.contains(peer);
  }

private:
  struct one {
    std::vector<endpoint> candidates; ///< best first
    std::size_t at = 0;               ///< of them: the one whose turn it is
    /// What the overlay was given last, unless it has heard from the peer since
    /// and so may have another one.
    std::optional<endpoint> given;
    std::uint64_t epoch = 0; ///< that its record names
    bool up = false;
    bool failing = false;
    bool moved = false; ///< other candidates came while it was up
    bool due = false;   ///< it is counted in due_

    bool is_at_its_turn() const {
      return given == candidates[at];
    }
  };

  patch<peer_config>
  make(const network_peer& peer, bool is_new, const preshared_epochs& epochs);
  void set_keys(patch<peer_config>& change, std::uint64_t epoch,
                const preshared_epochs& epochs) const;
  static void give(one& peer, patch<peer_config>& change);
  void count(one& peer);

  network_id network_;
  public_key own_key_;
  own_addresses own_;
  std::unordered_set<public_key> up_before_;
  std::unordered_map<public_key, one> peers_;
  std::size_t due_ = 0; ///< to be given an endpoint by try_next()
};

} // namespace weft
