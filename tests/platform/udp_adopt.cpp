// Sockets that another process has opened, or an earlier owner in this one.
#include "platform/hand_over.hpp"
#include "tests/platform/support.hpp"

#include <sys/socket.h>

#include <cerrno>

using namespace weft;
using namespace weft::test;

namespace {

file_descriptor copy_of(const std::optional<udp_socket>& socket) {
  if (!socket)
    return {};
  auto copy = duplicate(socket->descriptor());
  REQUIRE(copy);
  return std::move(*copy);
}

/// The error of whoever adopts it as a socket of this family.
int refusal_of(file_descriptor opened, ip_family family) {
  udp_socket::options wanted;
  wanted.family = family;
  const auto adopted = udp_socket::adopt(std::move(opened), wanted);
  return adopted ? 0 : adopted.error().code;
}

} // namespace

TEST_CASE("a port is adopted with what waits in its sockets, and divided as "
          "before") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto family = GENERATE(ip_family::v4, ip_family::v6);
  const endpoint everywhere{{ip_family::v6, {}}, 0, 0};
  auto opened = open_udp_sockets(everywhere, 0);
  REQUIRE(opened);
  auto strangers = open_stranger_sockets(*opened);
  REQUIRE(strangers);
  const auto port = opened->port();
  auto sender = open_udp(family);
  const auto address = [family](const udp_sockets& sockets) {
    return loopback(family == ip_family::v4 ? *sockets.v4 : *sockets.v6,
                    family);
  };
  auto data = pattern(96, 1);
  data[0] = std::byte{4};
  data[1] = data[2] = data[3] = std::byte{0};
  const auto handshake = pattern(148, 2);
  const auto send_both = [&](const udp_sockets& to) {
    for (const const_byte_span bytes :
         {const_byte_span{data}, const_byte_span{handshake}})
      REQUIRE(sender.send(bytes, address(to), std::nullopt).failed == 0);
  };
  send_both(*opened);
  left_udp_sockets left{copy_of(opened->v4), copy_of(opened->v6),
                        copy_of(strangers->v4), copy_of(strangers->v6)};
  *opened = {};
  *strangers = {};
  auto adopted = adopt_udp_sockets(std::move(left), everywhere, 0);
  REQUIRE(adopted);
  CHECK(adopted->peers.port() == port);
  CHECK(adopted->strangers.port() == port);
  const auto part = [family](udp_sockets& sockets) -> udp_socket& {
    return family == ip_family::v4 ? *sockets.v4 : *sockets.v6;
  };
  for (const auto round : {1, 2}) {
    CAPTURE(round);
    CHECK(receive_all(part(adopted->peers), 1).datagrams.at(0) == data);
    CHECK(receive_all(part(adopted->strangers), 1).datagrams.at(0)
          == handshake);
    if (round == 1)
      send_both(adopted->peers);
  }
}

TEST_CASE("what is no UDP socket of that family with a port is not adopted") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto bound = open_udp(ip_family::v4);
  const auto copy = [&bound] {
    auto made = duplicate(bound.descriptor());
    REQUIRE(made);
    return std::move(*made);
  };
  CHECK(refusal_of(copy(), ip_family::v4) == 0);
  CHECK(refusal_of(copy(), ip_family::v6) == EINVAL);
  CHECK(
    refusal_of(file_descriptor{::socket(AF_INET, SOCK_DGRAM, 0)}, ip_family::v4)
    == EINVAL);
  CHECK(refusal_of(file_descriptor{::socket(AF_INET, SOCK_STREAM, 0)},
                   ip_family::v4)
        == EINVAL);
  CHECK(refusal_of(file_descriptor{}, ip_family::v4) == EINVAL);
}
