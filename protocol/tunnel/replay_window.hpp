// The sliding window against replayed transport messages (RFC 6479, with the
// width that the kernel's WireGuard has).
#pragma once

#include "protocol/base/wireguard.hpp"

namespace weft {

class replay_window {
public:
  static constexpr std::uint64_t bits = 8192;
  /// Counters behind the newest by more than this are too old.
  static constexpr std::uint64_t width = bits - 64;

  /// All that it is.
  struct state {
    std::uint64_t next = 0; ///< one more than the newest counter
    std::array<std::uint64_t, bits / 64> seen{};
  };
  replay_window() = default;
  explicit replay_window(const state& from) : state_(from) {
  }
  const state& save() const {
    return state_;
  }

  /// Whether `counter` would be accepted; changes nothing.
  bool would_accept(std::uint64_t counter) const;

  /// Accepts `counter` once, and if it is not too old.  To be called for
  /// authenticated messages only.
  bool accept(std::uint64_t counter);

private:
  state state_;
};

} // namespace weft
