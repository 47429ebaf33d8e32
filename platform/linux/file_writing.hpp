// How a file gets onto the disk, for whoever replaces one.
#pragma once

#include "platform/file_descriptor.hpp"

#include <string>
#include <string_view>

namespace weft {

/// Writes all of it, and to the disk.  False: errno says why not.
bool write_out(int fd, std::string_view text);

/// The folder, or an invalid descriptor, and errno.  An empty name is the
/// working directory.
file_descriptor open_folder(const std::string& path);

} // namespace weft
