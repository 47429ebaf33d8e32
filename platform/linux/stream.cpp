#include "platform/stream.hpp"

#include "platform/clock.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
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

bool wait_for(int fd, short what, time_point until) {
  using std::chrono::milliseconds;
  for (;;) {
    const auto left = std::max(
      std::chrono::ceil<milliseconds>(until - boot_now()), milliseconds{0});
    // Asked again at least once an hour, whatever an int holds.
    const auto most = std::min<milliseconds>(left, std::chrono::hours{1});
    pollfd entry{fd, what, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(most.count()));
    if (ready > 0)
      return true;
    if ((ready < 0 && errno != EINTR) || left == milliseconds{0})
      return false;
  }
}

} // namespace

stream_result read_some(int fd, std::span<char> into) {
  return to_result(recv(fd, into.data(), into.size(), MSG_DONTWAIT));
}

stream_result write_some(int fd, std::string_view bytes) {
  return to_result(
    send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

bool wait_readable(int fd, time_point until) {
  return wait_for(fd, POLLIN, until);
}

bool wait_writable(int fd, time_point until) {
  return wait_for(fd, POLLOUT, until);
}

} // namespace weft
