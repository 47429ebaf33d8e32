// Tells when a file was written anew, or another one took its place.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/files.hpp"

#include <map>
#include <optional>
#include <string>

namespace weft {

/// Watches the folder of `path` (inotify(7)), as editors and configuration
/// managers replace files rather than write into them, and the folder of each
/// link on the way and of what it leads to.  Non-blocking.
class file_watch {
public:
  static result<file_watch> open(const std::string& path);
  int descriptor() const {
    return fd_.get();
  }
  /// Whether the file has changed since the last call.
  bool read();

private:
  file_watch() = default;
  bool take_events();
  int follow_links();

  file_descriptor fd_;
  std::string path_;
  std::optional<file_identity> seen_;
  std::map<std::string, int> folders_; ///< that are watched
};

} // namespace weft
