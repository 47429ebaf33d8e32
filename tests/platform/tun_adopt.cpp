// TUN devices that somebody else has opened.  Needs root.
#include "tests/platform/support.hpp"
#include "tests/protocol/inner_packets.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

using namespace weft;
using namespace weft::test;
using io_status = tun_device::io_status;

namespace {

/// What another program makes, with a blocking descriptor.
file_descriptor open_device(const std::string& name, unsigned flags) {
  file_descriptor fd{::open("/dev/net/tun", O_RDWR)};
  REQUIRE(fd);
  ifreq request{};
  name.copy(&request.ifr_name[0], IFNAMSIZ - 1);
  request.ifr_flags = static_cast<short>(flags);
  REQUIRE(::ioctl(fd.get(), TUNSETIFF, &request) == 0);
  return fd;
}

constexpr unsigned plain = IFF_TUN | IFF_NO_PI;
constexpr unsigned with_header = plain | IFF_VNET_HDR;

tun_device adopt(file_descriptor fd, bool offload = true) {
  tun_device::options options;
  options.offload = offload;
  auto adopted = tun_device::adopt(std::move(fd), options);
  if (!adopted)
    FAIL(adopted.error().message);
  return std::move(*adopted);
}

system_error refusal_of(file_descriptor fd) {
  const auto number = fd.get();
  const auto adopted = tun_device::adopt(std::move(fd));
  REQUIRE_FALSE(adopted);
  CHECK_THAT(adopted.error().message,
             Catch::Contains("descriptor " + std::to_string(number)));
  CHECK(::fcntl(number, F_GETFD) == -1); // it is closed
  return adopted.error();
}

bool exists(const std::string& name) {
  return ::if_nametoindex(name.c_str()) != 0;
}

int index_of(const std::string& name) {
  return static_cast<int>(::if_nametoindex(name.c_str()));
}

void bring_up(const std::string& name) {
  // Without a link-local address the host says nothing of itself in IPv6.
  run("ip link set " + name + " addrgenmode none");
  run("ip addr add 10.9.0.1/24 dev " + name);
  run("ip link set " + name + " up");
}

std::vector<std::byte> read_buffer() {
  return std::vector<std::byte>(tun_device::max_read);
}

/// Sends a datagram to 10.9.0.2:5000 and reads it from the device, and then
/// sends it back.  Returns whether it came back as it was.
bool makes_round_trip(const tun_device& tun, std::size_t size) {
  auto socket = open_udp(ip_family::v4);
  const auto payload = pattern(size, 3);
  socket.send(payload, {address("10.9.0.2"), 5000}, std::nullopt);
  auto buffer = read_buffer();
  tun_device::read_result got;
  do // what the host sends of itself comes first
    got = tun.read(buffer);
  while (got.status == io_status::ok && got.packet[0] != std::byte{0x45});
  if (got.status != io_status::ok || got.packet.size() != size + 28
      || !std::equal(payload.begin(), payload.end(), got.packet.begin() + 28))
    return false;
  auto* packet = got.packet.data();
  std::swap_ranges(packet + 12, packet + 16, packet + 16); // addresses
  std::swap_ranges(packet + 20, packet + 22, packet + 22); // ports
  store_be(packet + 26, std::uint16_t{0});                 // no checksum
  const std::array<const_byte_span, 1> fragments{got.packet};
  if (tun.write({}, fragments) != io_status::ok)
    return false;
  const auto back = receive_all(socket, 1).datagrams;
  return back.size() == 1 && back[0] == payload;
}

/// Whether the checksum of an IPv4 UDP packet is right.
bool is_summed(const_byte_span packet) {
  bytes summed(packet.begin() + 12, packet.end());
  put16(summed, 17);
  put16(summed, static_cast<std::uint32_t>(packet.size() - 20));
  return naive_checksum(summed) == 0;
}

} // namespace

