// How long the threads of a lane and of its cipher workers wait for a core.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "platform/run_delay.hpp"

#include <vector>

namespace weft {

/// Of the lane's thread, once that runs.
class waiting_threads {
public:
  /// The lane's loop is the first.
  explicit waiting_threads(std::vector<io_loop_ptr> loops)
    : starting_(std::move(loops)) {
  }

  /// In all, since they started, without those that have ended.  Fails where
  /// run_delay does.
  result<duration> read();

private:
  std::vector<io_loop_ptr> starting_; ///< whose threads are not known yet
  std::vector<run_delay> running_;
};

} // namespace weft
