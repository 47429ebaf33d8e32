#include "protocol/packets/icmp_unreachable.hpp"

#include "protocol/packets/inner_headers.hpp"

#include <algorithm>
#include <optional>

namespace weft {

namespace {

constexpr std::uint8_t protocol_icmp4 = 1;
constexpr std::uint8_t protocol_icmp6 = 58;
constexpr std::size_t icmp_header_size = 8;
constexpr std::byte hop_limit{64};

// The longest answers that every host takes (RFC 1812, 4.3.2.3; RFC 8200, 5).
constexpr std::size_t max_size4 = 576;
constexpr std::size_t max_size6 = 1280;

/// Of a single host that answers can go to, or come from.
bool is_host(const ip_address& address) {
  const auto first = std::to_integer<unsigned>(address.bytes[0]);
  if (address.is_v4()) // 0/8 "this network", loopback; multicast and broadcast
    return first != 0 && first != 127 && first < 224;
  return !address.is_unspecified() && first != 0xff;
}

/// RFC 792: all that are no requests or answers to them are errors.
bool is_icmp4_query(std::byte type) {
  const auto number = std::to_integer<unsigned>(type);
  return number == 0 || number == 8 || (number >= 13 && number <= 18);
}

bool is_answerable4(const_byte_span packet) {
  const std::size_t header = (std::to_integer<std::size_t>(packet[0]) & 15) * 4;
  if (header < inner::ipv4::header_size || header > packet.size())
    return false;
  constexpr std::uint16_t offset_mask = 0x1fff;
  if ((load_be<std::uint16_t>(&packet[inner::ipv4::fragment]) & offset_mask)
      != 0)
    return false;
  const auto protocol = packet[inner::ipv4::protocol];
  return protocol != std::byte{protocol_icmp4}
         || (packet.size() > header && is_icmp4_query(packet[header]));
}

/// RFC 8200, 4.1: past hop-by-hop, routing, destination and fragment headers.
bool is_answerable6(const_byte_span packet) {
  constexpr std::uint8_t hop_by_hop = 0;
  constexpr std::uint8_t routing = 43;
  constexpr std::uint8_t destination = 60;
  auto next = std::to_integer<std::uint8_t>(packet[inner::ipv6::next_header]);
  auto rest = packet.subspan(inner::ipv6::header_size);
  while (next == hop_by_hop || next == routing || next == destination
         || next == inner::protocol_fragment) {
    if (rest.size() < 8)
      return false;
    auto size = (std::to_integer<std::size_t>(rest[1]) + 1) * 8;
    if (next == inner::protocol_fragment) {
      size = 8;
      constexpr std::uint16_t offset_mask = 0xfff8;
      if ((load_be<std::uint16_t>(&rest[2]) & offset_mask) != 0)
        return false;
    }
    if (size > rest.size())
      return false;
    next = std::to_integer<std::uint8_t>(rest[0]);
    rest = rest.subspan(size);
  }
  constexpr std::byte first_query{128}; // RFC 4443, 2.1
  return next != protocol_icmp6 || (!rest.empty() && rest[0] >= first_query);
}

/// Copies as much of `quoted` as fits below `max_size` behind the headers.
std::vector<std::byte> with_quote(std::size_t ip_header, const_byte_span quoted,
                                  std::size_t max_size) {
  const auto headers = ip_header + icmp_header_size;
  quoted = quoted.first(std::min(quoted.size(), max_size - headers));
  std::vector<std::byte> answer(headers + quoted.size());
  std::ranges::copy(quoted,
                    answer.begin() + static_cast<std::ptrdiff_t>(headers));
  return answer;
}

void set_icmp_checksum(byte_span icmp, std::uint64_t pseudo_header) {
  store_be(&icmp[2], static_cast<std::uint16_t>(
                       ~checksum_fold(checksum_add(icmp, pseudo_header))));
}

std::vector<std::byte>
make_unreachable4(const_byte_span packet, const ip_packet_view& view) {
  namespace ipv4 = inner::ipv4;
  constexpr std::byte unreachable{3};
  constexpr std::byte host{1};
  auto answer = with_quote(ipv4::header_size, packet, max_size4);
  auto* ip = answer.data();
  ip[0] = std::byte{0x45};
  store_be(ip + ipv4::total_length, static_cast<std::uint16_t>(answer.size()));
  ip[8] = hop_limit;
  ip[ipv4::protocol] = std::byte{protocol_icmp4};
  std::copy_n(view.destination.bytes.begin(), 4, ip + ipv4::addresses);
  std::copy_n(view.source.bytes.begin(), 4, ip + ipv4::addresses + 4);
  inner::set_ipv4_checksum(ip, ipv4::header_size);
  const auto icmp = byte_span{answer}.subspan(ipv4::header_size);
  icmp[0] = unreachable;
  icmp[1] = host;
  set_icmp_checksum(icmp, 0);
  return answer;
}

std::vector<std::byte>
make_unreachable6(const_byte_span packet, const ip_packet_view& view) {
  namespace ipv6 = inner::ipv6;
  constexpr std::byte unreachable{1};
  constexpr std::byte address{3};
  auto answer = with_quote(ipv6::header_size, packet, max_size6);
  auto* ip = answer.data();
  ip[0] = std::byte{0x60};
  const auto icmp = byte_span{answer}.subspan(ipv6::header_size);
  store_be(ip + ipv6::payload_length, static_cast<std::uint16_t>(icmp.size()));
  ip[ipv6::next_header] = std::byte{protocol_icmp6};
  ip[7] = hop_limit;
  std::copy_n(view.destination.bytes.begin(), 16, ip + ipv6::addresses);
  std::copy_n(view.source.bytes.begin(), 16, ip + ipv6::addresses + 16);
  icmp[0] = unreachable;
  icmp[1] = address;
  set_icmp_checksum(icmp, inner::pseudo_header_sum(ip, false, protocol_icmp6)
                            + icmp.size());
  return answer;
}

} // namespace

std::vector<std::byte> make_unreachable(const_byte_span packet) {
  const auto view = parse_ip_packet(packet);
  if (!view || !is_host(view->source) || !is_host(view->destination))
    return {};
  packet = packet.first(view->length);
  if (view->source.is_v4())
    return is_answerable4(packet) ? make_unreachable4(packet, *view)
                                  : std::vector<std::byte>{};
  return is_answerable6(packet) ? make_unreachable6(packet, *view)
                                : std::vector<std::byte>{};
}

std::vector<std::byte>
unreachable_answers::answer(const_byte_span packet, time_point now) {
  const auto view = parse_ip_packet(packet);
  if (!view || !all_.has(now))
    return {};
  // Sources that are missing none need no memory: some hundred are left.
  std::erase_if(sources_,
                [now](const auto& each) { return each.second.is_full(now); });
  const auto known = sources_.find(view->source);
  if (known != sources_.end() && !known->second.has(now))
    return {};
  auto made = make_unreachable(packet);
  if (made.empty())
    return made;
  all_.take(now);
  sources_.try_emplace(view->source, 10, std::chrono::milliseconds{100})
    .first->second.take(now);
  return made;
}

} // namespace weft
