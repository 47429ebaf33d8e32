// Which rules of nftables refuse the datagrams of a peer.
#pragma once

#include "tools/weft/explain/facts.hpp"

#include <cstdint>
#include <string_view>

namespace weft {

/// The UDP ports of both ends.
struct port_pair {
  std::uint16_t ours = 0;
  std::uint16_t theirs = 0;
};

/// Reads what `nft -j list ruleset` printed.  Only rules of chains that the
/// kernel itself calls for what comes in and goes out are looked at, and only
/// those count that refuse one of the two ports under no other condition, with
/// no rule above them that may let it pass.
firewall_facts read_nftables(std::string_view json, const port_pair& ports);

/// The same for this host, and the locks of others than `interface`.
firewall_facts
ask_nftables(const std::string& interface, const port_pair& ports);

} // namespace weft
