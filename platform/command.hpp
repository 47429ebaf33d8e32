// Other programs, run to their end.
#pragma once

#include "platform/error.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace weft {

struct command {
  /// The program and its arguments.  A name without a slash is looked for where
  /// a system has its programs, root's included, whatever PATH says.
  std::vector<std::string> words;
  std::vector<std::string> environment{}; ///< NAME=VALUE: all that it gets
  std::chrono::milliseconds limit{std::chrono::seconds{30}};
  std::size_t most_output = std::size_t{64} << 10; ///< the rest is dropped
  bool with_errors = true; ///< its standard error counts as output
};

struct command_outcome {
  int exit_code = 0;      ///< 128 and its number, if a signal ended it
  bool timed_out = false; ///< it took longer than its limit, and was killed
  std::string output;

  bool succeeded() const {
    return exit_code == 0 && !timed_out;
  }
};

/// Runs the program without a shell and waits for it: with nothing to read, no
/// descriptor of ours, no signal blocked or ignored, and in a process group of
/// its own, all of which ends at the limit.  What it leaves running otherwise
/// is not waited for.  An error only if it cannot be started.
result<command_outcome> run_command(const command& what);

} // namespace weft
