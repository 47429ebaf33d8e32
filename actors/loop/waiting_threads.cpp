#include "actors/loop/waiting_threads.hpp"

namespace weft {

result<duration> waiting_threads::read() {
  std::optional<system_error> failure;
  std::erase_if(starting_, [&](const io_loop_ptr& loop) {
    if (loop->thread_number() == 0)
      return false;
    auto delay = run_delay::of_thread(loop->thread_number());
    if (delay)
      running_.push_back(std::move(*delay));
    else if (loop->on_loop_thread()) // another one may have ended
      failure = delay.error();
    return true;
  });
  if (failure)
    return tl::unexpected(*failure);
  duration all{};
  std::erase_if(running_, [&](const run_delay& thread) {
    const auto waited = thread.read();
    all += waited.value_or(duration{});
    return !waited;
  });
  return all;
}

} // namespace weft
