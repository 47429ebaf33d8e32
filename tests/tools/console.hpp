// The streams of a command, and what it printed.
#pragma once

#include "tools/weft/commands/commands.hpp"

#include <sstream>
#include <string>

namespace weft {

struct console {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  bool out_is_public = false;
  std::optional<std::size_t> columns;

  explicit console(const std::string& input = "") : in(input) {
  }
  streams io() {
    return {in, out, err, out_is_public, columns};
  }
};

} // namespace weft
