#include "protocol/base/ip.hpp"

#include "tests/catch.hpp"
#include "tests/protocol/support.hpp"

using namespace weft;
using namespace weft::test;

namespace {

std::string canonical(std::string_view text) {
  const auto address = parse_ip_address(text);
  return address ? to_string(*address) : "refused";
}

std::string canonical_endpoint(std::string_view text) {
  const auto where = parse_endpoint(text);
  return where ? to_string(*where) : "refused";
}

std::string canonical_prefix(std::string_view text) {
  const auto prefix = parse_ip_prefix(text);
  return prefix ? to_string(*prefix) : "refused";
}

ip_prefix prefix_of(std::string_view text) {
  return parse_ip_prefix(text).value();
}

ip_address address_of(std::string_view text) {
  return parse_ip_address(text).value();
}

} // namespace

TEST_CASE("IPv4 addresses are four decimal octets and nothing else") {
  for (const auto* text :
       {"0.0.0.0", "255.255.255.255", "192.0.2.1", "10.20.30.40"})
    CHECK(canonical(text) == text);
  for (const auto* text :
       {"",          ".",         "1",         "1.2.3",
        "1.2.3.",    ".1.2.3",    "1.2.3.4.5", "1.2.3.4.",
        "1..2.3",    "256.1.1.1", "1.1.1.256", "1.1.1.999999999999",
        "010.1.1.1", "1.1.1.00",  "0x1.1.1.1", "+1.1.1.1",
        "-1.1.1.1",  " 1.1.1.1",  "1.1.1.1 ",  "1.1. 1.1",
        "1.1.1.1\n", "1.1.1.1/8", "1.1.1.1%1", "[1.1.1.1]",
        "a.b.c.d"})
    CHECK(canonical(text) == "refused");
  CHECK(canonical(std::string_view{"1.1.1.1\0", 8}) == "refused");
  const auto parsed = address_of("192.0.2.7");
  CHECK(parsed.is_v4());
  CHECK(hex(parsed.bytes) == "c0000207000000000000000000000000");
}

TEST_CASE("IPv6 addresses are read in every form of RFC 4291") {
  const auto read = [](std::string_view text) {
    const auto address = parse_ip_address(text);
    return address && !address->is_v4() ? hex(address->bytes)
                                        : std::string{"refused"};
  };
  CHECK(read("ABCD:EF01:2345:6789:abcd:ef01:2345:6789")
        == "abcdef0123456789abcdef0123456789");
  CHECK(read("2001:DB8:0:0:8:800:200C:417A")
        == "20010db80000000000080800200c417a");
  CHECK(read("2001:DB8::8:800:200C:417A")
        == "20010db80000000000080800200c417a");
  CHECK(read("FF01::101") == "ff010000000000000000000000000101");
  CHECK(read("::1") == "00000000000000000000000000000001");
  CHECK(read("::") == "00000000000000000000000000000000");
  CHECK(read("1::") == "00010000000000000000000000000000");
  CHECK(read("0:0:0:0:0:0:13.1.68.3") == "0000000000000000000000000d014403");
  CHECK(read("0:0:0:0:0:FFFF:129.144.52.38")
        == "00000000000000000000ffff81903426");
  CHECK(read("::13.1.68.3") == "0000000000000000000000000d014403");
  CHECK(read("64:ff9b::192.0.2.33") == "0064ff9b0000000000000000c0000221");
  CHECK(read("1:2:3:4:5:6:7::") == "00010002000300040005000600070000");
  CHECK(read("::2:3:4:5:6:7:8") == "00000002000300040005000600070008");
  CHECK(read("1:2:3:4:5:6:1.2.3.4") == "00010002000300040005000601020304");
  CHECK(read("1:2:3:4:5::1.2.3.4") == "00010002000300040005000001020304");
}

