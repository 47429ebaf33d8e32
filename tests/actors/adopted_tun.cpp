// Overlays on TUN devices that their host has opened.  Needs root.
#include "actors/packets/tun_reader.hpp"
#include "platform/hand_over.hpp"
#include "tests/actors/embedded.hpp"
#include "tests/actors/leaks.hpp"
#include "tests/actors/line_sink.hpp"
#include "tests/platform/support.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

using namespace weft;
using namespace weft::test;

namespace {

constexpr unsigned plain = IFF_TUN | IFF_NO_PI;

/// What the host has opened.
file_descriptor open_tun(unsigned flags = plain) {
  file_descriptor fd{::open("/dev/net/tun", O_RDWR)};
  ifreq request{};
  std::string{"tun7"}.copy(&request.ifr_name[0], IFNAMSIZ - 1);
  request.ifr_flags = static_cast<short>(flags);
  REQUIRE(::ioctl(fd.get(), TUNSETIFF, &request) == 0);
  return fd;
}

bool has_link() {
  return ::if_nametoindex("tun7") != 0;
}

/// The answer to an ICMP echo request.
bytes echo_reply(bytes packet) {
  std::swap_ranges(&packet[12], &packet[16], &packet[16]); // addresses
  packet[20] = std::byte{0};                               // type
  store_be(&packet[22], std::uint16_t{0});
  store_be(&packet[22], naive_checksum({packet.begin() + 20, packet.end()}));
  return packet;
}

/// An embedded overlay that answers pings to 10.0.0.2.
void answer_pings(embedded_overlay& to) {
  to.consumer.on<received_packets>(
    [&to](const received_packets& message) -> caf::result<void> {
      packet_batch replies;
      for (auto& packet : all_of(message.packets))
        replies.add(echo_reply(std::move(packet)));
      caf::anon_send(to.running.packets, send_packets{std::move(replies)});
      return caf::unit;
    });
}

/// A child that is an ordinary user, and runs an overlay on `tun` with a peer
/// that answers pings.
class ordinary_host {
public:
  explicit ordinary_host(const file_descriptor& tun) {
    std::array<int, 2> ready{};
    std::array<int, 2> end{};
    REQUIRE(::pipe(ready.data()) == 0);
    REQUIRE(::pipe(end.data()) == 0);
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      ::close(end[1]);
      int code = 100;
      try {
        code = serve(tun.get(), ready[1], end[0]);
      } catch (...) {
      }
      ::_exit(code);
    }
    ::close(ready[1]);
    ::close(end[0]);
    ready_ = file_descriptor{ready[0]};
    end_ = file_descriptor{end[1]};
  }
  bool starts() const {
    char byte = 0;
    return await_readable(ready_.get()) && ::read(ready_.get(), &byte, 1) == 1;
  }
  int stop() {
    end_.reset();
    return wait_for(child_);
  }

private:
  static int serve(int tun, int ready, int end) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0)
      return 1;
    deterministic_random random{61};
    world home;
    embedded_overlay one{home, random, 1};
    embedded_overlay other{home, random, 2};
    answer_pings(other);
    other.start({&one});
    one.options.device = adopt_tun_device{file_descriptor{tun}};
    one.options.configure_link = false;
    one.start({&other});
    if (one.running.interface != "tun7" || one.running.packets)
      return 2;
    if (one.status().mtu != 1300)
      return 3;
    char byte = 0;
    if (::write(ready, &byte, 1) != 1)
      return 4;
    std::ignore = ::read(end, &byte, 1);
    one.stop();
    return 0;
  }

  pid_t child_ = -1;
  file_descriptor ready_;
  file_descriptor end_;
};

} // namespace

