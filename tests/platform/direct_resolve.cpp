#include "platform/direct_resolve.hpp"

#include "support.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <thread>

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

/// Answers one name's questions for addresses of IPv4, at 127.0.0.53 of a
/// network of its own.
class small_server {
public:
  small_server() : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_port = htons(53);
    here.sin_addr.s_addr = htonl(0x7f000035);
    REQUIRE(
      ::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here)
      == 0);
    thread_ = std::thread([this] { serve(); });
  }
  small_server(const small_server&) = delete;
  small_server& operator=(const small_server&) = delete;
  ~small_server() {
    ::shutdown(fd_.get(), SHUT_RDWR);
    thread_.join();
  }

private:
  void serve() {
    std::array<unsigned char, 512> packet{};
    sockaddr_in from{};
    socklen_t length = sizeof from;
    for (;;) {
      const auto got = ::recvfrom(fd_.get(), packet.data(), 256, 0,
                                  reinterpret_cast<sockaddr*>(&from), &length);
      if (got <= 0)
        return;
      auto size = static_cast<std::size_t>(got);
      std::size_t end = 12; // of the name
      while (packet.at(end) != 0)
        end += packet.at(end) + 1U;
      const bool is_v4 = packet.at(end + 2) == 1;
      const bool is_known = packet.at(13) == 'f'; // far.example.net
      size = end + 5;
      packet[2] = 0x81;
      packet[3] = is_known ? 0x80 : 0x83;
      packet[7] = is_v4 && is_known ? 1 : 0;
      packet[9] = packet[11] = 0;
      if (packet[7] == 1) {
        constexpr std::array<unsigned char, 16> record{
          0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7};
        std::copy(record.begin(), record.end(), packet.begin() + size);
        size += record.size();
      }
      ::sendto(fd_.get(), packet.data(), size, 0,
               reinterpret_cast<const sockaddr*>(&from), length);
    }
  }

  file_descriptor fd_;
  std::thread thread_;
};

} // namespace

TEST_CASE("A name is asked for at the servers that are given, with a mark") {
  if (!can_make_networks())
    return;
  const network_namespace network;
  const small_server server;
  direct_lookup how{{"127.0.0.53"}, 77};
  const auto found = resolve_host_directly("far.example.net", 51820, how);
  REQUIRE(found);
  REQUIRE(found->size() == 1);
  CHECK(to_string(found->front()) == "192.0.2.7:51820");
  const auto unknown = resolve_host_directly("none.example.net", 51820, how);
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == ENOENT);
  CHECK_THAT(unknown.error().message,
             Contains("Cannot find the address of the host "
                      "'none.example.net'"));
  run("ip rule add fwmark 77 to 127.0.0.53 pref 0 prohibit");
  run("ip rule add lookup local pref 1 && ip rule del pref 0 lookup local");
  CHECK_FALSE(resolve_host_directly("far.example.net", 51820, how));
  how.mark = 0;
  CHECK(resolve_host_directly("far.example.net", 51820, how));
}
