// Notices that a peer's endpoint goes to and fro: two machines use one key.
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/base/time.hpp"

#include <optional>
#include <utility>

namespace weft {

class endpoint_swings {
public:
  /// As many returns to where the peer was just before, each within this time
  /// after the last, are no roaming.
  static constexpr unsigned suspicious = 3;
  static constexpr duration longest_stay = std::chrono::seconds{30};

  /// We send to another address of the peer.  That says nothing of the peer.
  void redirected(const endpoint& to) {
    here_ = to;
    before_.reset();
    returns_ = 0;
  }

  /// The peer was heard from elsewhere.  Yields the two places if it goes to
  /// and fro.
  std::optional<std::pair<endpoint, endpoint>>
  moved(const endpoint& to, time_point now) {
    const auto returns = before_ == to && now - moved_ <= longest_stay;
    returns_ = returns ? returns_ + 1 : 0;
    before_ = std::exchange(here_, to);
    moved_ = now;
    if (returns_ < suspicious)
      return std::nullopt;
    return std::pair{*before_, to};
  }

private:
  std::optional<endpoint> here_;
  std::optional<endpoint> before_;
  time_point moved_{};
  unsigned returns_ = 0; ///< in a row
};

} // namespace weft
