// Where cipher workers run: on another core than the packets' loop.
#pragma once

#include "actors/loop/io_loop.hpp"

#include <optional>
#include <vector>

namespace weft {

/// Who is woken is often put behind the waker, and waits there for milliseconds
/// although another core is idle: on virtual machines, where a processor that
/// sleeps is taken for one that its host has taken away.  Of the lane's thread.
class worker_places {
public:
  explicit worker_places(std::vector<io_loop_ptr> workers)
    : workers_(std::move(workers)) {
  }

  /// Has them keep off the core that the caller runs on now.  To be called
  /// again and again: it may have moved, or they may just have begun.
  void look();

private:
  std::vector<io_loop_ptr> workers_;
  std::optional<int> kept_off_; ///< by all of them
};

} // namespace weft
