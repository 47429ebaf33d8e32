// A stream to the other end of a control connection, whether it is a plain
// socket or TLS.  Nothing blocks.
#pragma once

#include "platform/epoll.hpp"
#include "platform/tls.hpp"

#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace weft {

struct channel_result {
  enum class status : std::uint8_t {
    done,
    blocked, ///< until the descriptor is ready for `wants`
    closed,  ///< the other end has ended it
    failed,  ///< failure() says why
  };
  status what = status::failed;
  std::size_t bytes = 0; ///< at least 1 if it is done
  interest wants = interest::none;
};

class channel {
public:
  explicit channel(file_descriptor socket) : stream_(std::move(socket)) {
  }
  explicit channel(tls_stream stream) : stream_(std::move(stream)) {
  }

  int descriptor() const;
  /// Comes first; on a plain socket it is done at once.
  channel_result handshake();
  channel_result read(std::span<char> into);
  channel_result write(std::string_view bytes);
  /// A clause that completes "Connection lost: ".
  std::string failure() const;
  /// Whether it failed because the other end does not take our certificate.
  bool was_refused() const;
  /// Null for a plain socket.
  const tls_stream* tls() const {
    return std::get_if<tls_stream>(&stream_);
  }
  /// Tells the other end that nothing more comes, as far as that is possible
  /// without waiting.
  void end();

private:
  std::variant<file_descriptor, tls_stream> stream_;
};

/// Both of two.
constexpr interest operator|(interest a, interest b) {
  return static_cast<interest>(static_cast<unsigned>(a)
                               | static_cast<unsigned>(b));
}

} // namespace weft
