#include "platform/hand_over.hpp"

#include <fcntl.h>

#include <cerrno>

namespace weft {

result<file_descriptor> duplicate(int fd) {
  file_descriptor made{::fcntl(fd, F_DUPFD_CLOEXEC, 0)};
  if (!made)
    return tl::unexpected(
      make_system_error(errno, "Cannot duplicate a descriptor"));
  return made;
}

} // namespace weft
