#include "platform/connect.hpp"

#include "tests/platform/support.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace weft;
using namespace weft::test;

namespace {

/// Connects to `port` of 127.0.0.1; the descriptor blocks.
file_descriptor connect_v4(std::uint16_t port) {
  file_descriptor fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to)
      != 0)
    fd.reset();
  return fd;
}

} // namespace

TEST_CASE("a listener for both families tells IPv4 clients by their IPv4 "
          "addresses") {
  auto listener = tcp_listener::open(*parse_endpoint("[::]:0"));
  REQUIRE(listener);
  const auto client = connect_v4(listener->where().port);
  REQUIRE(client);
  const auto accepted = listener->accept();
  REQUIRE(accepted.fd);
  CHECK(accepted.from.address == *parse_ip_address("127.0.0.1"));
}

TEST_CASE("a TCP listener without free descriptors turns a connection away "
          "instead of being woken for ever") {
  const auto code = in_child([] {
    auto listener = tcp_listener::open(*parse_endpoint("127.0.0.1:0"));
    if (!listener)
      return 1;
    const auto client = connect_v4(listener->where().port);
    if (!client)
      return 2;
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 64;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    while (::dup(client.get()) >= 0) {
    }
    if (listener->accept().fd)
      return 3;
    pollfd waits{listener->descriptor(), POLLIN, 0};
    if (::poll(&waits, 1, 0) != 0)
      return 4;
    char byte = 0;
    return ::read(client.get(), &byte, 1) == 0 ? 0 : 5;
  });
  CHECK(code == 0);
}
