// Has the heap of a loop's thread ready for what its actors are about to
// allocate.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "messages/heap_preparer.hpp"
#include "platform/memory.hpp"

namespace weft {

class heap_preparer : public hosted<heap_preparer_actor::base> {
public:
  using hosted::hosted;

  behavior_type make_behavior() override {
    return {
      [](const set_heap_aside& asked) {
        return std::make_shared<prepared_heap>(asked.bytes);
      },
      [](const back_heaps& asked) {
        for (const auto& heap : asked.heaps)
          heap->back_with_memory();
      },
    };
  }
};

} // namespace weft
