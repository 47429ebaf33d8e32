// Two hosts, each a network namespace with a TUN device; the test carries the
// packets between the two as they are, super-packets whole:
//
//   left: socket - 10.9.0.1 - TUN  <- test ->  TUN - 10.9.0.2 - socket :right
#include "tests/platform/support.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

using namespace weft;
using namespace weft::test;
using io_status = tun_device::io_status;

namespace {

struct host {
  network_namespace space;
  std::optional<tun_device> tun;

  explicit host(const std::string& number) {
    auto made = tun_device::create("tun0");
    REQUIRE(made);
    tun = std::move(*made);
    run("ip link set tun0 up");
    add_address("10.9.0." + number + "/24", "tun0");
    add_address("fd09::" + number + "/64", "tun0");
  }
};

/// What went from one TUN device to the other.
struct traffic {
  std::size_t packets = 0;
  std::size_t bytes = 0;
  std::vector<offload_header> super_packets;
};

/// Carries all that waits.  Whether there was anything.
bool carry(const tun_device& from, const tun_device& to, traffic& count) {
  static std::vector<std::byte> buffer(tun_device::max_read);
  bool any = false;
  for (;;) {
    const auto got = from.read(buffer);
    if (got.status != io_status::ok)
      return any;
    any = true;
    ++count.packets;
    count.bytes += got.packet.size();
    if (got.header.gso_type != offload_header::gso_none)
      count.super_packets.push_back(got.header);
    // The first fragment holds less than the headers, as the kernel allows.
    const std::array<const_byte_span, 2> fragments{got.packet.first(15),
                                                   got.packet.subspan(15)};
    REQUIRE(to.write(got.header, fragments) == io_status::ok);
  }
}

file_descriptor tcp_socket(int family) {
  file_descriptor fd{
    ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  REQUIRE(fd);
  return fd;
}

/// 10.9.0.2 or fd09::2.
sockaddr_in6 right_address(int family, std::uint16_t port) {
  sockaddr_in6 to{};
  to.sin6_family = static_cast<sa_family_t>(family);
  to.sin6_port = htons(port);
  if (family == AF_INET6)
    std::memcpy(&to.sin6_addr, address("fd09::2").bytes.data(), 16);
  else // sockaddr_in: the address follows the port
    std::memcpy(&to.sin6_flowinfo, address("10.9.0.2").bytes.data(), 4);
  return to;
}

const sockaddr* generic(const sockaddr_in6& from) {
  return reinterpret_cast<const sockaddr*>(&from);
}

} // namespace

TEST_CASE("TCP super-packets pass from one TUN device to another whole") {
  if (!can_make_networks())
    return;
  const int family = GENERATE(AF_INET, AF_INET6);
  const host right{"2"};
  const auto to = right_address(family, 5001);
  const auto listener = tcp_socket(family);
  REQUIRE(::bind(listener.get(), generic(to), sizeof to) == 0);
  REQUIRE(::listen(listener.get(), 1) == 0);
  const host left{"1"};
  const auto sender = tcp_socket(family);
  REQUIRE(::connect(sender.get(), generic(to), sizeof to) == -1);
  REQUIRE(errno == EINPROGRESS);

  const auto data = pattern(1 << 20, 3);
  std::vector<std::byte> arrived(data.size() + 1);
  std::size_t sent = 0;
  std::size_t received = 0;
  traffic forth;
  traffic back;
  file_descriptor receiver;
  // A retransmission after a loss would take 200 ms: no loss, no waiting.
  for (int idle = 0; received < data.size() && idle < 1000;) {
    bool progress = carry(*left.tun, *right.tun, forth);
    progress = carry(*right.tun, *left.tun, back) || progress;
    if (!receiver)
      receiver = file_descriptor{
        ::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK)};
    if (const auto n
        = ::send(sender.get(), data.data() + sent, data.size() - sent, 0);
        n > 0)
      sent += static_cast<std::size_t>(n);
    if (const auto n = ::recv(receiver.get(), arrived.data() + received,
                              arrived.size() - received, 0);
        n > 0) {
      received += static_cast<std::size_t>(n);
      progress = true;
    }
    idle = progress ? 0 : idle + 1;
    if (!progress)
      ::usleep(10000);
  }
  REQUIRE(received == data.size());
  CHECK(std::equal(data.begin(), data.end(), arrived.begin()));
  REQUIRE_FALSE(forth.super_packets.empty());
  const auto type
    = family == AF_INET ? offload_header::gso_tcp4 : offload_header::gso_tcp6;
  for (const auto& header : forth.super_packets) {
    CHECK(header.gso_type == type);
    CHECK(header.gso_size > 1000);
    CHECK(header.gso_size < 1500);
  }
  // Far fewer packets than segments.
  CHECK(forth.packets < data.size() / 1400 / 2);
}

TEST_CASE("UDP super-packets pass from one TUN device to another whole") {
  if (!can_make_networks())
    return;
  const auto family = GENERATE(ip_family::v4, ip_family::v6);
  const host right{"2"};
  auto receiver = open_udp(family);
  const host left{"1"};
  if (!left.tun->has_udp_offload()) {
    WARN("skipped: this kernel has no USO");
    return;
  }
  auto sender = open_udp(family);
  const datagrams batch{std::vector<std::size_t>(20, 1000)};
  const endpoint to{address(family == ip_family::v4 ? "10.9.0.2" : "fd09::2"),
                    receiver.port()};
  REQUIRE(sender.send(batch.buffer(), 0, to, std::nullopt).status
          == udp_socket::io_status::ok);
  traffic forth;
  CHECK(carry(*left.tun, *right.tun, forth));
  REQUIRE(forth.packets == 1);
  REQUIRE(forth.super_packets.size() == 1);
  CHECK(forth.super_packets[0].gso_type == offload_header::gso_udp);
  CHECK(forth.super_packets[0].gso_size == 1000);
  const auto got = receive_all(receiver, 20);
  CHECK(got.datagrams == batch.all());
  CHECK(got.messages.size() == 1);
}
