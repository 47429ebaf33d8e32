// Lines for a reader who may be slow, or gone: nobody waits for him.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace weft {

/// Writes lines to a descriptor from a thread of its own.  What finds no more
/// room is dropped and counted.
class line_writer {
public:
  /// Bytes that may wait.
  static constexpr std::size_t most_waiting = std::size_t{1} << 20;
  /// How long the destructor waits for the last lines.
  static constexpr std::chrono::milliseconds patience{500};

  /// A line that says how many were lost.
  using lost_line = std::function<std::string(std::size_t)>;

  /// `descriptor` stays the caller's, and has to stay open.
  line_writer(int descriptor, lost_line tell_lost);
  line_writer(const line_writer&) = delete;
  line_writer& operator=(const line_writer&) = delete;
  ~line_writer();

  /// Returns at once.  `line` ends with a newline.
  void add(std::string line);
  /// Waits until all that was added is written, or was given up; false if
  /// that takes longer.
  bool drain(std::chrono::milliseconds at_most);

private:
  struct state;
  static void run(const std::shared_ptr<state>& mine);
  /// Shared with the thread, which may be held up by its reader for ever.
  std::shared_ptr<state> state_;
};

} // namespace weft
