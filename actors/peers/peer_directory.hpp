// Who the peers are: their slots, keys, names and allowed IPs.  Plain: it knows
// slots and no actors, which the registry pairs.
#pragma once

#include "config/device_update.hpp"
#include "protocol/base/keyed_hash.hpp"
#include "protocol/base/random.hpp"
#include "protocol/tunnel/allowed_ips.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace weft {

/// Notes on single peers are for people: no answer has more of them.
inline constexpr std::size_t most_notes = 16;

class peer_directory {
public:
  using slot_number = std::uint32_t;

  struct entry {
    peer_config config;          ///< but for its allowed IPs
    std::set<ip_prefix> allowed; ///< these are they
    std::set<ip_prefix> implied; ///< of these, what only `default_route` says
    std::vector<preshared_key> other_preshared_keys; ///< as in a patch
    /// Derived from the configured endpoint: its address, or what its name was
    /// found to stand for last.
    std::optional<endpoint> address;
    peer_origin origin = peer_origin::file;

    bool is_networks() const {
      return origin == peer_origin::network;
    }
    /// Without what is implied.
    std::vector<ip_prefix> stated_allowed_ips() const;
  };

  /// Why a change cannot be made.
  struct refusal {
    int code = 0; ///< an errno
    std::string message;
    std::string field;
  };

  /// What changed of a peer's keys.
  struct key_changes {
    bool any = false;
    std::vector<std::string_view> cleared; ///< names of those it has lost
  };

  /// What changed of its allowed IPs.
  struct prefix_changes {
    bool any = false;
    std::set<slot_number> losers; ///< peers that may have lost some
    /// Those that were another peer's, `most_notes` of them at most.
    std::vector<std::pair<ip_prefix, slot_number>> moved;
    /// Those that the network's peers have lost to one of a file or a command,
    /// as many.
    std::vector<std::pair<ip_prefix, slot_number>> taken;
  };

  /// A peer that was removed, and may still be using its slot.
  using departure = std::uint64_t;

  // -- questions --

  /// Null: nobody has that slot.
  const entry* find(slot_number slot) const {
    return slot < slots_.size() && slots_[slot] ? &*slots_[slot] : nullptr;
  }
  /// Of a slot that is in use, or else it throws.
  const entry& at(slot_number slot) const {
    return slots_.at(slot).value();
  }
  std::optional<slot_number> slot_of(const public_key& key) const;
  /// One more than the last slot in use, or more.
  slot_number slots() const {
    return static_cast<slot_number>(slots_.size());
  }
  bool is_empty() const {
    return by_key_.empty();
  }
  const allowed_ips& prefixes() const {
    return prefixes_;
  }
  /// Of the network's peers, one that a file or a command has called so as
  /// well is `NAME@network`; of several of the network the second one and the
  /// others have the beginning of their key behind it.
  std::string shown_name(slot_number slot) const;
  /// The network's peers whose name this is.
  std::vector<slot_number> network_named(const std::string& name) const;
  /// Its shown name, or else its key.
  std::string label(slot_number slot) const;
  /// Of the first session's receiver index that a new peer there may have.
  std::uint32_t generation(slot_number slot) const {
    return generations_[slot];
  }

  /// Whether whoever speaks for `by` replaces all peers of `whose`: a file and
  /// commands have one set of peers, the network another.
  static bool replaces(peer_origin by, peer_origin whose) {
    return (by == peer_origin::network) == (whose == peer_origin::network);
  }

  /// Why a peer that the network wants is left out of its update, the others of
  /// which are made: a file or a command has its key, or addresses of it, or it
  /// would have the host's whole traffic.
  std::optional<std::string> find_breach(const patch<peer_config>& of) const;

  /// The network's peers that a file or a command has taken something from
  /// (prefixes, or the peer itself), until the network puts or removes them
  /// again: what was taken may be free by now.
  const std::unordered_set<public_key>& deprived() const {
    return deprived_;
  }

