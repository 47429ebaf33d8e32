#include "platform/checksum_errors.hpp"

#include "tests/catch.hpp"
#include "tests/platform/support.hpp"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cstring>
#include <thread>

using namespace weft;
using namespace weft::test;

namespace {

/// Sends a datagram to a port of the loopback link, with a checksum that cannot
/// be right.
void send_mangled(std::uint16_t port) {
  const file_descriptor raw{::socket(AF_INET, SOCK_RAW, IPPROTO_UDP)};
  REQUIRE(raw);
  // Short ones the kernel drops before it looks for the socket.
  std::array<std::byte, sizeof(udphdr) + 1000> message{};
  udphdr header{};
  header.source = htons(4000);
  header.dest = htons(port);
  header.len = htons(message.size());
  header.check = htons(1);
  std::memcpy(message.data(), &header, sizeof header);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::sendto(raw.get(), message.data(), message.size(), 0,
                   reinterpret_cast<const sockaddr*>(&to), sizeof to)
          == static_cast<ssize_t>(message.size()));
}

} // namespace

TEST_CASE("Wrong checksums are found by the name of their column") {
  CHECK(
    checksum_errors_v4("Ip: Forwarding InCsumErrors\n"
                       "Ip: 1 9\n"
                       "Udp: InDatagrams NoPorts InCsumErrors IgnoredMulti\n"
                       "Udp: 5 6 7 8\n")
    == 7);
  CHECK(
    checksum_errors_v6("Udp6InErrors 3\nUdp6InCsumErrors             \t42\n")
    == 42);
  for (const auto* none : {"", "Udp:\n", "Udp: InDatagrams\nUdp: 5\n",
                           "Udp: InCsumErrors\n", "Udp6InCsumErrors"}) {
    CHECK(checksum_errors_v4(none) == 0);
    CHECK(checksum_errors_v6(none) == 0);
  }
}

TEST_CASE("A datagram with a wrong checksum is counted by the host, and as "
          "lost by the socket that it was for") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto socket = open_udp(ip_family::v4);
  const auto before = count_checksum_errors();
  CHECK(socket.lost() == 0);
  send_mangled(socket.port());
  // The kernel looks at it when it is to be received.
  CHECK(receive_all(socket, 1).datagrams.empty());
  CHECK(count_checksum_errors() == before + 1);
  CHECK(socket.lost() == 1);
}

TEST_CASE("Those of the thread's own network namespace are counted") {
  if (!can_make_networks())
    return;
  std::thread([] {
    const network_namespace here; // where the process's first thread is not
    auto socket = open_udp(ip_family::v4);
    send_mangled(socket.port());
    CHECK(receive_all(socket, 1).datagrams.empty());
    CHECK(count_checksum_errors() == 1);
  }).join();
}
