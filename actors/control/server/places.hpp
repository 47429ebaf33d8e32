// Who has to go when there is no place for the next one.
#pragma once

#include "protocol/base/ip.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>

namespace weft {

/// A user of this host, by number, or an address.
using client_origin = std::variant<std::uint32_t, ip_address>;

/// Somebody that has not come in yet.
struct newcomer {
  client_origin from{};
  bool has_spoken = false; ///< its first message has come whole
};

/// Which of `waiting`, which begins with the oldest one and is not empty, gives
/// way to the next, which comes from `from`.  It is one of those that say
/// nothing, unless these are the fewer.  Among them it is of the network that
/// most are from, the next one included: of IPv6 the /32, in that the /48, in
/// that the /56, in that the /64; of IPv4 the /24, in that the address.  So
/// whoever has many addresses keeps no other one out.
std::size_t
who_gives_way(std::span<const newcomer> waiting, const client_origin& from);

/// Whose place the next one gets, who is called `name`; `holders` begins with
/// the oldest one.  It is the newest one of those who have most places, if that
/// is still as many afterwards as `name` has then; else nobody's.
std::optional<std::size_t>
whose_place(std::span<const std::string> holders, const std::string& name);

} // namespace weft