TEST_CASE("what is almost an IPv6 address is refused") {
  for (const auto* text : {":",
                           ":::",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "1::2::3",
                           "1:2:3:4:5:6:7::8",
                           "::1:2:3:4:5:6:7:8",
                           "1:2:3:4:5:6:7:8::",
                           ":1::2",
                           "1::2:",
                           ":1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:",
                           "12345::",
                           "g::",
                           "::0x1",
                           "::+1",
                           "::-1",
                           ":: 1",
                           " ::1",
                           "::1 ",
                           "::1%1",
                           "fe80::1%eth0",
                           "[::1]",
                           "::1/64",
                           "1.2.3.4::",
                           "::1.2.3.4:5",
                           "::1.2.3",
                           "::1.2.3.4.5",
                           "::1.2.3.256",
                           "::01.2.3.4",
                           "::1.2.3.4%1",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "1:2:3:4:5:1.2.3.4",
                           "1:2:3:4:5:6::1.2.3.4",
                           "1:2:3.4.5.6::",
                           "1:::2"})
    CHECK(canonical(text) == "refused");
}

TEST_CASE("IPv6 addresses are written as RFC 5952 says") {
  // 4.1 leading zeros, 4.3 lower case
  CHECK(canonical("2001:0DB8:0:0:1:0:0:1") == "2001:db8::1:0:0:1");
  // 4.2.1 shorten as much as possible
  CHECK(canonical("2001:db8:0:0:0:0:2:1") == "2001:db8::2:1");
  // 4.2.2 not for one group
  CHECK(canonical("2001:db8::1:1:1:1:1") == "2001:db8:0:1:1:1:1:1");
  // 4.2.3 the longest run, and the first of equal ones
  CHECK(canonical("2001:0:0:1:0:0:0:1") == "2001:0:0:1::1");
  CHECK(canonical("2001:db8:0:0:1:0:0:1") == "2001:db8::1:0:0:1");
  CHECK(canonical("0:0:1:2:3:0:0:0") == "0:0:1:2:3::");
  CHECK(canonical("0:0:0:1:2:3:0:0") == "::1:2:3:0:0");
  CHECK(canonical("0:0:0:0:0:0:0:0") == "::");
  CHECK(canonical("0:0:0:0:0:0:0:1") == "::1");
  CHECK(canonical("1:0:0:0:0:0:0:0") == "1::");
  CHECK(canonical("1:2:3:4:5:6:7:8") == "1:2:3:4:5:6:7:8");
  CHECK(canonical("1:2:3:4:5:6:0:0") == "1:2:3:4:5:6::");
  // 5 embedded IPv4, where the prefix says so
  CHECK(canonical("::ffff:c000:201") == "::ffff:192.0.2.1");
  CHECK(canonical("::ffff:0.0.0.0") == "::ffff:0.0.0.0");
  CHECK(canonical("::1.2.3.4") == "::102:304");
}

TEST_CASE("every address survives being written and read") {
  deterministic_random random{61};
  for (int round = 0; round < 20000; ++round) {
    ip_address address;
    address.family = random.below(2) == 0 ? ip_family::v4 : ip_family::v6;
    // Zero groups must be frequent.
    for (std::size_t i = 0; i < address.size(); i += 2) {
      if (random.below(2) == 0)
        store_be(&address.bytes[i], static_cast<std::uint16_t>(
                                      random.next_u32() >> random.below(16)));
    }
    REQUIRE(parse_ip_address(to_string(address)) == address);
    const endpoint where{
      address, static_cast<std::uint16_t>(random.next_u32()),
      address.is_v4() ? 0 : static_cast<std::uint32_t>(random.below(3))};
    REQUIRE(parse_endpoint(to_string(where)) == where);
    const ip_prefix prefix{
      address, static_cast<std::uint8_t>(random.below(address.bits() + 1))};
    REQUIRE(parse_ip_prefix(to_string(prefix)) == prefix);
  }
}

TEST_CASE("any text is parsed or refused, and what is accepted is stable") {
  deterministic_random random{62};
  constexpr std::string_view alphabet = "0123459af:::...[]%/ ";
  for (int round = 0; round < 100000; ++round) {
    std::string text;
    for (auto length = random.below(16); length > 0; --length)
      text += alphabet[random.below(alphabet.size())];
    if (const auto address = parse_ip_address(text))
      REQUIRE(parse_ip_address(to_string(*address)) == address);
    if (const auto prefix = parse_ip_prefix(text))
      REQUIRE(parse_ip_prefix(to_string(*prefix)) == prefix);
    if (const auto where = parse_endpoint(text))
      REQUIRE(parse_endpoint(to_string(*where)) == where);
  }
}

