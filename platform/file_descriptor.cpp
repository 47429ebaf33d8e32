#include "platform/file_descriptor.hpp"

#include <unistd.h>

namespace weft {

void file_descriptor::reset() {
  // Linux frees the descriptor even where close() fails: never try again.
  if (fd_ >= 0)
    ::close(std::exchange(fd_, -1));
}

} // namespace weft
