// What anybody may say of datagrams that this host has sent.
#pragma once

#include "protocol/base/ip.hpp"
#include "tests/platform/support.hpp"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace weft::test {

/// Says to this host that `datagram`, which it has sent from one IPv4 endpoint
/// to another, was too big.
inline void claim_too_big(const endpoint& from, const endpoint& to,
                          std::uint16_t mtu, const_byte_span datagram = {}) {
  const file_descriptor raw{::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)};
  REQUIRE(raw);
  struct {
    icmphdr icmp{};
    iphdr ip{};
    udphdr udp{};
    std::array<std::byte, 8> beginning{};
  } message;
  message.icmp.type = ICMP_DEST_UNREACH;
  message.icmp.code = ICMP_FRAG_NEEDED;
  message.icmp.un.frag.mtu = htons(mtu);
  message.ip.version = 4;
  message.ip.ihl = 5;
  message.ip.ttl = 64;
  message.ip.protocol = IPPROTO_UDP;
  message.ip.tot_len = htons(1500);
  std::memcpy(&message.ip.saddr, from.address.bytes.data(), 4);
  std::memcpy(&message.ip.daddr, to.address.bytes.data(), 4);
  message.udp.source = htons(from.port);
  message.udp.dest = htons(to.port);
  message.udp.len = htons(1480);
  std::copy_n(datagram.begin(),
              std::min(datagram.size(), message.beginning.size()),
              message.beginning.begin());
  std::array<std::uint16_t, sizeof message / 2> words{};
  std::memcpy(words.data(), &message, sizeof message);
  std::uint32_t sum = 0;
  for (const auto word : words)
    sum += word;
  sum = (sum & 0xffff) + (sum >> 16);
  message.icmp.checksum = static_cast<std::uint16_t>(~(sum + (sum >> 16)));
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_addr.s_addr = message.ip.saddr;
  REQUIRE(::sendto(raw.get(), &message, sizeof message, 0,
                   reinterpret_cast<const sockaddr*>(&here), sizeof here)
          == static_cast<ssize_t>(sizeof message));
}

} // namespace weft::test
