#include "platform/local_addresses.hpp"

#include "platform/linux/socket_address.hpp"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

namespace weft {

namespace {

std::optional<ip_address> address_of(const sockaddr* from) {
  if (from == nullptr)
    return std::nullopt;
  if (from->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, from, sizeof(v4));
    return from_in_addr(v4.sin_addr);
  }
  if (from->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, from, sizeof(v6));
    return from_in6_addr(v6.sin6_addr);
  }
  return std::nullopt;
}

/// Of this link, this host, or nobody's alone.
bool is_for_few(const ip_address& address) {
  static const auto ranges
    = {*parse_ip_prefix("127.0.0.0/8"), *parse_ip_prefix("169.254.0.0/16"),
       *parse_ip_prefix("224.0.0.0/4"), *parse_ip_prefix("::1/128"),
       *parse_ip_prefix("fe80::/10"),   *parse_ip_prefix("ff00::/8")};
  return std::any_of(ranges.begin(), ranges.end(), [&](const auto& range) {
    return range.contains(address);
  });
}

std::uint8_t length_of(const ip_address& mask) {
  int length = 0;
  for (const auto byte : mask.bytes)
    length += std::popcount(std::to_integer<unsigned>(byte));
  return static_cast<std::uint8_t>(length);
}

} // namespace

result<std::vector<local_address>> list_local_addresses() {
  ifaddrs* listed = nullptr;
  if (::getifaddrs(&listed) != 0)
    return tl::unexpected(
      make_system_error(errno, "Cannot list the host's addresses"));
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> all{listed,
                                                               &::freeifaddrs};
  std::vector<local_address> found;
  for (const auto* each = all.get(); each != nullptr; each = each->ifa_next) {
    const auto address = address_of(each->ifa_addr);
    const auto mask = address_of(each->ifa_netmask);
    if (!address || !mask || (each->ifa_flags & IFF_UP) == 0
        || (each->ifa_flags & IFF_LOOPBACK) != 0 || is_for_few(*address))
      continue;
    found.push_back({{*address, length_of(*mask)}, each->ifa_name});
  }
  return found;
}

} // namespace weft