TEST_CASE("a TUN device that was opened by somebody else carries packets both "
          "ways, with an offload header and without") {
  if (!can_make_networks())
    return;
  const auto flags = GENERATE(plain, with_header);
  const network_namespace here;
  auto opened = open_device("tun7", flags);
  bring_up("tun7");
  run("ip link set tun7 mtu 1380");
  const auto number = opened.get();
  const auto tun = adopt(std::move(opened));
  CHECK(tun.descriptor() == number);
  CHECK(tun.name() == "tun7");
  CHECK(tun.interface_index() == index_of("tun7"));
  CHECK(tun.mtu() == 1380U);
  CHECK(tun.has_tcp_offload() == (flags == with_header));
  CHECK((::fcntl(number, F_GETFD) & FD_CLOEXEC) != 0);
  CHECK(makes_round_trip(tun, 100));
  auto buffer = read_buffer();
  CHECK(tun.read(buffer).status == io_status::would_block);
}

TEST_CASE("an adopted TUN device gives super-packets if they are wanted and "
          "can be told apart") {
  if (!can_make_networks())
    return;
  const auto flags = GENERATE(plain, with_header);
  const auto wanted = GENERATE(true, false);
  const network_namespace here;
  auto opened = open_device("tun7", flags);
  bring_up("tun7");
  if (flags == plain) {
    // Its former user left more to itself than can be told without a header.
    const unsigned long offloads = TUN_F_CSUM | TUN_F_TSO4;
    REQUIRE(::ioctl(opened.get(), TUNSETOFFLOAD, offloads) == 0);
  }
  const auto tun = adopt(std::move(opened), wanted);
  const bool offload = wanted && flags == with_header;
  CHECK(tun.has_tcp_offload() == offload);

  const auto before = datagrams({500, 500, 500});
  auto socket = open_udp(ip_family::v4);
  socket.send(before.buffer(), 0, {address("10.9.0.2"), 5000}, std::nullopt);
  auto buffer = read_buffer();
  std::size_t packets = 0;
  bool super = false;
  for (;;) {
    const auto got = tun.read(buffer);
    if (got.status != io_status::ok)
      break;
    if (got.packet[0] != std::byte{0x45})
      continue;
    ++packets;
    super = super || got.header.gso_type != offload_header::gso_none;
    CHECK(is_summed(got.packet)
          == ((got.header.flags & offload_header::needs_checksum) == 0));
  }
  CHECK(super == (offload && tun.has_udp_offload()));
  CHECK(packets == (super ? 1 : 3));
}

TEST_CASE("an adopted TUN device needs no privileges") {
  if (!can_make_networks())
    return;
  const auto flags = GENERATE(plain, with_header);
  const network_namespace here;
  const auto opened = open_device("tun7", flags);
  bring_up("tun7");
  run("ip link set tun7 mtu 1380");
  const auto index = index_of("tun7");
  const auto code = in_child([&] {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0)
      return 1;
    const auto tun = tun_device::adopt(file_descriptor{opened.get()});
    if (!tun)
      return 2;
    if (tun->name() != "tun7" || tun->interface_index() != index)
      return 3;
    if (tun->mtu() != 1380U)
      return 4;
    if (tun->has_tcp_offload() != (flags == with_header))
      return 5;
    return makes_round_trip(*tun, 200) ? 0 : 6;
  });
  CHECK(code == 0);
}

TEST_CASE("an adopted TUN device ends with its descriptor unless it is "
          "persistent") {
  if (!can_make_networks())
    return;
  const auto persistent = GENERATE(true, false);
  const network_namespace here;
  auto opened = open_device("tun7", plain);
  REQUIRE(::ioctl(opened.get(), TUNSETPERSIST, persistent ? 1 : 0) == 0);
  {
    const auto tun = adopt(std::move(opened));
    CHECK(exists("tun7"));
  }
  CHECK(exists("tun7") == persistent);
}

