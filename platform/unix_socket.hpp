// Unix stream sockets for the local control protocols.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"

#include <sys/types.h>

#include <cstddef>
#include <string>

namespace weft {

/// A listening socket in the file system.  The file is removed when it ends.
class unix_listener {
public:
  /// Makes missing folders (0755), and the socket with `mode`.  A socket file
  /// that nobody serves is replaced; one that somebody serves is an error.
  static result<unix_listener> open(const std::string& path, mode_t mode);
  unix_listener(unix_listener&&) noexcept = default;
  unix_listener& operator=(unix_listener&& other) noexcept;
  ~unix_listener();

  int descriptor() const {
    return fd_.get();
  }
  const std::string& path() const {
    return path_;
  }
  /// A connection (non-blocking), or an invalid descriptor if none waits.
  /// With no descriptor free, the connection is closed.
  file_descriptor accept();
  /// Whether the file still is the socket made here.
  bool still_in_place() const;

private:
  unix_listener() = default;
  void remove_file() noexcept;
  file_descriptor fd_;
  file_descriptor spare_; ///< given up to accept when all are in use
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

/// Who is at the other end (SO_PEERCRED).
struct peer_credentials {
  pid_t process = 0;
  uid_t user = 0;
  gid_t group = 0;
};
result<peer_credentials> credentials_of(int connection);

/// Connects to the socket at `path`; the descriptor blocks.
result<file_descriptor> connect_unix(const std::string& path);

} // namespace weft
