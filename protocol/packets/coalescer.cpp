// The rules are those of Linux's generic receive offload (net/core/gro.c,
// net/ipv4/tcp_offload.c, net/ipv4/udp_offload.c), and stricter where a host
// could lose information: windows must be equal too.
#include "protocol/packets/coalescer.hpp"

#include "protocol/packets/inner_headers.hpp"

#include <algorithm>

namespace weft {

namespace {

using namespace inner;

/// Linux splits no USO super-packet of more segments (UDP_MAX_SEGMENTS).
constexpr std::size_t max_udp_packets = 64;
constexpr std::size_t max_super_packet = 65535;

/// The IP header of a packet that could be joined has no options or extension
/// headers, is no fragment, and states the packet's own length.
bool is_plain_ipv4(const_byte_span packet) {
  if (packet.size() < ipv4::header_size || packet[0] != std::byte{0x45})
    return false;
  const auto* ip = packet.data();
  const auto fragment = load_be<std::uint16_t>(ip + ipv4::fragment);
  return load_be<std::uint16_t>(ip + ipv4::total_length) == packet.size()
         && (fragment & ~ipv4::dont_fragment) == 0
         && checksum_fold(checksum_add(packet.first(ipv4::header_size), 0))
              == 0xffff;
}

bool is_plain_ipv6(const_byte_span packet) {
  return packet.size() >= ipv6::header_size && ip_version(packet) == 6
         && ipv6::header_size
                + load_be<std::uint16_t>(packet.data() + ipv6::payload_length)
              == packet.size();
}

const_byte_span addresses_of(const_byte_span packet) {
  if (packet.size() >= ipv4::header_size && ip_version(packet) == 4)
    return packet.subspan(ipv4::addresses, ipv4::addresses_size);
  if (packet.size() >= ipv6::header_size && ip_version(packet) == 6)
    return packet.subspan(ipv6::addresses, ipv6::addresses_size);
  return {};
}

/// Never 0.
std::uint64_t flow_hash(const_byte_span addresses, const std::byte* ports,
                        std::uint64_t protocol) {
  constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;
  auto hash = (protocol << 32) | load_le<std::uint32_t>(ports);
  for (std::size_t i = 0; i < addresses.size(); i += 8) {
    hash = (hash ^ load_le<std::uint64_t>(&addresses[i])) * odd;
    hash ^= hash >> 32;
  }
  return hash | 1;
}

template <std::size_t from, std::size_t to>
bool equal_bytes(const std::byte* a, const std::byte* b) {
  return std::memcmp(a + from, b + from, to - from) == 0;
}

} // namespace

void coalescer::add(byte_span packet) {
  if (packet.empty())
    return;
  const auto next = parse(packet);
  if (next.flow == 0) {
    close_same_addresses(packet);
  } else if (const auto position = find_open(next.flow);
             position < open_count_) {
    auto& target = groups_[open_[position].index];
    const bool joined = join(target, next);
    if (!joined || next.closes || next.payload() < target.head.payload())
      close(position);
    if (joined)
      return;
  }
  start(next);
}

void coalescer::flush(const std::function<void(const super_packet&)>& write) {
  for (const auto& done : groups_) {
    const auto header = finish(done);
    chain_.clear();
    auto at = done.first;
    for (std::size_t i = 0; i < done.packets; ++i) {
      chain_.push_back(fragments_[at].bytes);
      at = fragments_[at].next;
    }
    write({header, chain_});
  }
  groups_.clear();
  fragments_.clear();
  open_count_ = 0;
}

coalescer::segment coalescer::parse(byte_span packet) const {
  segment result;
  result.packet = packet;
  std::byte protocol{};
  if (is_plain_ipv4(packet)) {
    result.is_v4 = true;
    result.transport = ipv4::header_size;
    protocol = packet[ipv4::protocol];
  } else if (is_plain_ipv6(packet)) {
    result.transport = ipv6::header_size;
    protocol = packet[ipv6::next_header];
  } else {
    return result;
  }
  if (protocol == std::byte{protocol_tcp})
    parse_tcp(result);
  else if (protocol == std::byte{protocol_udp})
    parse_udp(result);
  return result;
}

void coalescer::parse_tcp(segment& candidate) const {
  const auto size = candidate.packet.size() - candidate.transport;
  if (size < tcp::header_size)
    return;
  const auto* header = candidate.l4();
  candidate.is_tcp = true;
  candidate.flow
    = flow_hash(addresses_of(candidate.packet), header, protocol_tcp);
  const auto length
    = std::to_integer<std::size_t>(header[tcp::data_offset]) / 16 * 4;
  if (length < tcp::header_size || length >= size)
    return;
  candidate.header_length = candidate.transport + length;
  const auto flags = header[tcp::flags];
  const auto kind = flags & (tcp::ack | tcp::syn | tcp::rst | tcp::urg);
  candidate.joinable = enabled_.tcp && kind == tcp::ack;
  candidate.closes = (flags & (tcp::fin | tcp::psh)) != std::byte{};
}

void coalescer::parse_udp(segment& candidate) const {
  const auto size = candidate.packet.size() - candidate.transport;
  if (size < udp::header_size)
    return;
  const auto* header = candidate.l4();
  candidate.flow
    = flow_hash(addresses_of(candidate.packet), header, protocol_udp);
  candidate.header_length = candidate.transport + udp::header_size;
  candidate.joinable = enabled_.udp && size > udp::header_size
                       && load_be<std::uint16_t>(header + udp::length) == size
                       && load_be<std::uint16_t>(header + udp::checksum) != 0;
}

bool coalescer::checksum_valid(const segment& candidate) {
  const auto body = candidate.packet.subspan(candidate.transport);
  const auto sum
    = pseudo_header_sum(candidate.ip(), candidate.is_v4,
                        candidate.is_tcp ? protocol_tcp : protocol_udp);
  return checksum_fold(checksum_add(body, sum + body.size())) == 0xffff;
}

/// All header fields that segmentation copies into every segment.
bool coalescer::headers_match(const segment& head, const segment& next) {
  if (head.is_v4 != next.is_v4 || head.is_tcp != next.is_tcp
      || head.header_length != next.header_length)
    return false;
  const auto* a = head.ip();
  const auto* b = next.ip();
  const bool same_ip
    = head.is_v4 ? equal_bytes<0, ipv4::total_length>(a, b)
                     && equal_bytes<ipv4::fragment, ipv4::checksum>(a, b)
                     && equal_bytes<ipv4::addresses, ipv4::header_size>(a, b)
                 : equal_bytes<0, ipv6::payload_length>(a, b)
                     && equal_bytes<ipv6::next_header, ipv6::header_size>(a, b);
  a = head.l4();
  b = next.l4();
  if (!same_ip || !equal_bytes<0, tcp::sequence>(a, b)) // the ports
    return false;
  if (!head.is_tcp)
    return true;
  // FIN and PSH may come with the last segment, CWR with the first.
  const auto flags = a[tcp::flags] & ~tcp::cwr;
  const auto options = head.header_length - head.transport - tcp::header_size;
  return (b[tcp::flags] & ~(tcp::fin | tcp::psh)) == flags
         && equal_bytes<tcp::acknowledgement, tcp::flags>(a, b)
         && equal_bytes<tcp::window, tcp::checksum>(a, b)
         && equal_bytes<tcp::urgent, tcp::header_size>(a, b)
         && std::memcmp(a + tcp::header_size, b + tcp::header_size, options)
              == 0;
}

/// Is `next` what segmentation would make after the packets of `target`?
bool coalescer::continues(const group& target, const segment& next) const {
  const auto& head = target.head;
  const auto limit = head.is_tcp
                       ? enabled_.max_packets
                       : std::min(enabled_.max_packets, max_udp_packets);
  if (target.packets >= limit
      || target.bytes + next.payload() > max_super_packet
      || next.payload() > head.payload() || !headers_match(head, next))
    return false;
  if (head.is_tcp) {
    const auto before = load_be<std::uint32_t>(head.l4() + tcp::sequence);
    const auto sent = target.bytes - head.header_length;
    if (load_be<std::uint32_t>(next.l4() + tcp::sequence)
        != before + static_cast<std::uint32_t>(sent))
      return false;
  }
  if (!head.is_v4)
    return true;
  // Identifications count up, or all are the same where none is needed
  // (RFC 6864, section 4).
  const auto id = [](const segment& packet) {
    return load_be<std::uint16_t>(packet.ip() + ipv4::identification);
  };
  const auto step = static_cast<std::uint16_t>(id(next) - id(head));
  if (target.packets > 1)
    return step == static_cast<std::uint16_t>(target.id_step * target.packets);
  const bool atomic = load_be<std::uint16_t>(head.ip() + ipv4::fragment) != 0;
  return step == 1 || (step == 0 && atomic);
}

bool coalescer::join(group& target, const segment& next) {
  if (!next.joinable || !continues(target, next))
    return false;
  if (!target.head_verified && !checksum_valid(target.head))
    return false;
  target.head_verified = true;
  if (!checksum_valid(next))
    return false;
  if (target.packets == 1 && next.is_v4)
    target.id_step = next.packet[ipv4::identification + 1]
                         == target.head.packet[ipv4::identification + 1]
                       ? 0
                       : 1;
  fragments_[target.last].next = fragments_.size();
  target.last = fragments_.size();
  fragments_.push_back({next.packet.subspan(next.header_length), 0});
  ++target.packets;
  target.bytes += next.payload();
  if (next.is_tcp)
    target.end_flags = next.l4()[tcp::flags] & (tcp::fin | tcp::psh);
  return true;
}

/// The position in `open_`, or `open_count_`.
std::size_t coalescer::find_open(std::uint64_t flow) const {
  const auto* end = open_.data() + open_count_;
  const auto* found
    = std::find_if(open_.data(), end, [flow](const open_group& entry) {
        return entry.flow == flow;
      });
  return static_cast<std::size_t>(found - open_.data());
}

void coalescer::close(std::size_t position) {
  std::move(open_.data() + position + 1, open_.data() + open_count_,
            open_.data() + position);
  --open_count_;
}

/// A packet without ports may belong to any flow between its addresses (a
/// fragment does), and no later packet of that flow may overtake it.
void coalescer::close_same_addresses(const_byte_span packet) {
  const auto addresses = addresses_of(packet);
  if (addresses.empty())
    return;
  for (auto i = open_count_; i-- > 0;) {
    const auto other = addresses_of(groups_[open_[i].index].head.packet);
    if (std::ranges::equal(addresses, other))
      close(i);
  }
}

void coalescer::start(const segment& head) {
  group fresh;
  fresh.head = head;
  fresh.first = fresh.last = fragments_.size();
  fresh.bytes = head.packet.size();
  fragments_.push_back({head.packet, 0});
  if (head.joinable && !head.closes) {
    if (open_count_ == max_open)
      close(0);
    open_[open_count_++] = {head.flow, groups_.size()};
  }
  groups_.push_back(fresh);
}

/// Makes the headers of the first packet those of the whole.
offload_header coalescer::finish(const group& done) {
  const auto& head = done.head;
  if (done.packets == 1)
    return {};
  auto* ip = head.packet.data();
  const auto body = done.bytes - head.transport;
  offload_header header;
  header.flags = offload_header::needs_checksum;
  header.header_length = static_cast<std::uint16_t>(head.header_length);
  header.gso_size = static_cast<std::uint16_t>(head.payload());
  header.checksum_start = static_cast<std::uint16_t>(head.transport);
  if (head.is_tcp) {
    auto& flags = head.l4()[tcp::flags];
    flags |= done.end_flags;
    header.gso_type
      = head.is_v4 ? offload_header::gso_tcp4 : offload_header::gso_tcp6;
    if ((flags & tcp::cwr) != std::byte{})
      header.gso_type |= offload_header::gso_ecn;
    header.checksum_offset = tcp::checksum;
  } else {
    store_be(head.l4() + udp::length, static_cast<std::uint16_t>(body));
    header.gso_type = offload_header::gso_udp;
    header.checksum_offset = udp::checksum;
  }
  if (head.is_v4) {
    store_be(ip + ipv4::total_length, static_cast<std::uint16_t>(done.bytes));
    set_ipv4_checksum(ip, ipv4::header_size);
  } else {
    store_be(ip + ipv6::payload_length,
             static_cast<std::uint16_t>(done.bytes - ipv6::header_size));
  }
  // The device adds the rest of the sum.
  const auto sum = pseudo_header_sum(ip, head.is_v4,
                                     head.is_tcp ? protocol_tcp : protocol_udp);
  store_be(head.l4() + header.checksum_offset, checksum_fold(sum + body));
  return header;
}

} // namespace weft
