#include "protocol/packets/congestion_mark.hpp"

#include "protocol/packets/inner_headers.hpp"

namespace weft {

namespace {

/// Sets the bits, and corrects the header's checksum by what that changes of
/// it (RFC 1624, equation 3).
void set_mark_v4(std::byte* ip, congestion_mark mark) {
  const auto before = load_be<std::uint16_t>(ip);
  ip[1] = (ip[1] & std::byte{0xfc}) | static_cast<std::byte>(mark);
  const auto after = load_be<std::uint16_t>(ip);
  const auto checksum = load_be<std::uint16_t>(ip + inner::ipv4::checksum);
  const auto inverted = [](std::uint16_t word) {
    return std::uint64_t{static_cast<std::uint16_t>(~word)};
  };
  const auto sum = checksum_fold(inverted(checksum) + inverted(before) + after);
  store_be(ip + inner::ipv4::checksum, static_cast<std::uint16_t>(~sum));
}

void set_mark_v6(std::byte* ip, congestion_mark mark) {
  constexpr unsigned shift = 4;
  ip[1] = (ip[1] & std::byte{0xcf}) | (static_cast<std::byte>(mark) << shift);
}

} // namespace

bool take_over(congestion_mark outer, byte_span packet) {
  if (tells_nothing(outer))
    return true;
  const auto own = congestion_mark_of(packet);
  if (own == congestion_mark::not_capable)
    return outer != congestion_mark::congested;
  if (own == congestion_mark::congested || own == outer)
    return true;
  if (inner::ip_version(packet) == 4)
    set_mark_v4(packet.data(), outer);
  else
    set_mark_v6(packet.data(), outer);
  return true;
}

} // namespace weft
