// The folder of a Unix socket, used by descriptor from the first look on.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <string>

namespace weft::socket_folder {

/// The address of a socket, or why the path is none.
result<sockaddr_un> to_address(const std::string& path);

inline const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

/// Opens it, made if missing (0755, whatever the umask).  It has to be root's
/// or the caller's, and nobody else may write to it: so no name in it is ever
/// a trap.
result<file_descriptor> open(const std::string& folder);

/// Keeps other programs of weft from making sockets in the folder.  Only the
/// folder's owner can open the file that is locked, and the file is gone when
/// the lock is.
class lock {
public:
  /// Waits for `patience` at most.
  static result<lock>
  take(int folder, const std::string& path, std::chrono::milliseconds patience);
  lock(lock&&) noexcept = default;
  lock& operator=(lock&&) = delete;
  ~lock();

private:
  lock(int folder, file_descriptor file)
    : folder_(folder), file_(std::move(file)) {
  }
  int folder_;
  file_descriptor file_;
};

/// What sockets are called before they are ready; nobody looks for these.
std::string temporary_name();

/// Removes temporary sockets whose programs were killed in between.
void clear_abandoned(int folder, const std::string& path);

/// Makes way for a new socket: removes one that nobody serves.
result<void>
clear_place(int folder, const std::string& name, const std::string& path);

} // namespace weft::socket_folder
