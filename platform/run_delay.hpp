// How long threads wait for a processor.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "protocol/base/time.hpp"

#include <optional>

namespace weft {

/// The kernel's number of the calling thread.
int own_thread_number();

/// Of one thread of this process, by /proc/self/task/NUMBER/schedstat.  May be
/// read by another thread.
class run_delay {
public:
  /// Fails where /proc is hidden, or the kernel does not count (built without
  /// CONFIG_SCHED_INFO).
  static result<run_delay> of_thread(int number);

  /// How long the thread could have run, but had no processor, since it
  /// started; nothing: it has ended.
  std::optional<duration> read() const;

private:
  explicit run_delay(file_descriptor opened) : file_(std::move(opened)) {
  }
  file_descriptor file_;
};

} // namespace weft
