// Types of the network as values of CBOR, each in one way for all that has
// them.  Private to protocol/network/.
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/network/buckets.hpp"
#include "protocol/network/cbor.hpp"
#include "protocol/network/preshared.hpp"

#include <optional>
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

/// A reason for a no: `refused` and `reason` in a map.
void write(cbor::value& into, const refused& why);
refused read_refused(cbor::fields& from);

/// A list of byte strings: certificates as DER, keys of items.
cbor::value write(std::span<const byte_vector> strings);
struct byte_count {
  std::size_t least;
  std::size_t most;
};
/// At most `most` strings, each of so many bytes.  `is_wrong`: what is said of
/// the field otherwise.
std::vector<byte_vector>
read_byte_strings(cbor::fields& from, const char* name, std::size_t most,
                  byte_count each, std::string_view is_wrong);
/// One at least.
std::vector<byte_vector>
read_certificates(cbor::fields& from, const char* name, std::size_t most);

/// Items with their keys.
cbor::value write(std::span<const bucket_table::item> items);

/// A sealed secret: `epoch` and `secret` in a map; nothing, if there is none.
void write(cbor::value& into, const std::optional<sealed_secret>& secret);
std::optional<sealed_secret> read_secret(cbor::fields& from);

} // namespace weft::terms
