#include "platform/echo.hpp"

#include "platform/file_descriptor.hpp"
#include "platform/linux/socket_address.hpp"
#include "platform/random.hpp"
#include "protocol/packets/checksum.hpp"

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace weft {

namespace {

/// Type, code, checksum, identifier, and sequence number; the same for both
/// families (RFC 792, RFC 4443).
constexpr std::size_t header_size = 8;

class echo_request {
public:
  echo_request(ip_family family, std::size_t ip_size)
    : v4_(family == ip_family::v4),
      message_(std::max(
        ip_size - std::min(ip_size, v4_ ? ipv4_header_size : ipv6_header_size),
        header_size)) {
    message_[0] = std::byte{v4_ ? std::uint8_t{ICMP_ECHO}
                                : std::uint8_t{ICMP6_ECHO_REQUEST}};
    store_be(message_.data() + 4, system_random{}.next_u32()); // of nobody else
    if (v4_) // of IPv6 the kernel makes it
      store_be(message_.data() + 2, static_cast<std::uint16_t>(~checksum_fold(
                                      checksum_add(message_, 0))));
  }

  const_byte_span bytes() const {
    return message_;
  }
  /// Whether this is the answer; of IPv4 it comes with its IP header.
  bool is_answered_by(const_byte_span packet) const {
    if (v4_) {
      if (packet.empty())
        return false;
      const auto length
        = static_cast<std::size_t>(packet[0] & std::byte{0x0f}) * 4;
      packet = packet.subspan(std::min(length, packet.size()));
    }
    const auto wanted = std::byte{v4_ ? std::uint8_t{ICMP_ECHOREPLY}
                                      : std::uint8_t{ICMP6_ECHO_REPLY}};
    return packet.size() == message_.size() && packet[0] == wanted
           && std::equal(packet.begin() + 4, packet.end(),
                         message_.begin() + 4);
  }

private:
  bool v4_;
  std::vector<std::byte> message_;
};

/// A socket that sends in one piece, and hears what comes from `to`.
result<file_descriptor> open_to(const ip_address& to) {
  const auto v4 = to.is_v4();
  file_descriptor fd{::socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC,
                              v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6})};
  const int probe = IP_PMTUDISC_PROBE; // the number is that of IPv6, too
  static_assert(IP_PMTUDISC_PROBE == IPV6_PMTUDISC_PROBE);
  const socket_address address{{to, 0, 0}};
  if (!fd
      || ::setsockopt(fd.get(), v4 ? SOL_IP : SOL_IPV6,
                      v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &probe,
                      sizeof probe)
           != 0
      || ::connect(fd.get(), address.data(), address.size()) != 0)
    return tl::unexpected(make_system_error(
      errno, "Cannot send an echo request to " + to_string(to)));
  return fd;
}

} // namespace

result<bool> answers_echo(const ip_address& to, std::size_t size,
                          std::chrono::milliseconds patience) {
  const auto fd = open_to(to);
  if (!fd)
    return tl::unexpected(fd.error());
  const echo_request request(to.family, size);
  const auto bytes = request.bytes();
  if (::send(fd->get(), bytes.data(), bytes.size(), 0) < 0)
    return tl::unexpected(make_system_error(
      errno, "Cannot send an echo request to " + to_string(to)));
  using clock = std::chrono::steady_clock;
  std::vector<std::byte> packet(65536);
  for (const auto until = clock::now() + patience;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      until - clock::now());
    pollfd entry{fd->get(), POLLIN, 0};
    if (left.count() <= 0
        || ::poll(&entry, 1, static_cast<int>(left.count())) <= 0)
      return false;
    const auto got = ::recv(fd->get(), packet.data(), packet.size(), 0);
    if (got > 0
        && request.is_answered_by(
          const_byte_span{packet}.first(static_cast<std::size_t>(got))))
      return true;
  }
}

} // namespace weft
