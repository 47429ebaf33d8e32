// What networks and their members are known by, and when things are.
#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/keyed_hash.hpp"
#include "protocol/base/random.hpp"

#include <chrono>
#include <compare>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

using byte_vector = std::vector<std::byte>;

/// 16 random bytes, written as 32 lower-case hexadecimal digits.  `Of` keeps
/// those of networks and of members apart.
template <class Of>
struct random_id {
  static constexpr std::size_t size = 16;
  byte_array<size> bytes{};

  auto operator<=>(const random_id&) const = default;
  static random_id draw(random_source& random) {
    random_id id;
    random.fill(id.bytes);
    return id;
  }
};

using network_id = random_id<struct network_id_purpose>;
using member_id = random_id<struct member_id_purpose>;

/// As many lower-case digits as there are halves of bytes.
std::string to_hex_text(const_byte_span bytes);
/// Into all of `out`; false: it is no canonical text of so many bytes.
bool read_hex_text(std::string_view text, byte_span out);

template <class Of>
std::string to_string(const random_id<Of>& id) {
  return to_hex_text(id.bytes);
}

template <class Id>
std::optional<Id> parse_id(std::string_view text) {
  Id id;
  if (!read_hex_text(text, id.bytes))
    return std::nullopt;
  return id;
}

inline constexpr std::size_t longest_network_word = 32;

/// Names of networks, members and groups: 1-32 of `a-z 0-9 -`.
bool is_network_word(std::string_view text);

/// Wall-clock time in whole seconds, as it is signed.
using network_time = std::chrono::sys_seconds;

/// The end of the year 9999: no later time is accepted, so that sums of times
/// stay within their numbers.
inline constexpr network_time latest_network_time{
  std::chrono::seconds(253'402'300'799)};

} // namespace weft

template <class Of>
struct std::hash<weft::random_id<Of>> {
  std::size_t operator()(const weft::random_id<Of>& id) const noexcept {
    return weft::keyed_hash(id.bytes);
  }
};