TEST_CASE("An overlay on a TUN device that its host opened carries pings, and "
          "needs no privileges") {
  if (!can_make_networks())
    return;
  const auto flags = GENERATE(as<unsigned>{}, plain, plain | IFF_VNET_HDR);
  const network_namespace here;
  const auto tun = open_tun(flags);
  run("ip link set tun7 mtu 1300 up");
  add_address("10.0.0.1/24", "tun7");
  ordinary_host host{tun};
  CHECK(host.starts());
  CHECK(succeeds("ping -q -c 3 -i 0.05 -W 10 10.0.0.2 >/dev/null"));
  CHECK(succeeds("ping -q -c 3 -i 0.05 -W 10 -s 1200 10.0.0.2 >/dev/null"));
  CHECK(host.stop() == 0);
}

TEST_CASE(
  "An overlay on a TUN device that its host opened configures the link "
  "if it is asked to, says what it lacks, and leaves a persistent one") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto tun = open_tun();
  REQUIRE(::ioctl(tun.get(), TUNSETPERSIST, 1) == 0);
  deterministic_random random{62};
  world home;
  const auto before = open_descriptors();
  embedded_overlay one{home, random, 1};
  one.options.device = adopt_tun_device{std::move(tun)};
  one.options.config.interface.addresses = {prefix("10.0.0.1/24")};
  one.options.config.interface.mtu = 1290;
  const auto lines = std::make_shared<line_sink>();
  one.options.log = std::make_shared<spdlog::logger>("test", lines);
  one.start({});
  CHECK(lines->count("tun7: slower without") == 1);
  CHECK(one.running.interface == "tun7");
  CHECK(one.status().mtu == 1290);
  CHECK(succeeds("ip addr show dev tun7 | grep -q 10.0.0.1/24"));
  CHECK(succeeds("ip link show dev tun7 | grep -q 'UP.*mtu 1290'"));
  one.stop();
  CHECK(nothing_is_left(before - 1));
  CHECK(has_link());
  run("ip link del tun7");
}

TEST_CASE("An overlay does not start on what is no TUN device, and leaves "
          "nothing") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  world home;
  overlay_options options;
  std::string why;
  SECTION("a TAP device") {
    options.device = adopt_tun_device{open_tun(IFF_TAP | IFF_NO_PI)};
    why = "TAP";
  }
  SECTION("a file") {
    options.device
      = adopt_tun_device{file_descriptor{::open("/dev/null", O_RDWR)}};
    why = "it is none";
  }
  SECTION("a TUN device whose link it cannot configure from here") {
    const network_namespace elsewhere;
    options.device = adopt_tun_device{open_tun()};
    why = "another network namespace";
  }
  const auto before = open_descriptors();
  const auto started = start_overlay(home.system(), std::move(options));
  REQUIRE_FALSE(started);
  CHECK_THAT(started.error().message, Catch::Contains(why));
  CHECK(nothing_is_left(before - 1));
  CHECK_FALSE(has_link());
}

TEST_CASE("What an overlay leaves is refused if its queues are of two devices, "
          "or one of them cannot be gone on with") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  const auto first = tun_device::create("weft-one");
  const auto second = tun_device::create("weft-two");
  REQUIRE(first);
  REQUIRE(second);
  inherited_overlay offered;
  const auto leave = [&offered](std::string name, int fd) {
    auto copy = duplicate(fd);
    REQUIRE(copy);
    offered.descriptors.push_back({std::move(name), std::move(*copy)});
  };
  const auto reason = [&offered] {
    const auto checked = check_inherited({}, offered);
    return checked ? std::string{} : checked.error().message;
  };
  leave("tun", first->descriptor());
  CHECK(reason().empty());
  SECTION("two devices") {
    leave(name_of_queue(1), second->descriptor());
    CHECK_THAT(reason(), Catch::Contains("two devices, weft-one and weft-two"));
  }
  SECTION("no device") {
    leave(GENERATE(name_of_queue(1), std::string{name_of_writing}),
          file_descriptor{::open("/dev/null", O_RDWR | O_CLOEXEC)}.get());
    CHECK_THAT(reason(), Catch::Contains("as a TUN device"));
  }
}
