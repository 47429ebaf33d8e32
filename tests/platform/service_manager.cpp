#include "platform/service_manager.hpp"

#include "tests/platform/hand_over_support.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

using namespace weft;
using namespace weft::test;

namespace {

/// A datagram socket in the place of a service manager.
file_descriptor service_manager(const std::string& name) {
  file_descriptor fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(&address.sun_path[0], sizeof address.sun_path);
  if (name[0] == '@')
    address.sun_path[0] = '\0';
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path)
                                        + name.size()))
          == 0);
  return fd;
}

std::string receive_text(const file_descriptor& fd) {
  std::array<char, 100> text{};
  const auto got = ::recv(fd.get(), text.data(), text.size(), MSG_DONTWAIT);
  return got < 0 ? "nothing" : std::string(text.data(), std::size_t(got));
}

} // namespace

TEST_CASE("the service manager is told the state, by path or abstract name") {
  const temporary_folder folder;
  const auto name
    = GENERATE_REF(folder.path() + "/notify",
                   "@weft-test-notify-" + std::to_string(::getpid()));
  const auto manager = service_manager(name);
  REQUIRE(::setenv("NOTIFY_SOCKET", name.c_str(), 1) == 0);
  notify_service_manager("READY=1\nSTATUS=two peers");
  CHECK(receive_text(manager) == "READY=1\nSTATUS=two peers");
  REQUIRE(::unsetenv("NOTIFY_SOCKET") == 0);
  notify_service_manager("STOPPING=1");
  CHECK(receive_text(manager) == "nothing");
}

TEST_CASE("a service manager that does not listen holds nobody up") {
  const temporary_folder folder;
  const auto name = folder.path() + "/notify";
  const auto manager = service_manager(name);
  const file_descriptor other{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(&address.sun_path[0], sizeof address.sun_path);
  while (::sendto(other.get(), "x", 1, MSG_DONTWAIT,
                  reinterpret_cast<const sockaddr*>(&address), sizeof address)
         == 1) {
  }
  REQUIRE(errno == EAGAIN);
  REQUIRE(::setenv("NOTIFY_SOCKET", name.c_str(), 1) == 0);
  notify_service_manager("READY=1"); // hangs for ever otherwise
  REQUIRE(::unsetenv("NOTIFY_SOCKET") == 0);
}

TEST_CASE("a bad place to notify does no harm") {
  const auto place = GENERATE(std::string{"relative"}, std::string{"@"},
                              std::string{"/nonexistent/socket"}, std::string{},
                              "/" + std::string(200, 'x'));
  REQUIRE(::setenv("NOTIFY_SOCKET", place.c_str(), 1) == 0);
  notify_service_manager("READY=1");
  REQUIRE(::unsetenv("NOTIFY_SOCKET") == 0);
}

TEST_CASE("the service manager keeps descriptors by their names") {
  const temporary_folder folder;
  const auto name = folder.path() + "/notify";
  const auto manager = service_manager(name);
  REQUIRE(::setenv("NOTIFY_SOCKET", name.c_str(), 1) == 0);
  // It reads three messages, and closes what came with them.
  child_process reader{[&]() -> int {
    std::string all;
    for (int i = 0; i < 3; ++i) {
      std::array<char, 256> text{};
      alignas(cmsghdr) std::array<char, 256> control{};
      iovec part{text.data(), text.size()};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      const auto size = ::recvmsg(manager.get(), &message, 0);
      if (size < 0 || message.msg_controllen != CMSG_SPACE(sizeof(int)))
        return 1;
      all.append(text.data(), static_cast<std::size_t>(size));
      all += '|';
    }
    return all
               == "FDSTORE=1\nFDPOLL=0\nFDNAME=tun-0|"
                  "FDSTORE=1\nFDPOLL=0\nFDNAME=udp.v4|BARRIER=1|"
             ? 0
             : 2;
  }};
  std::vector<named_descriptor> stored;
  stored.push_back({"tun-0", file_with("the device")});
  stored.push_back({"udp.v4", file_with("the socket")});
  CHECK(store_descriptors(stored));
  CHECK(reader.wait() == 0);
  REQUIRE(::unsetenv("NOTIFY_SOCKET") == 0);
  CHECK(store_descriptors({}).error().code == ENOENT);
}

TEST_CASE("passed descriptors are taken once, and only by whom they are for") {
  const bool for_us = GENERATE(true, false);
  const auto code = in_child([&] {
    const auto first = file_with("first");
    const auto second = file_with("second");
    ::dup2(first.get(), 13); // out of the way of the numbers below
    ::dup2(second.get(), 14);
    ::dup2(13, 3);
    ::dup2(14, 4);
    const auto process = std::to_string(::getpid() + (for_us ? 0 : 1));
    ::setenv("LISTEN_PID", process.c_str(), 1);
    ::setenv("LISTEN_FDS", "2", 1);
    ::setenv("LISTEN_FDNAMES", "tun-0:udp.v4", 1);
    auto passed = take_passed_descriptors();
    if (!for_us)
      return passed.empty() ? 0 : 1;
    if (passed.size() != 2 || passed[0].name != "tun-0"
        || text_of(passed[0].descriptor) != "first"
        || passed[1].name != "udp.v4"
        || text_of(passed[1].descriptor) != "second")
      return 2;
    return take_passed_descriptors().empty() ? 0 : 3;
  });
  CHECK(code == 0);
}
