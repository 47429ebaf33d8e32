#include "platform/stream.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace weft {

namespace {

stream_result to_result(ssize_t done) {
  using status = stream_result::status;
  if (done > 0)
    return {status::ok, static_cast<std::size_t>(done)};
  if (done < 0 && (errno == EAGAIN || errno == EINTR))
    return {status::would_block, 0};
  return {status::closed, 0};
}

} // namespace

stream_result read_some(int fd, std::span<char> into) {
  return to_result(recv(fd, into.data(), into.size(), MSG_DONTWAIT));
}

stream_result write_some(int fd, std::string_view bytes) {
  return to_result(
    send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

} // namespace weft
