// What a member says of itself: where it may be reached.  Plain.
#pragma once

#include "config/network_config.hpp"
#include "platform/local_addresses.hpp"
#include "protocol/network/record.hpp"

#include <optional>
#include <span>
#include <string>

namespace weft {

/// What of this node others might be told.
struct own_places {
  std::vector<local_address> addresses; ///< of its links
  std::string interface;                ///< the overlay's own
  std::uint16_t port = 0;       ///< that the overlay listens on; 0: none
  std::optional<endpoint> seen; ///< by a directory
};

/// Of the kinds that `publish` names, in the order file, seen, link: at most
/// most_record_endpoints, each once, none within the `overlay`'s ranges, and
/// none that a record may not have.  Of links, bridges for guests come last.
record_content
describe_self(const network_config& config, const own_places& places,
              std::span<const ip_prefix> overlay, std::uint64_t epoch);

} // namespace weft
