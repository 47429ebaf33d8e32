// Two ends of a TLS connection in one thread.
#pragma once

#include "protocol/network/signing.hpp"
#include "tests/platform/test_pki.hpp"

#include <sys/socket.h>

#include <array>
#include <cstring>

namespace weft::test {

struct socket_pair {
  file_descriptor first;
  file_descriptor second;

  /// With small buffers: as small as the system allows.
  explicit socket_pair(bool small = false) {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                         ends.data())
            == 0);
    first = file_descriptor{ends[0]};
    second = file_descriptor{ends[1]};
    const int size = 1;
    for (const int fd : ends) {
      if (small)
        REQUIRE(::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size)
                == 0);
    }
  }
};

inline tls_context server_of(const tls_files& files) {
  auto made = tls_context::server(files);
  if (!made)
    FAIL(made.error().message);
  return std::move(*made);
}

inline tls_context client_of(const tls_files& files) {
  auto made = tls_context::client(files);
  if (!made)
    FAIL(made.error().message);
  return std::move(*made);
}

inline tls_stream accept(const tls_context& context, file_descriptor socket) {
  auto made = context.accept(std::move(socket));
  if (!made)
    FAIL(made.error().message);
  return std::move(*made);
}

inline tls_stream connect(const tls_context& context, file_descriptor socket,
                          const std::string& host = "localhost") {
  auto made = context.connect(std::move(socket), host);
  if (!made)
    FAIL(made.error().message);
  return std::move(*made);
}

inline bool waits(tls_status status) {
  return status == tls_status::wants_read || status == tls_status::wants_write;
}

/// A client and a server that are connected.
struct connection_pair {
  tls_stream client;
  tls_stream server;

  connection_pair(const tls_context& client_context,
                  const tls_context& server_context,
                  const std::string& host = "localhost",
                  socket_pair sockets = socket_pair{})
    : client(connect(client_context, std::move(sockets.first), host)),
      server(accept(server_context, std::move(sockets.second))) {
  }

  /// Takes both handshakes as far as they go: both are settled in the end, as
  /// all bytes are there at once.
  void shake_hands() {
    auto one = tls_status::wants_read;
    auto two = tls_status::wants_read;
    for (int round = 0; round < 1000 && (waits(one) || waits(two)); ++round) {
      if (waits(one))
        one = client.handshake().status;
      if (waits(two))
        two = server.handshake().status;
      // A side that has failed sends nothing more.
      if ((one == tls_status::failed && waits(two) && round > 10)
          || (two == tls_status::failed && waits(one) && round > 10))
        break;
    }
    client_status = one;
    server_status = two;
  }
  bool established() {
    shake_hands();
    return client_status == tls_status::done
           && server_status == tls_status::done;
  }

  tls_status client_status = tls_status::wants_read;
  tls_status server_status = tls_status::wants_read;
};

/// What one read yields, or why it failed.
template <class Stream>
std::string read_text(Stream& from) {
  std::array<std::byte, 1024> bytes{};
  const auto got = from.read(bytes);
  switch (got.status) {
    case tls_status::done: {
      std::string text(got.bytes, '\0');
      std::memcpy(text.data(), bytes.data(), got.bytes);
      return text;
    }
    case tls_status::failed:
      return "failed: " + from.failure();
    case tls_status::closed:
      return "closed";
    default:
      return "waits";
  }
}

/// Sends a text from one end to the other.
template <class Stream>
bool carries(Stream& from, Stream& to, const std::string& text) {
  const auto sent = from.write(bytes_of(text));
  return sent.status == tls_status::done && sent.bytes == text.size()
         && read_text(to) == text;
}

} // namespace weft::test