TEST_CASE("prefixes keep their host bits, and default to a host") {
  CHECK(canonical_prefix("10.1.2.3/8") == "10.1.2.3/8");
  CHECK(canonical_prefix("10.1.2.3") == "10.1.2.3/32");
  CHECK(canonical_prefix("0.0.0.0/0") == "0.0.0.0/0");
  CHECK(canonical_prefix("2001:db8::1") == "2001:db8::1/128");
  CHECK(canonical_prefix("::/0") == "::/0");
  CHECK(canonical_prefix("fe80::1/64") == "fe80::1/64");
  for (const auto* text :
       {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/08",
        "10.0.0.0/-1", "10.0.0.0/+1", "10.0.0.0/ 8", "10.0.0.0 /8",
        "10.0.0.0/8 ", "10.0.0.0/8/8", "10.0.0/8", "10.0.0.0/255.0.0.0",
        "10.0.0.0/4294967304"})
    CHECK(canonical_prefix(text) == "refused");
}

TEST_CASE("network() clears the host bits, and contains() ignores them") {
  const auto network = [](std::string_view text) {
    return to_string(prefix_of(text).network());
  };
  CHECK(network("255.255.255.255/0") == "0.0.0.0/0");
  CHECK(network("255.255.255.255/1") == "128.0.0.0/1");
  CHECK(network("255.255.255.255/15") == "255.254.0.0/15");
  CHECK(network("255.255.255.255/16") == "255.255.0.0/16");
  CHECK(network("255.255.255.255/31") == "255.255.255.254/31");
  CHECK(network("255.255.255.255/32") == "255.255.255.255/32");
  CHECK(network("ffff:ffff:ffff:ffff:ffff::/65")
        == "ffff:ffff:ffff:ffff:8000::/65");
  CHECK(network("2001:db8::ffff/128") == "2001:db8::ffff/128");

  CHECK(prefix_of("10.9.9.9/8").contains(address_of("10.255.0.1")));
  CHECK_FALSE(prefix_of("10.9.9.9/8").contains(address_of("11.0.0.1")));
  CHECK(prefix_of("0.0.0.0/0").contains(address_of("203.0.113.9")));
  CHECK_FALSE(prefix_of("0.0.0.0/0").contains(address_of("::")));
  CHECK_FALSE(prefix_of("::/0").contains(address_of("0.0.0.0")));
  CHECK(prefix_of("2001:db8::/33").contains(address_of("2001:db8:7fff::")));
  CHECK_FALSE(
    prefix_of("2001:db8::/33").contains(address_of("2001:db8:8000::")));
}

TEST_CASE("endpoints have brackets around IPv6, and a numeric zone") {
  for (const auto* text :
       {"192.0.2.1:51820", "[2001:db8::1]:51820", "[fe80::1%3]:51820",
        "[fe80::1%4294967295]:1", "0.0.0.0:0", "[::]:65535"})
    CHECK(canonical_endpoint(text) == text);
  const auto where = parse_endpoint("[fe80::1%3]:51820").value();
  CHECK(where.port == 51820);
  CHECK(where.scope_id == 3);
  CHECK(where.address == address_of("fe80::1"));
  for (const auto* text : {"",
                           ":",
                           ":1",
                           "192.0.2.1",
                           "192.0.2.1:",
                           "192.0.2.1:65536",
                           "192.0.2.1:080",
                           "192.0.2.1:-1",
                           "192.0.2.1: 1",
                           "192.0.2.1:1 ",
                           "192.0.2.1%1:1",
                           "[192.0.2.1%1]:1",
                           "2001:db8::1:1",
                           "2001:db8::1",
                           "[2001:db8::1]",
                           "[2001:db8::1]1",
                           "[2001:db8::1:1",
                           "2001:db8::1]:1",
                           "[[::1]]:1",
                           "[]:1",
                           "[:1",
                           "]:1",
                           "[fe80::1%]:1",
                           "[fe80::1%eth0]:1",
                           "[fe80::1%-1]:1",
                           "[fe80::1%4294967296]:1",
                           "[fe80::1%1%1]:1",
                           "[%1]:1",
                           "example.org:51820"})
    CHECK(canonical_endpoint(text) == "refused");
}

