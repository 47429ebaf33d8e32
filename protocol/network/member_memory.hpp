// What a member keeps on disk over its restarts, as bytes: marks, which never
// fall, and beside them the items that must not be older than they are; items,
// which a directory would tell again; and the secrets of epochs.
//
// Marks and items:
//
//   "weft marks 1" or "weft items 1", and a line end
//   network id                       16
//   for each entry: length of key     4, network order
//                   length of content 4
//                   key, content
//   SHA-256 of all before            32
//
// so that what a disk has spoilt is noticed.  Both are believed no more than
// what comes from a directory, but for the marks, which only forbid.
#pragma once

#include "protocol/network/member_view.hpp"
#include "protocol/network/members.hpp"
#include "protocol/network/preshared.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// Files of a member are no longer than this.
inline constexpr std::size_t most_kept_bytes = std::size_t{128} << 20;

byte_vector encode_marks(const network_id& network, const view_marks& marks,
                         std::span<const network_item* const> beside = {});
/// Refused: `malformed` what is spoilt, `wrong_network` another network's.
accepted<view_marks>
read_marks(const network_id& network, const_byte_span bytes);
/// What was written beside the marks.  Refused as above.
accepted<std::vector<network_item>>
read_marked_items(const network_id& network, const_byte_span bytes);

byte_vector encode_items(const network_id& network,
                         std::span<const network_item* const> items);
/// Refused as above.
accepted<std::vector<network_item>>
read_items(const network_id& network, const_byte_span bytes);

/// A line for each: the epoch, its secret in hexadecimal digits, and the second
/// since 1970 until which it is held (`-` for the newest one).  To be wiped.
std::string format_secrets(const preshared_epochs& epochs);
/// Nothing: that is not what such a text says.
std::optional<preshared_epochs> parse_secrets(std::string_view text);

} // namespace weft
