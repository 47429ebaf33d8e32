// Output with keys in it: into files that are their owner's alone.
#pragma once

#include "platform/error.hpp"
#include "tools/weft/commands/commands.hpp"

#include <string_view>

namespace weft {

/// Whether standard output is a regular file that everybody may read or write.
bool standard_output_is_public();

/// Warns if `io.out` is no place for keys.
void warn_if_public(const streams& io);

/// Makes the file `path` with mode 0600 and writes `text`.  A file that exists
/// is an error; a file that cannot be written completely is removed.
result<void> write_secret_file(const std::string& path, std::string_view text);

} // namespace weft
