// Where directories and members are found: the words for it that a node's
// configuration has as well.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

/// Where a directory listens: a host name or an address without brackets.
struct directory_address {
  std::string host;
  std::uint16_t port = 0;

  auto operator<=>(const directory_address&) const = default;
};

/// `HOST:PORT` or `[IPv6]:PORT`
std::string to_string(const directory_address& address);

/// Where a candidate comes from; `publish:` says which kinds others get to see.
enum class endpoint_source : std::uint8_t {
  file, ///< the member's own configuration
  link, ///< an address of one of its links, with its port
  seen, ///< what a directory saw its packets come from
};

/// `file`, `link` or `seen`
std::string_view to_string(endpoint_source source);
std::optional<endpoint_source> parse_endpoint_source(std::string_view text);

} // namespace weft
