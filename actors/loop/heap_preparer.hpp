// Has the heap of a loop's thread ready for what its actors are about to
// allocate.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "platform/memory.hpp"

namespace weft {

/// Does so in its turn, and ends: `into` keeps it from then on.
class heap_preparer : public hosted<caf::event_based_actor> {
public:
  heap_preparer(caf::actor_config& config, io_loop_ptr loop, std::size_t bytes,
                std::shared_ptr<prepared_heap> into)
    : hosted(config, std::move(loop)), bytes_(bytes), into_(std::move(into)) {
  }

  caf::behavior make_behavior() override {
    *into_ = prepared_heap{bytes_};
    return {};
  }

private:
  std::size_t bytes_;
  std::shared_ptr<prepared_heap> into_;
};

} // namespace weft
