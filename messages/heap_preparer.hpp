// What readies the heap of a loop's thread for thousands of peers.
#pragma once

#include <caf/all.hpp>

#include <cstddef>
#include <memory>
#include <vector>

namespace weft {

class prepared_heap; // platform/memory.hpp
using prepared_heap_ptr = std::shared_ptr<prepared_heap>;

/// To a heap_preparer: set so much aside of the heap of your loop's thread.
struct set_heap_aside {
  std::size_t bytes = 0;
};

/// To a heap_preparer: have all of these backed with memory.  Others may be at
/// it as well.
struct back_heaps {
  std::vector<prepared_heap_ptr> heaps;
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::prepared_heap_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::set_heap_aside)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::back_heaps)

namespace weft {

using heap_preparer_actor
  = caf::typed_actor<caf::replies_to<set_heap_aside>::with<prepared_heap_ptr>,
                     caf::reacts_to<back_heaps>>;

} // namespace weft
