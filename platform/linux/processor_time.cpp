#include "platform/processor_time.hpp"

#include <ctime>

namespace weft {

std::optional<duration> processor_time(int thread_number) {
  if (thread_number <= 0)
    return std::nullopt;
  // As pthread_getcpuclockid() makes it; clock_getcpuclockid() takes processes.
  constexpr clockid_t of_a_thread = 6;
  const auto clock = static_cast<clockid_t>(
    ~static_cast<unsigned>(thread_number) << 3 | of_a_thread);
  timespec used{};
  if (::clock_gettime(clock, &used) != 0)
    return std::nullopt;
  return std::chrono::seconds{used.tv_sec}
         + std::chrono::nanoseconds{used.tv_nsec};
}

} // namespace weft
