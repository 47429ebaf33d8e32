#include "platform/memory.hpp"

#include <cstdlib>

#ifdef __GLIBC__
#  include <malloc.h>
#endif

namespace weft {

void release_memory() {
#ifdef __GLIBC__
  ::malloc_trim(0);
#endif
}

} // namespace weft
