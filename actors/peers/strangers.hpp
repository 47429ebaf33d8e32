// Who speaks to this node without being one of its peers: what of that is worth
// a line in the log.  Where a message comes from can be forged, so lines and
// memory are bounded.
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/base/keys.hpp"
#include "protocol/base/time.hpp"

#include <optional>
#include <vector>

namespace weft {

/// Messages for other keys than ours, since they were told of last.
struct wrong_key_summary {
  std::uint64_t messages = 0;
  endpoint last; ///< where the last one says that it comes from
};

class strangers {
public:
  /// Strangers that are remembered, in all and of one network (/24, /64).
  static constexpr std::size_t most = 32;
  static constexpr std::size_t most_of_network = 4;
  /// A stranger is told of once in this time, ...
  static constexpr duration stranger_interval = std::chrono::minutes{1};
  /// ... and messages for other keys once in this.
  static constexpr duration summary_interval = std::chrono::minutes{10};

  /// An initiation names a key that no peer has.  Whether that is to be told.
  bool knocks(const public_key& key, const endpoint& from, time_point now);

  /// A handshake message is for another key, and does not come from where a
  /// peer is.  Yields what is to be told, if that is due.
  std::optional<wrong_key_summary>
  uses_wrong_key(const endpoint& from, time_point now);

private:
  struct stranger {
    ip_prefix network;
    public_key key;
    time_point told{};
  };

  std::vector<stranger> known_;
  wrong_key_summary untold_;
  std::optional<time_point> summary_told_;
};

} // namespace weft
