#include "platform/connect.hpp"

#include "tests/platform/support.hpp"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>

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

/// From now on this process has no IPv6, like one on a host without it.
bool give_up_ipv6() {
  std::array<sock_filter, 6> program{{
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{program.size(), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
         && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

} // namespace

TEST_CASE("a listener for both families is one for IPv4 on a host without "
          "IPv6") {
  const auto code = in_child([] {
    if (!give_up_ipv6())
      return 1;
    const auto listener = tcp_listener::open(*parse_endpoint("[::]:0"));
    if (!listener)
      return 2;
    if (!connect_v4(listener->where().port))
      return 3;
    return tcp_listener::open(*parse_endpoint("[::1]:0")) ? 4 : 0;
  });
  CHECK(code == 0);
}

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
