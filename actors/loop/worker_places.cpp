#include "actors/loop/worker_places.hpp"

#include "platform/processors.hpp"

namespace weft {

void worker_places::look() {
  const auto here = present_processor();
  if (kept_off_ == here)
    return;
  auto all_have_begun = true;
  for (const auto& worker : workers_) {
    const auto thread = worker->thread_number();
    all_have_begun = all_have_begun && thread != 0;
    // Where it is refused they stay where the kernel puts them.
    if (thread != 0)
      keep_off_processor(thread, here);
  }
  if (all_have_begun)
    kept_off_ = here;
}

} // namespace weft
