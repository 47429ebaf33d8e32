// Where datagrams were sent to lately, and whose they were.  What comes from
// elsewhere comes from strangers, until it is authenticated and answered.
#pragma once

#include "messages/peer.hpp"
#include "protocol/base/ip.hpp"
#include "protocol/base/time.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace weft {

/// Peers are sent something, keepalives at least, as long as they have a
/// session.  So whoever was sent nothing for a session's life is forgotten, and
/// is known again with the answer to its next handshake.
class known_endpoints {
public:
  explicit known_endpoints(std::size_t capacity) : capacity_(capacity) {
  }

  /// Whether all() says something else now.
  bool
  add(const endpoint& remote, time_point now, const peer_actor& peer = {}) {
    auto found = place_of(remote);
    if (found != entries_.end() && found->where == remote) {
      found->used = true;
      if (found->peer != peer)
        found->peer = peer.address();
      return false;
    }
    const auto were_too_many = overflown_;
    if (!last_sweep_ || now - *last_sweep_ >= lifetime) {
      sweep(now);
      found = place_of(remote);
    }
    if (entries_.size() < capacity_) {
      entries_.insert(found, {remote, peer.address(), true});
      return true;
    }
    overflown_ = true;
    return !were_too_many;
  }

  std::size_t size() const {
    return entries_.size();
  }
  bool contains(const endpoint& remote) {
    const auto found = place_of(remote);
    return found != entries_.end() && found->where == remote;
  }
  /// Who sent something there last; null: nobody who is known.
  peer_actor peer_at(const endpoint& remote) {
    const auto found = place_of(remote);
    if (found == entries_.end() || found->where != remote)
      return {};
    return caf::actor_cast<peer_actor>(found->peer);
  }

  /// Nothing: there are more than can be told apart.
  std::optional<std::vector<endpoint>> all() const {
    if (overflown_)
      return std::nullopt;
    std::vector<endpoint> all;
    for (const auto& one : entries_)
      all.push_back(one.where);
    return all;
  }

private:
  struct entry {
    endpoint where;
    caf::actor_addr peer;
    bool used = false; ///< since the last sweep
  };
  /// Reject-After-Time (paper, 6.1).
  static constexpr auto lifetime = std::chrono::seconds{180};

  std::vector<entry>::iterator place_of(const endpoint& remote) {
    return std::lower_bound(entries_.begin(), entries_.end(), remote,
                            [](const entry& one, const endpoint& other) {
                              return one.where < other;
                            });
  }
  void sweep(time_point now) {
    std::erase_if(entries_, [](const entry& one) { return !one.used; });
    for (auto& one : entries_)
      one.used = false;
    overflown_ = false;
    last_sweep_ = now;
  }

  std::size_t capacity_;
  std::vector<entry> entries_; ///< sorted
  bool overflown_ = false;
  std::optional<time_point> last_sweep_;
};

} // namespace weft
