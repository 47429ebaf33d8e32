// The text of the cross-platform WireGuard control protocol
// (wireguard.com/xplatform): requests in, answers out.
#pragma once

#include "config/device_status.hpp"
#include "config/device_update.hpp"

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <variant>

namespace weft {

struct uapi_get {};

/// errno to answer with, and a sentence for the log.
struct uapi_error {
  int code = 0;
  std::string message;
};

using uapi_request = std::variant<uapi_get, device_update>;

/// Collects the bytes of one connection and cuts them into requests: lines up
/// to an empty line.  A request is bounded (64 MiB); what exceeds it is an
/// error, after which the connection must be closed.
class uapi_reader {
public:
  static constexpr std::size_t max_request = std::size_t{64} << 20;

  /// False when the request in progress became too long.
  bool add(std::string_view bytes);
  /// The next complete request, parsed; nothing if there is none.
  std::optional<tl::expected<uapi_request, uapi_error>> next();

private:
  std::string buffer_;
  std::size_t scanned_ = 0;
};

/// Parses one request: its lines, without the empty line at the end.
tl::expected<uapi_request, uapi_error> parse_uapi_request(std::string_view text);

/// The answer to `get=1`, with `errno=0` and the empty line.
std::string format_uapi_status(const device_status& status);

/// `errno=CODE` and the empty line.
std::string format_uapi_errno(int code);

/// The answer to a `get=1` as `weft status` reads it; nothing if malformed.
std::optional<device_status> parse_uapi_status(std::string_view text);

/// A `set=1` request for `update` with the empty line.  A host name endpoint
/// cannot be expressed and must have been resolved.
std::string format_uapi_update(const device_update& update);

} // namespace weft
