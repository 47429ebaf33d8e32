// Bytes through a non-blocking stream socket.
#pragma once

#include "protocol/base/time.hpp"

#include <cstddef>
#include <span>
#include <string_view>

namespace weft {

struct stream_result {
  enum class status {
    ok,
    would_block,
    closed, ///< by the other end, or broken
  };
  status what = status::would_block;
  std::size_t bytes = 0;
};

stream_result read_some(int fd, std::span<char> into);

/// Raises no SIGPIPE.
stream_result write_some(int fd, std::string_view bytes);

/// Blocks until the socket can be read, or written, or has failed; false: that
/// was not so by `until` (boot_now()).
bool wait_readable(int fd, time_point until);
bool wait_writable(int fd, time_point until);

} // namespace weft
