// A file of somebody else's making that is to be saved with another text, by
// whoever may: nothing of it is lost but the text.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/files.hpp"

#include <string>
#include <string_view>

namespace weft {

/// Holds a lock on the file, which other savers respect, until it ends.
class saved_file {
public:
  /// Finds what `path` leads to, and waits while others save it, ten seconds at
  /// most.
  static result<saved_file> open(const std::string& path);

  /// Puts a new file with this text in its place, at once: whoever reads it
  /// gets the old text or the new one, also after a crash.  Links go on leading
  /// to it; owner, mode and extended attributes stay.  Refused if the file was
  /// changed since open(), and wherever it cannot be replaced: it is never
  /// written in place.  False: it is there, and a power failure may undo that.
  result<bool> replace(std::string_view text);

private:
  saved_file() = default;

  std::string path_; ///< without links
  file_descriptor fd_;
  file_identity seen_;
};

/// Makes a file for its owner alone (0600), on the disk when this returns.  One
/// that exists is refused.
result<void> make_secret_file(const std::string& path, std::string_view text);

} // namespace weft
