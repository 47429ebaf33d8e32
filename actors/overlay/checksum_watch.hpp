// UDP datagrams that come with a wrong checksum: the sign of a sender whose
// kernel or card mangles what it sends.  Plain; it reads neither a clock nor
// counters.
#pragma once

#include "protocol/base/time.hpp"

#include <cstdint>
#include <optional>
#include <utility>

namespace weft {

/// The host counts them for all its programs together.  So they are worth a
/// word only while the node's own sockets lose something, too.
class checksum_watch {
public:
  /// Told again after this time.
  static constexpr duration news_interval = std::chrono::minutes{10};

  /// `bad` is what the host has counted so far.
  explicit checksum_watch(std::uint64_t bad) : bad_(bad) {
  }

  /// What the host has counted now, and what the node's sockets have lost since
  /// they were opened.  The number of the datagrams, if that is to be told.
  std::optional<std::uint64_t>
  look(std::uint64_t bad, std::uint64_t lost, time_point now) {
    const auto more = bad > bad_ ? bad - bad_ : 0;
    const bool loses = lost != lost_ && lost > 0; // less: other sockets
    bad_ = bad;
    lost_ = lost;
    if (more == 0 || !loses)
      return std::nullopt;
    count_ += more;
    untold_ += more;
    if (told_ && now - *told_ < news_interval)
      return std::nullopt;
    told_ = now;
    return std::exchange(untold_, 0);
  }

  /// Those that came while the node's sockets lost something, since the watch
  /// began.
  std::uint64_t count() const {
    return count_;
  }

private:
  std::uint64_t bad_;
  std::uint64_t count_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t untold_ = 0;
  std::optional<time_point> told_;
};

} // namespace weft
