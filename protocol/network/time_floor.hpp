// The time that certificates, lists and handshakes are judged by: the clock's,
// but never earlier than what is known to have been.
#pragma once

#include "protocol/network/ids.hpp"

namespace weft {

/// It is raised by signed times and by the node's own last run, and kept on
/// disk: a clock that starts in 1970 lets nothing old back in.
class time_floor {
public:
  explicit time_floor(network_time kept = {}) : floor_(kept) {
  }

  /// True: it rose, and is to be kept.
  bool raise(network_time seen) {
    if (seen <= floor_ || seen > latest_network_time)
      return false;
    floor_ = seen;
    return true;
  }
  network_time floor() const {
    return floor_;
  }
  /// The time it is.
  network_time at(network_time clock) const {
    return clock > floor_ ? clock : floor_;
  }

private:
  network_time floor_;
};

} // namespace weft
