// Joins consecutive packets of one flow into super-packets for one TUN write.
#pragma once

#include "protocol/packets/offload.hpp"

#include <array>
#include <functional>
#include <vector>

namespace weft {

/// What goes to the TUN device with one write: the offload header and then
/// the fragments, in order.  There is one fragment for each packet joined.
struct super_packet {
  offload_header header;
  std::span<const const_byte_span> fragments;
};

/// Takes the inner packets of a batch in order; what it gives out keeps the
/// order within every flow.  It copies no payload, so the packets must stay
/// where they are until flush() returns.
///
/// The packets of a super-packet are those that a host's segmentation makes of
/// one: equal headers, lengths, identifications and sequence numbers in order,
/// and valid checksums.  All others pass unchanged, with an empty offload
/// header, so that the host's own stack judges them.
class coalescer {
public:
  struct offloads {
    bool tcp = true;
    bool udp = true;
    /// Packets that one super-packet may consist of (a write takes at most
    /// 1024 fragments).
    std::size_t max_packets = 128;
  };

  explicit coalescer(offloads enabled) : enabled_(enabled) {
  }

  /// `packet` is one IP packet, without padding.  Its headers may be changed.
  void add(byte_span packet);

  /// Gives out all that was added, and forgets it.
  void flush(const std::function<void(const super_packet&)>& write);

private:
  /// Where the parts of a packet lie, as far as they matter here.
  struct segment {
    byte_span packet;
    std::size_t transport = 0;     ///< offset of the TCP or UDP header
    std::size_t header_length = 0; ///< IP and transport headers
    /// Hash of addresses, ports and protocol; 0 if it has no ports.  Flows
    /// that collide are only joined less well.
    std::uint64_t flow = 0;
    bool is_v4 = false;
    bool is_tcp = false;
    bool joinable = false; ///< may be part of a super-packet
    bool closes = false;   ///< can only be the last of its super-packet

    const std::byte* ip() const {
      return packet.data();
    }
    std::byte* l4() const {
      return packet.data() + transport;
    }
    std::size_t payload() const {
      return packet.size() - header_length;
    }
  };

  /// What will be one write.
  struct group {
    segment head;          ///< its first packet
    std::size_t first = 0; ///< its fragments, as a chain
    std::size_t last = 0;
    std::size_t packets = 1;
    std::size_t bytes = 0;
    std::uint16_t id_step = 0;  ///< between IPv4 identifications
    bool head_verified = false; ///< the checksum of `head` is right
    std::byte end_flags{};      ///< FIN and PSH of the last TCP segment
  };
  struct fragment {
    const_byte_span bytes;
    std::size_t next = 0;
  };
  /// A group that may take another packet.
  struct open_group {
    std::uint64_t flow = 0;
    std::size_t index = 0;
  };

  /// More flows at a time than this are joined less well.
  static constexpr std::size_t max_open = 8;

  segment parse(byte_span packet) const;
  void parse_tcp(segment& candidate) const;
  void parse_udp(segment& candidate) const;
  static bool checksum_valid(const segment& candidate);
  static bool headers_match(const segment& head, const segment& next);
  bool continues(const group& target, const segment& next) const;
  bool join(group& target, const segment& next);
  std::size_t find_open(std::uint64_t flow) const;
  void close(std::size_t position);
  void close_same_addresses(const_byte_span packet);
  void start(const segment& head);
  static offload_header finish(const group& done);

  offloads enabled_;
  std::vector<group> groups_;
  std::vector<fragment> fragments_;
  std::vector<const_byte_span> chain_;      ///< scratch of flush()
  std::array<open_group, max_open> open_{}; ///< the oldest first
  std::size_t open_count_ = 0;
};

} // namespace weft
