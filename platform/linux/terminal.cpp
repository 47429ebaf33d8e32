#include "platform/terminal.hpp"

#include <sys/ioctl.h>

namespace weft {

std::optional<terminal_size> size_of_terminal(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0
      || size.ws_row == 0)
    return std::nullopt;
  return terminal_size{size.ws_col, size.ws_row};
}

} // namespace weft
