// Stream connections that are begun without waiting, and pairs of sockets.
// Every descriptor made here is non-blocking.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "protocol/base/ip.hpp"

#include <string>
#include <utility>

namespace weft {

/// Connects to the socket at `path`, at once or not at all: with EAGAIN, too
/// many others wait there.
result<file_descriptor> start_connect_unix(const std::string& path);

/// Begins a TCP connection (TCP_NODELAY).  It stands, or has failed, once the
/// descriptor is writable: see connect_error().
result<file_descriptor> start_connect_tcp(const endpoint& to);

/// The errno that a connection failed with, or 0 if it stands.
int connect_error(int fd);

/// Where it was connected from; unspecified before it stands.
endpoint local_end(int fd);

/// Two connected stream sockets.
result<std::pair<file_descriptor, file_descriptor>> open_socket_pair();

/// Awaits connections over TCP.
class tcp_listener {
public:
  struct connection {
    file_descriptor fd; ///< non-blocking, TCP_NODELAY
    endpoint from;
  };

  /// Listens at an address; on `[::]`, to IPv4 as well, and alone where the
  /// host has no IPv6.  Port 0: any free one.
  static result<tcp_listener> open(const endpoint& where);

  int descriptor() const {
    return fd_.get();
  }
  /// Where it listens, with the port that it got.
  endpoint where() const;
  /// A connection, or an invalid descriptor if none waits.  With no descriptor
  /// free, the connection is closed.
  connection accept();

private:
  tcp_listener() = default;
  static result<tcp_listener> open_one(const endpoint& where);
  file_descriptor fd_;
  file_descriptor spare_; ///< given up to accept when all are in use
};

} // namespace weft