  /// Nothing: the whole change can be made.
  std::optional<refusal> check(const device_update& update) const;

  // -- changes, of which check() has said that they can be made --

  /// To be called before the network's first: who is of which side is known
  /// from then on.  What has no network keeps nothing for it.
  void expect_network();
  /// The network has put the peer, or removed it.
  void network_has_said(const public_key& peer) {
    deprived_.erase(peer);
  }

  /// A peer that is not known, with all of the change but its allowed IPs.
  /// Throws std::logic_error if there is no slot for it.
  slot_number add(const patch<peer_config>& change, peer_origin origin,
                  random_source& random);
  /// The same for a peer that an earlier process had in this slot, which must
  /// be free.
  slot_number add_at(slot_number slot, const patch<peer_config>& change,
                     peer_origin origin);
  /// Begins, while it is empty, with the slots that an earlier process had:
  /// new peers get one of those that add_at() has not taken.
  void restore(std::vector<std::uint32_t> generations,
               const std::vector<public_key>& deprived);
  const std::vector<std::uint32_t>& generations() const {
    return generations_;
  }
  /// Wipes all preshared keys: another process goes on with the peers.
  void forget_keys();

  /// A peer of the network that file or command name is theirs from then on;
  /// the change must be whole then (whole()).
  key_changes change_keys(slot_number slot, const patch<peer_config>& change,
                          peer_origin origin);
  prefix_changes
  change_allowed_ips(slot_number slot, const patch<peer_config>& change);
  void set_address(slot_number slot, const endpoint& address);
  /// Key, name and allowed IPs are free at once, the slot after has_left().
  departure remove(slot_number slot);
  /// The next peer in its slot begins with `generation`.
  void has_left(departure who, std::uint32_t generation);
  /// The same change of a peer of which nothing else is to stay.
  static patch<peer_config> whole(const patch<peer_config>& change);
  /// Lets go of memory, when nobody has a slot or still uses one.
  void shrink();

private:
  /// Whose they are: those of files and commands, and those of the network.
  struct side {
    std::map<ip_prefix, slot_number> prefixes;
    std::unordered_multimap<std::string, slot_number, keyed_text_hash> names;

    void
    rename(slot_number slot, const std::string& from, const std::string& to);
    /// One that excludes `prefix`, which is another side's; null: none does.
    const std::pair<const ip_prefix, slot_number>*
    find_clash(const ip_prefix& prefix) const;
  };

  slot_number
  fill(slot_number slot, const patch<peer_config>& change, peer_origin origin);
  side& side_of(slot_number slot) {
    return sides_[slots_[slot]->is_networks() ? 1 : 0];
  }
  std::optional<slot_number> give(const ip_prefix& prefix, slot_number to);
  bool take(const ip_prefix& prefix, slot_number from);
  void take_from_network(const ip_prefix& prefix, prefix_changes& changes);
  void move_to_side(slot_number slot, peer_origin origin);
  void rename(slot_number slot, const std::string& from, const std::string& to);
  bool has_room_for(const device_update& update) const;
  std::optional<std::string> doubled_name(const device_update& update) const;
  std::optional<std::string>
  doubled_default_route(const device_update& update) const;
  void imply_everything(slot_number slot);
  void imply_what_is_free();
  std::size_t count_kept(const device_update& update) const;
  slot_number take_slot(random_source& random);

  std::vector<std::optional<entry>> slots_;
  std::vector<slot_number> free_slots_;
  std::vector<std::uint32_t> generations_; ///< of each slot that ever was
  std::unordered_map<public_key, slot_number> by_key_;
  allowed_ips prefixes_;
  std::array<side, 2> sides_; ///< empty until a network is expected
  bool has_network_ = false;
  std::unordered_set<public_key> deprived_;
  std::map<departure, slot_number> leaving_;
  departure last_departure_ = 0;
};

} // namespace weft
