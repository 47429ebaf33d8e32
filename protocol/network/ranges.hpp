// Prefixes as sets of addresses: who covers whom, and lists of them.
#pragma once

#include "protocol/base/ip.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace weft {

/// The most ranges of a network, and prefixes of a member.
inline constexpr std::size_t most_prefixes = 16;

/// Whether all of `inner` lies within `outer`.
bool covers(const ip_prefix& outer, const ip_prefix& inner);
bool overlaps(const ip_prefix& a, const ip_prefix& b);

/// Whether prefixes of a file's or a command's peer and of the network's
/// exclude each other: they are the same, or overlap.  Not so what leads all or
/// half of a family into a tunnel: what is longer goes its own way beside it.
bool excludes(const ip_prefix& a, const ip_prefix& b);
/// Whether it is all of a family, or half of it, as full tunnels are written.
bool leads_all(const ip_prefix& prefix);

ip_address last_address(const ip_prefix& prefix);
/// The one behind it in its family; nothing behind the last.
std::optional<ip_address> next_address(const ip_address& address);

/// The address that a member takes of a slice that it owns: the first that can
/// be a host's.
ip_address own_address(const ip_prefix& slice);
/// That of each of a member's prefixes, with the length of a host.
std::vector<ip_prefix> host_addresses(std::span<const ip_prefix> slices);

/// The first of `prefixes` that lies within none of `ranges`.
const ip_prefix* find_outside(std::span<const ip_prefix> prefixes,
                              std::span<const ip_prefix> ranges);

/// What is wrong with a list of prefixes that is `called` so: more than
/// most_prefixes, host bits, longer than an address, or overlaps.
std::optional<std::string>
mistake_in(std::span<const ip_prefix> prefixes, const std::string& called);

/// Whether a network may have it: it is large enough to be left with sense and
/// small enough not to take what hosts need themselves, and is neither
/// loopback, link-local nor multicast.
bool is_usable_range(const ip_prefix& range);

} // namespace weft
