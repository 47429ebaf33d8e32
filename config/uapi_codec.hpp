// The text of the cross-platform WireGuard control protocol
// (wireguard.com/xplatform): requests in, answers out, and nothing that others
// do not have.  What weft knows beyond that, control messages tell.
#pragma once

#include "config/device_status.hpp"
#include "config/device_update.hpp"

#include <tl/expected.hpp>

#include <string>
#include <string_view>
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
  uapi_reader() = default;
  uapi_reader(const uapi_reader&) = delete;
  uapi_reader& operator=(const uapi_reader&) = delete;
  ~uapi_reader(); ///< wipes what it holds: keys pass through it

  static constexpr std::size_t max_request = std::size_t{64} << 20;

  /// False when the requests that next() has not taken became too long.
  bool add(std::string_view bytes);
  /// The next complete request, parsed; nothing if there is none.
  std::optional<tl::expected<uapi_request, uapi_error>> next();
  /// What the client had begun when it ended, with the empty line left out:
  /// complete lines are a request, as wireguard-go has it.  A line that is cut
  /// off may have lost the end of its value, so then all of it is an error
  /// (wireguard-go takes it as it is).  Nothing if nothing is left.
  std::optional<tl::expected<uapi_request, uapi_error>> last();

private:
  std::string buffer_;
  std::size_t begin_ = 0;   ///< where the request in progress begins
  std::size_t scanned_ = 0; ///< no request ends before this
  bool too_long_ = false;
};

/// Parses one request: its lines, without the empty line at the end.  A
/// private key is clamped as `wg` does; zero stays zero.  Sections follow each
/// other as in the text, even for the same peer; allowed IPs that stand before
/// `replace_allowed_ips` in a section become a section of their own.  `remove`
/// wins over everything else in its section.  An endpoint is an address; only
/// a link-local one with a named zone becomes a host_endpoint.
tl::expected<uapi_request, uapi_error>
parse_uapi_request(std::string_view text);

/// The answer to `get=1`, with `errno=0` and the empty line.  Keys are in it:
/// wipe it when it is sent.
std::string format_uapi_status(const device_status& status);

/// `errno=` and the empty line.  `code` is an errno or 0; it is written as a
/// negative number, which `wg set` turns into a sentence (as wireguard-go's).
std::string format_uapi_errno(int code);

} // namespace weft
