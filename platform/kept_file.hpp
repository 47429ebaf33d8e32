// A file that one process at a time keeps for the next one, in a private folder
// of its own.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace weft {

/// Any thread may use it.
class kept_file {
public:
  /// Makes the folder (0700) if it is missing.  Refused while another process
  /// keeps a file there.
  static result<std::shared_ptr<kept_file>>
  open(const std::string& folder, const std::string& name);

  const std::string& path() const {
    return path_;
  }
  /// At most `most` bytes; empty if there is no such file yet.
  result<std::string> read(std::size_t most) const;
  /// In one step: after a crash there is the old text or the new one.  Nothing
  /// happens once something was left behind.
  result<void> write(const std::string& text);

  /// What is to be written at the end, and writing it.
  void leave(std::string text);
  result<void> write_left();

  /// Another process keeps the file from now on: nothing is written here.
  void pass_on();

private:
  kept_file(file_descriptor folder, std::string path)
    : folder_(std::move(folder)), path_(std::move(path)) {
  }

  file_descriptor folder_; ///< holds the lock
  std::string path_;
  std::timed_mutex writing_; ///< may be held for as long as the disk takes
  std::mutex mutex_; ///< of what follows; never while the disk is waited for,
                     ///< but at the end
  std::optional<std::string> left_;
  bool passed_on_ = false;
};

} // namespace weft
