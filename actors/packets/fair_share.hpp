// Whose packets go when more come in than can be sent: those of peers that had
// their share already.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace weft {

/// Counts in passes; one pass is what the reader reads in one go.
class fair_share {
public:
  /// Packets that any peer may have in a pass.
  static constexpr std::uint16_t packets = 32;
  /// Passes for which a second peer is remembered: about half a second of
  /// full ones.
  static constexpr std::uint64_t memory = 512;

  void begin_pass() {
    taken_ = {};
    ++pass_;
  }
  void take(std::uint32_t slot) {
    ++taken_[slot % taken_.size()];
    if (last_slot_ && *last_slot_ != slot)
      last_change_ = pass_;
    last_slot_ = slot;
  }
  bool is_used_up(std::uint32_t slot) const {
    return taken_[slot % taken_.size()] >= packets;
  }
  /// Whether several peers had packets lately.
  bool is_contended() const {
    return pass_ - last_change_ < memory;
  }

private:
  std::array<std::uint16_t, 256> taken_{}; ///< peers in one place share it
  std::optional<std::uint32_t> last_slot_;
  std::uint64_t pass_ = memory;
  std::uint64_t last_change_ = 0;
};

} // namespace weft
