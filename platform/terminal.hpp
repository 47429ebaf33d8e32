// The terminal that this process talks to.
#pragma once

#include <cstddef>
#include <optional>

namespace weft {

struct terminal_size {
  std::size_t columns = 0;
  std::size_t rows = 0;
};

/// Of the terminal behind `fd`; nothing if it is none, or does not know.
std::optional<terminal_size> size_of_terminal(int fd);

} // namespace weft
