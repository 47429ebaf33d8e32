// Unix stream sockets for the local control protocols.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace weft {

/// A listening socket in the file system.  Its file appears when it is ready
/// to be connected to, is put back when somebody removes it, and goes when
/// the listener ends.
class unix_listener {
public:
  struct options {
    mode_t mode = 0600;         ///< of the socket, whatever the umask
    std::optional<gid_t> group; ///< that is to own the socket
    /// How long another program may take that starts in the same folder.
    std::chrono::milliseconds patience{5000};
  };

  /// Makes missing folders (0755, whatever the umask).  The folder has to be
  /// root's or the caller's, and nobody else may write to it.  A socket file
  /// that nobody serves is replaced; one that somebody serves is an error.
  static result<unix_listener> open(const std::string& path, options wanted);
  static result<unix_listener> open(const std::string& path, mode_t mode) {
    options wanted;
    wanted.mode = mode;
    return open(path, wanted);
  }
  unix_listener(unix_listener&&) noexcept = default;
  unix_listener& operator=(unix_listener&& other) noexcept;
  ~unix_listener();

  /// Readable when accept() has something to do; the same for ever.
  int descriptor() const {
    return nest_.get();
  }
  const std::string& path() const {
    return path_;
  }
  /// A connection (non-blocking), or an invalid descriptor if none waits.
  /// With no descriptor free, the connection is closed; if not even that can
  /// be done, it waits for a while.  Puts the file back if it is gone.
  file_descriptor accept();
  /// Whether the file still is the socket made here.
  bool still_in_place() const;

private:
  /// The socket, and its file in its folder.
  struct place {
    file_descriptor folder;
    file_descriptor socket;
    file_descriptor watch; ///< of the file; invalid: no more to be had
    std::string name;
    dev_t device = 0;
    ino_t inode = 0;

    bool still_there() const;
  };

  unix_listener() = default;
  static result<place>
  take_place(const std::string& path, const options& wanted);
  void settle(place found);
  /// Puts the file back if it is gone.
  void look_after_file();
  void try_again_later();
  void pause();
  void remove_file() noexcept;

  file_descriptor nest_; ///< an epoll set of the three that follow
  place place_;
  /// Until the next attempt to put the file back, or to accept.
  file_descriptor timer_;
  file_descriptor spare_; ///< given up to accept when all are in use
  std::string path_;
  options wanted_;
  bool paused_ = false; ///< the socket is not in `nest_`
};

/// Whether members of `group` that are nobody else can get to a file in the
/// folder of `path`.
bool group_may_enter_folder_of(const std::string& path, gid_t group);

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
