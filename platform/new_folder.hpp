// A folder that appears at once, with all that was put into it.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// Until finish() it is called PATH.partial, and is removed if that does not
/// come; what a crash has left of it goes with the next one.
class new_folder {
public:
  /// Missing folders around it are made as make_private_folder() does.
  static result<new_folder> begin(const std::string& path);

  new_folder(new_folder&&) noexcept;
  new_folder& operator=(new_folder&&) = delete;
  ~new_folder();

  /// A new file, on the disk when this returns.
  result<void>
  put(const std::string& name, std::string_view text, unsigned mode);

  /// Gives it its name (0700), unless there is a folder that is not empty.  It
  /// belongs to whom the folder around it belongs to, with all that is in it,
  /// where this process may give it away.
  result<void> finish();

private:
  new_folder() = default;
  void remove() noexcept;

  std::string path_;
  std::string name_;       ///< within around_
  file_descriptor around_; ///< nothing of it is looked up again by its path
  file_descriptor folder_;
  std::vector<std::string> files_;
  bool unfinished_ = false;
};

} // namespace weft