TEST_CASE("an offload header of another size is set right") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  auto opened = open_device("tun7", with_header);
  bring_up("tun7");
  int size = 12; // virtio's header with a number of buffers
  REQUIRE(::ioctl(opened.get(), TUNSETVNETHDRSZ, &size) == 0);
  const auto tun = adopt(std::move(opened));
  CHECK(makes_round_trip(tun, 100));
}

TEST_CASE("a TUN device of another network namespace is adopted without "
          "taking a link here for its own") {
  if (!can_make_networks())
    return;
  const network_namespace inside;
  file_descriptor opened = open_device("tun7", plain);
  bring_up("tun7");
  run("ip link set tun7 mtu 1380");
  const network_namespace here;
  const auto other = open_device("tun7", plain);
  CHECK(tun_device::check_adoptable(other.get()));
  const auto refused = tun_device::check_adoptable(opened.get());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ENODEV);
  const auto tun = adopt(std::move(opened));
  CHECK(tun.name() == "tun7");
  CHECK(tun.interface_index() == 0);
  CHECK(tun.mtu() == 1380U);
  inside.visit([&] { CHECK(makes_round_trip(tun, 100)); });
}

TEST_CASE("what is no TUN device, or speaks another form, is refused with the "
          "reason") {
  if (!can_make_networks())
    return;
  const network_namespace here;
  using Catch::Contains;
  SECTION("a TAP device") {
    const auto error = refusal_of(open_device("tap7", IFF_TAP | IFF_NO_PI));
    CHECK(error.code == EINVAL);
    CHECK_THAT(error.message, Contains("tap7") && Contains("TAP"));
  }
  SECTION("one that adds packet information") {
    const auto error = refusal_of(open_device("tun7", IFF_TUN));
    CHECK_THAT(error.message, Contains("tun7") && Contains("IFF_NO_PI"));
  }
  SECTION("one that adds packet information, and is in another namespace") {
    const auto error = [&] {
      file_descriptor fd;
      {
        const network_namespace elsewhere;
        fd = open_device("tun7", IFF_TUN);
      }
      return refusal_of(std::move(fd));
    }();
    CHECK_THAT(error.message, Contains("tun7") && Contains("IFF_NO_PI"));
  }
  SECTION("a device that is not attached") {
    const auto error
      = refusal_of(file_descriptor{::open("/dev/net/tun", O_RDWR)});
    CHECK_THAT(error.message, Contains("TUNSETIFF"));
  }
  SECTION("one that can only be read") {
    file_descriptor fd{::open("/dev/net/tun", O_RDONLY)};
    ifreq request{};
    request.ifr_flags = plain;
    REQUIRE(::ioctl(fd.get(), TUNSETIFF, &request) == 0);
    CHECK_THAT(refusal_of(std::move(fd)).message,
               Contains("reading and writing"));
  }
}

TEST_CASE("a descriptor that is no TUN device is refused without privileges, "
          "too") {
  using Catch::Contains;
  file_descriptor fd;
  SECTION("a file") {
    fd = file_descriptor{::open("/proc/self/status", O_RDWR)};
    if (!fd)
      fd = file_descriptor{::open("/proc/self/status", O_RDONLY)};
  }
  SECTION("a socket") {
    fd = file_descriptor{::socket(AF_INET, SOCK_DGRAM, 0)};
  }
  SECTION("a device") {
    fd = file_descriptor{::open("/dev/null", O_RDWR)};
  }
  REQUIRE(fd);
  CHECK_THAT(refusal_of(std::move(fd)).message, Contains("it is none"));
}

TEST_CASE("a descriptor that is not open is refused") {
  const file_descriptor probe{::open("/dev/null", O_RDWR)};
  const auto unused = probe.get() + 500;
  const auto adopted = tun_device::adopt(file_descriptor{unused});
  REQUIRE_FALSE(adopted);
  CHECK(adopted.error().code == EBADF);
  CHECK_THAT(adopted.error().message, Catch::Contains("not open"));
}
