// How config/ gets at files: it opens none itself.
#pragma once

#include <tl/expected.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace weft {

enum class file_use : std::uint8_t {
  configuration,
  secret, ///< a key alone, which nobody but its owner can read
};

struct file_text {
  std::string text; ///< to be wiped by whoever has it: keys may be in it
  bool others_can_read = false;
  bool others_can_write = false;
};

struct file_failure {
  bool is_missing = false;
  std::string message; ///< a clause: what is wrong
};

/// Reads the file at `path`.  What guards it is looked at on what was opened.
using file_source = std::function<tl::expected<file_text, file_failure>(
  const std::string& path, file_use use)>;

} // namespace weft