TEST_CASE("an IPv4-mapped address is the IPv4 address that it stands for") {
  CHECK(address_of("::ffff:192.0.2.1").unmapped() == address_of("192.0.2.1"));
  for (const auto* text : {"192.0.2.1", "::192.0.2.1", "::fffe:192.0.2.1",
                           "1::ffff:192.0.2.1", "64:ff9b::192.0.2.1", "::"})
    CHECK(address_of(text).unmapped() == address_of(text));
  CHECK(canonical_endpoint("[::ffff:192.0.2.1]:51820") == "192.0.2.1:51820");
  CHECK(canonical_endpoint("[::FFFF:c000:201]:51820") == "192.0.2.1:51820");
  CHECK(canonical_endpoint("[192.0.2.1]:51820") == "192.0.2.1:51820");
  CHECK(canonical_endpoint("[::ffff:192.0.2.1%1]:51820") == "refused");
  CHECK(canonical_endpoint("::ffff:192.0.2.1:51820") == "refused");
  CHECK(canonical_prefix("::ffff:192.0.2.1") == "192.0.2.1/32");
  CHECK(canonical_prefix("::ffff:192.0.2.0/120") == "192.0.2.0/24");
  CHECK(canonical_prefix("::ffff:0:0/96") == "0.0.0.0/0");
  CHECK(canonical_prefix("::ffff:0:0/95") == "::ffff:0.0.0.0/95");
  CHECK(canonical_prefix("::/0") == "::/0");
}

TEST_CASE("the fixed header of an inner packet is read, and lies are "
          "refused") {
  auto v4 = unhex("4500001c00010000401100000a000001c0000202"
                  "0102030405060708");
  auto view = parse_ip_packet(v4);
  REQUIRE(view);
  CHECK(to_string(view->source) == "10.0.0.1");
  CHECK(to_string(view->destination) == "192.0.2.2");
  CHECK(view->length == 28);
  v4.resize(32); // padding
  CHECK(parse_ip_packet(v4)->length == 28);
  v4.resize(27);
  CHECK_FALSE(parse_ip_packet(v4));
  v4.resize(28);
  v4[0] = std::byte{0x44}; // header of 16 bytes
  CHECK_FALSE(parse_ip_packet(v4));
  v4[0] = std::byte{0x48}; // header of 32 bytes
  CHECK_FALSE(parse_ip_packet(v4));
  v4[0] = std::byte{0x45};
  store_be<std::uint16_t>(&v4[2], 19);
  CHECK_FALSE(parse_ip_packet(v4));
  store_be<std::uint16_t>(&v4[2], 20);
  CHECK(parse_ip_packet(v4)->length == 20);

  auto v6 = unhex("6000000000041140"
                  "20010db8000000000000000000000001"
                  "fe800000000000000000000000000002"
                  "01020304");
  view = parse_ip_packet(v6);
  REQUIRE(view);
  CHECK(to_string(view->source) == "2001:db8::1");
  CHECK(to_string(view->destination) == "fe80::2");
  CHECK(view->length == 44);
  v6.resize(43);
  CHECK_FALSE(parse_ip_packet(v6));
  v6.resize(39);
  CHECK_FALSE(parse_ip_packet(v6));

  CHECK_FALSE(parse_ip_packet({}));
  for (std::size_t size = 1; size < 20; ++size)
    CHECK_FALSE(parse_ip_packet(std::vector<std::byte>(size, std::byte{0x45})));
  CHECK_FALSE(parse_ip_packet(std::vector<std::byte>(100, std::byte{0x55})));
  CHECK_FALSE(parse_ip_packet(std::vector<std::byte>(100, std::byte{0})));
}
