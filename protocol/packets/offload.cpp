// Segmentation, in the order of a packet's way:
//   1. create() decides from the offload header what is to be done,
//   2. reads the inner headers, which it trusts more than the offload header,
//   3. split_into() makes room for one segment after another and
//   4. writes each: headers copied and patched, payload copied and summed.
#include "protocol/packets/offload.hpp"

#include "protocol/packets/inner_headers.hpp"

#include <algorithm>

namespace weft {

namespace {

/// Extension headers of IPv6 that may stand in front of TCP or UDP in a
/// super-packet (RFC 8200, section 4).
constexpr std::uint8_t hop_by_hop_options = 0;
constexpr std::uint8_t routing = 43;
constexpr std::uint8_t destination_options = 60;

/// Options of IPv4 (RFC 791, section 3.1).
constexpr std::uint8_t end_of_options = 0;
constexpr std::uint8_t no_operation = 1;
constexpr std::uint8_t loose_source_route = 131;
constexpr std::uint8_t strict_source_route = 137;

std::uint8_t byte_at(const_byte_span data, std::size_t offset) {
  return std::to_integer<std::uint8_t>(data[offset]);
}

/// Whether `packet` may be UDP, as far as its fixed header and a fragment
/// header behind that tell.
bool may_be_udp(const_byte_span packet) {
  const auto is_v4 = inner::ip_version(packet) == 4;
  const auto at = is_v4 ? inner::ipv4::protocol : inner::ipv6::next_header;
  if (packet.size() <= at)
    return false;
  const auto protocol = byte_at(packet, at);
  return protocol == inner::protocol_udp
         || (!is_v4 && protocol == inner::protocol_fragment);
}

/// Can a packet of `length` bytes travel in one datagram, whatever the MTU
/// that bounds its padding?
bool fits_datagram(std::size_t length) {
  return padded_length(length, 65535) + transport_overhead <= 65535;
}

/// Whether IPv4 options hold a source route that has not come to its end: the
/// header's destination is the next hop then, and not the one that checksums
/// are made with.
bool has_source_route(const_byte_span options) {
  for (std::size_t at = 0; at + 3 <= options.size();) {
    const auto type = byte_at(options, at);
    if (type == end_of_options)
      return false;
    if (type == no_operation) {
      ++at;
      continue;
    }
    const auto length = byte_at(options, at + 1);
    if ((type == loose_source_route || type == strict_source_route)
        && byte_at(options, at + 2) <= length)
      return true;
    at += std::max<std::size_t>(length, 2);
  }
  return false;
}

} // namespace

std::optional<segmenter>
segmenter::create(const offload_header& header, byte_span packet) {
  segmenter result;
  result.header_ = header;
  result.packet_ = packet;
  const bool valid = !packet.empty()
                     && (header.gso_type != offload_header::gso_none
                           ? result.take_super_packet()
                         : (header.flags & offload_header::needs_checksum) != 0
                           ? result.take_checksum()
                           : fits_datagram(packet.size()));
  if (!valid)
    return std::nullopt;
  result.mark_ = congestion_mark_of(packet);
  if (!may_be_udp(packet))
    result.contents_ = datagram_buffer::contents::no_message;
  return result;
}

bool segmenter::take_checksum() {
  work_ = work::checksum;
  const auto field
    = std::size_t{header_.checksum_start} + header_.checksum_offset;
  return field + 2 <= packet_.size() && fits_datagram(packet_.size());
}

bool segmenter::take_super_packet() {
  std::uint8_t protocol = 0;
  bool routed = false;
  if (header_.gso_size == 0 || !read_headers(protocol, routed))
    return false;
  const bool partial = (header_.flags & offload_header::needs_checksum) != 0;
  if ((partial && header_.checksum_start != transport_) || (routed && !partial))
    return false;
  const bool is_v4 = inner::ip_version(packet_) == 4;
  const bool is_tcp = protocol == inner::protocol_tcp;
  const auto expected = !is_tcp ? offload_header::gso_udp
                        : is_v4 ? offload_header::gso_tcp4
                                : offload_header::gso_tcp6;
  const auto ignored = is_tcp ? offload_header::gso_ecn : 0;
  if ((header_.gso_type & ~ignored) != expected
      || (!is_tcp && protocol != inner::protocol_udp)
      || !(is_tcp ? take_tcp() : take_udp()))
    return false;
  payload_limit_ = header_.gso_size;
  take_pseudo_header(
    protocol, is_tcp ? inner::tcp::checksum : inner::udp::checksum, routed);
  return fits_datagram(
    header_length_ + std::min(payload_limit_, packet_.size() - header_length_));
}

/// Finds the transport header and cuts the packet to its stated length.
/// `routed` says that a routing header or a source route still hides the final
/// destination.
bool segmenter::read_headers(std::uint8_t& protocol, bool& routed) {
  std::size_t stated = 0;
  if (inner::ip_version(packet_) == 4) {
    if (packet_.size() < inner::ipv4::header_size)
      return false;
    transport_ = std::size_t{byte_at(packet_, 0) & 15u} * 4;
    stated = load_be<std::uint16_t>(&packet_[inner::ipv4::total_length]);
    const auto fragment
      = load_be<std::uint16_t>(&packet_[inner::ipv4::fragment]);
    if (transport_ < inner::ipv4::header_size || transport_ > packet_.size()
        || (fragment & inner::ipv4::fragment_mask) != 0)
      return false;
    routed = has_source_route(packet_.subspan(
      inner::ipv4::header_size, transport_ - inner::ipv4::header_size));
    protocol = byte_at(packet_, inner::ipv4::protocol);
  } else if (inner::ip_version(packet_) == 6) {
    if (packet_.size() < inner::ipv6::header_size)
      return false;
    transport_ = inner::ipv6::header_size;
    stated = transport_
             + load_be<std::uint16_t>(&packet_[inner::ipv6::payload_length]);
    protocol = byte_at(packet_, inner::ipv6::next_header);
    while (protocol == hop_by_hop_options || protocol == routing
           || protocol == destination_options) {
      if (transport_ + 8 > packet_.size())
        return false;
      if (protocol == routing)
        routed = routed || byte_at(packet_, transport_ + 3) != 0;
      protocol = byte_at(packet_, transport_);
      transport_ += (byte_at(packet_, transport_ + 1) + std::size_t{1}) * 8;
    }
  } else {
    return false;
  }
  if (stated > packet_.size())
    return false;
  packet_ = packet_.first(stated);
  return true;
}

bool segmenter::take_tcp() {
  work_ = work::tcp;
  if (transport_ + inner::tcp::header_size > packet_.size())
    return false;
  const auto length
    = std::size_t{byte_at(packet_, transport_ + inner::tcp::data_offset)} / 16
      * 4;
  header_length_ = transport_ + length;
  return length >= inner::tcp::header_size && header_length_ <= packet_.size();
}

bool segmenter::take_udp() {
  work_ = work::udp;
  header_length_ = transport_ + inner::udp::header_size;
  return header_length_ <= packet_.size();
}

/// The pseudo header has the final destination.  While a route hides it, the
/// kernel's partial sum is the one that knows it.
void segmenter::take_pseudo_header(std::uint8_t protocol,
                                   std::size_t checksum_offset, bool routed) {
  if (!routed) {
    pseudo_sum_ = inner::pseudo_header_sum(
      packet_.data(), inner::ip_version(packet_) == 4, protocol);
    return;
  }
  const auto length = static_cast<std::uint16_t>(packet_.size() - transport_);
  pseudo_sum_ = load_be<std::uint16_t>(&packet_[transport_ + checksum_offset])
                + std::uint64_t{static_cast<std::uint16_t>(~length)};
}

bool segmenter::split_into(datagram_buffer& out, std::size_t mtu) {
  while (!done_) {
    const bool whole = work_ == work::copy || work_ == work::checksum;
    const auto length
      = whole ? packet_.size()
              : header_length_
                  + std::min(payload_limit_,
                             packet_.size() - header_length_ - sent_);
    const auto segment
      = out.add(length, padded_length(length, mtu), contents_, mark_);
    if (segment.empty()) {
      done_ = out.empty();
      return done_;
    }
    if (whole) {
      write_whole(segment);
      done_ = true;
    } else {
      write_segment(segment, sent_);
      sent_ += length - header_length_;
      done_ = header_length_ + sent_ == packet_.size();
    }
  }
  return true;
}

void segmenter::write_whole(byte_span segment) const {
  if (work_ == work::copy) {
    std::memcpy(segment.data(), packet_.data(), packet_.size());
    return;
  }
  // The field holds the sum of the pseudo header; it is summed with the rest.
  const std::size_t start = header_.checksum_start;
  std::memcpy(segment.data(), packet_.data(), start);
  const auto sum = checksum_copy(&segment[start], packet_.subspan(start), 0);
  store_be(&segment[start + header_.checksum_offset],
           inner::finish_checksum(sum));
}

void segmenter::write_segment(byte_span segment,
                              std::size_t payload_offset) const {
  auto* ip = segment.data();
  std::memcpy(ip, packet_.data(), header_length_);
  if (inner::ip_version(segment) == 4) {
    const auto identification
      = load_be<std::uint16_t>(ip + inner::ipv4::identification)
        + payload_offset / payload_limit_;
    store_be(ip + inner::ipv4::total_length,
             static_cast<std::uint16_t>(segment.size()));
    store_be(ip + inner::ipv4::identification,
             static_cast<std::uint16_t>(identification));
    inner::set_ipv4_checksum(ip, (std::to_integer<std::size_t>(*ip) & 15) * 4);
  } else {
    store_be(
      ip + inner::ipv6::payload_length,
      static_cast<std::uint16_t>(segment.size() - inner::ipv6::header_size));
  }
  const auto payload = packet_.subspan(header_length_ + payload_offset,
                                       segment.size() - header_length_);
  const bool last
    = header_length_ + payload_offset + payload.size() == packet_.size();
  auto* transport = ip + transport_;
  const auto transport_length = segment.size() - transport_;
  std::byte* checksum = nullptr;
  if (work_ == work::tcp) {
    patch_tcp(transport, payload_offset, last);
    checksum = transport + inner::tcp::checksum;
  } else {
    store_be(transport + inner::udp::length,
             static_cast<std::uint16_t>(transport_length));
    checksum = transport + inner::udp::checksum;
  }
  store_be<std::uint16_t>(checksum, 0);
  auto sum = checksum_add({transport, header_length_ - transport_},
                          pseudo_sum_ + transport_length);
  sum = checksum_copy(ip + header_length_, payload, sum);
  store_be(checksum, inner::finish_checksum(sum));
}

/// Sets what differs between the segments of a stream (RFC 9293, and RFC 3168
/// for CWR).
void segmenter::patch_tcp(std::byte* transport, std::size_t payload_offset,
                          bool last) {
  auto* sequence = transport + inner::tcp::sequence;
  store_be(sequence, load_be<std::uint32_t>(sequence)
                       + static_cast<std::uint32_t>(payload_offset));
  auto& flags = transport[inner::tcp::flags];
  if (payload_offset != 0)
    flags &= ~inner::tcp::cwr;
  if (!last)
    flags &= ~(inner::tcp::fin | inner::tcp::psh);
}

} // namespace weft
