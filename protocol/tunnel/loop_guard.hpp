// Bounds what goes around when tunnels of one host lead into each other.
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/base/time.hpp"

#include <functional>
#include <optional>

namespace weft {

/// The receiver index of the transport message that `packet` carries in UDP,
/// whole or as its first fragment: then it comes from a tunnel within this one,
/// or from one that leads back into it.
std::optional<std::uint32_t> carried_message(const_byte_span packet);

/// Says of packets to one peer that carry messages of other tunnels whether
/// they may pass.
///
/// A tunnel inside this one is no loop as long as our own datagrams leave the
/// host.  Only if they go into a tunnel as well, what we send may come back to
/// us, larger each time.  Then what the peer does not answer is bounded: in a
/// loop nothing reaches the peer.  No other program has to cooperate.
class loop_guard {
public:
  /// Whether datagrams on a path go into a tunnel of this host; nothing: that
  /// cannot be found out now.
  using question = std::function<std::optional<bool>(const network_path&)>;
  using probe
    = std::function<std::optional<bool>(const network_path&, time_point now)>;
  /// Asks so often at the most, for all who share it: the answer takes time.
  static probe limited(question ask);
  static constexpr unsigned probes_per_second = 20;

  static constexpr std::size_t burst = std::size_t{64} * 1024;
  static constexpr std::size_t bytes_per_second = std::size_t{16} * 1024;
  /// For each time that the peer was heard, and at most.
  static constexpr std::size_t bytes_per_answer = std::size_t{128} * 1024;
  static constexpr std::size_t most_bytes = std::size_t{512} * 1024;
  /// How long the answer of the probe holds.  After that it stands until there
  /// is another one; before the first one packets are bounded.
  static constexpr duration probe_interval = std::chrono::milliseconds(100);

  /// `leads_into_tunnel` must live as long; if it is null or empty all pass.
  explicit loop_guard(const probe* leads_into_tunnel)
    : leads_into_tunnel_(leads_into_tunnel) {
  }

  /// What it remembers.
  struct state {
    std::size_t left = burst; ///< bytes that may pass unanswered
    std::optional<time_point> earned;
    std::optional<time_point> probed;
    bool in_tunnel = true; ///< the probe's last answer
  };
  const state& save() const {
    return state_;
  }
  void restore(const state& from) {
    state_ = from;
  }

  bool pass(std::size_t bytes, const network_path& path, time_point now);
  void answered();

private:
  void earn(time_point now);

  const probe* leads_into_tunnel_;
  state state_;
};

} // namespace weft
