#include "protocol/network/ranges.hpp"

#include <algorithm>
#include <array>

namespace weft {

bool covers(const ip_prefix& outer, const ip_prefix& inner) {
  return outer.length <= inner.length && outer.contains(inner.address);
}

bool overlaps(const ip_prefix& a, const ip_prefix& b) {
  return covers(a, b) || covers(b, a);
}

bool leads_all(const ip_prefix& prefix) {
  return prefix.length <= 1;
}

bool excludes(const ip_prefix& a, const ip_prefix& b) {
  return a == b || (overlaps(a, b) && !leads_all(a) && !leads_all(b));
}

ip_address last_address(const ip_prefix& prefix) {
  auto address = prefix.address;
  for (unsigned bit = prefix.length; bit < address.bits(); ++bit)
    address.bytes[bit / 8] |= std::byte{0x80} >> (bit % 8);
  return address;
}

std::optional<ip_address> next_address(const ip_address& address) {
  auto next = address;
  for (auto i = address.size(); i-- > 0;) {
    next.bytes[i] = std::byte(std::to_integer<unsigned>(next.bytes[i]) + 1);
    if (next.bytes[i] != std::byte{0})
      return next;
  }
  return std::nullopt;
}

ip_address own_address(const ip_prefix& slice) {
  const auto address = slice.network().address;
  // Of two addresses both are hosts' (RFC 3021, RFC 6164).
  if (slice.length + 1U >= address.bits())
    return address;
  return next_address(address).value_or(address);
}

std::vector<ip_prefix> host_addresses(std::span<const ip_prefix> slices) {
  std::vector<ip_prefix> all;
  all.reserve(slices.size());
  for (const auto& each : slices) {
    const auto address = own_address(each);
    all.push_back({address, static_cast<std::uint8_t>(address.bits())});
  }
  return all;
}

const ip_prefix* find_outside(std::span<const ip_prefix> prefixes,
                              std::span<const ip_prefix> ranges) {
  for (const auto& prefix : prefixes) {
    if (std::none_of(ranges.begin(), ranges.end(),
                     [&](const auto& range) { return covers(range, prefix); }))
      return &prefix;
  }
  return nullptr;
}

std::optional<std::string>
mistake_in(std::span<const ip_prefix> prefixes, const std::string& called) {
  if (prefixes.size() > most_prefixes)
    return called + ": more than " + std::to_string(most_prefixes);
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    const auto& prefix = prefixes[i];
    if (prefix.length > prefix.address.bits() || prefix != prefix.network())
      return called + ": " + to_string(prefix) + " has host bits, "
             + to_string(prefix.network()) + " has none";
    if (prefix.address.unmapped() != prefix.address)
      return called + ": " + to_string(prefix) + " stands for IPv4";
    for (std::size_t j = 0; j < i; ++j) {
      if (overlaps(prefixes[j], prefix))
        return called + ": " + to_string(prefixes[j]) + " and "
               + to_string(prefix) + " overlap";
    }
  }
  return std::nullopt;
}

bool is_usable_range(const ip_prefix& range) {
  static const std::array<ip_prefix, 9> reserved{
    *parse_ip_prefix("0.0.0.0/8"),      *parse_ip_prefix("127.0.0.0/8"),
    *parse_ip_prefix("169.254.0.0/16"), *parse_ip_prefix("224.0.0.0/4"),
    *parse_ip_prefix("240.0.0.0/4"),    *parse_ip_prefix("::/8"),
    *parse_ip_prefix("fe80::/10"),      *parse_ip_prefix("fec0::/10"),
    *parse_ip_prefix("ff00::/8")};
  constexpr unsigned shortest_v4 = 8;
  constexpr unsigned shortest_v6 = 16;
  return range.length >= (range.address.is_v4() ? shortest_v4 : shortest_v6)
         && std::none_of(reserved.begin(), reserved.end(),
                         [&](const auto& each) {
                           return overlaps(each, range);
                         });
}

} // namespace weft
