// Types of the network as values of CBOR, each in one way for all that has
// them.  Private to protocol/network/.
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/network/cbor.hpp"

#include <set>
#include <span>

namespace weft::terms {

std::uint64_t seconds(network_time when);

cbor::value write(std::span<const ip_prefix> prefixes);
/// Canonical ones, at most most_prefixes of them.
std::vector<ip_prefix> read_prefixes(cbor::fields& from, const char* name);

std::set<std::string>
read_words(cbor::fields& from, const char* name, std::size_t most);

/// The field `!what`, which says what the whole is: a signature of one kind
/// passes for no other.
void read_context(cbor::fields& from, std::string_view context);

} // namespace weft::terms
