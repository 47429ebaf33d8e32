// The timers of one peer as a small table: what fires and when next are read
// from the same data.
#pragma once

#include "protocol/base/time.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace weft {

enum class deadline : std::uint8_t {
  /// An initiation has had no response: send another.
  retransmit_handshake,
  /// Data was received and nothing sent since: say that we are there.
  passive_keepalive,
  /// Data was sent and nothing received since: the session may be dead.
  new_handshake,
  /// Nothing has renewed the session for so long that its keys must go.
  zero_keys,
  /// Keep the mappings of NATs and firewalls on the way.
  persistent_keepalive,
};

class deadline_table {
public:
  static constexpr std::size_t count = 5;

  void set(deadline which, time_point when) {
    at(which) = when;
  }
  void cancel(deadline which) {
    at(which) = never;
  }
  bool is_set(deadline which) const {
    return when_[static_cast<std::size_t>(which)] != never;
  }
  /// When it passes; nothing: it is not set.
  std::optional<time_point> find(deadline which) const {
    return is_set(which) ? std::optional(when_[static_cast<std::size_t>(which)])
                         : std::nullopt;
  }
  /// The earliest deadline, if any.
  std::optional<time_point> next() const {
    auto earliest = never;
    for (auto when : when_)
      earliest = when < earliest ? when : earliest;
    if (earliest == never)
      return std::nullopt;
    return earliest;
  }
  /// Takes one deadline that has passed at `now` out of the table.
  std::optional<deadline> take_expired(time_point now) {
    for (std::size_t i = 0; i < count; ++i) {
      if (when_[i] <= now) {
        when_[i] = never;
        return static_cast<deadline>(i);
      }
    }
    return std::nullopt;
  }

private:
  static constexpr time_point never = time_point::max();
  time_point& at(deadline which) {
    return when_[static_cast<std::size_t>(which)];
  }
  std::array<time_point, count> when_{never, never, never, never, never};
};

} // namespace weft
