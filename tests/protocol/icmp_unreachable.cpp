#include "protocol/packets/icmp_unreachable.hpp"

#include "tests/catch.hpp"
#include "tests/protocol/inner_packets.hpp"

#include <array>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t icmp4 = 20; // where it begins
constexpr std::size_t icmp6 = 40;

bytes quote_in(const bytes& answer, std::size_t icmp) {
  return {answer.begin() + static_cast<std::ptrdiff_t>(icmp) + 8, answer.end()};
}

bytes start_of(const bytes& packet, std::size_t size) {
  return {packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size)};
}

/// An ICMP packet of this type.
bytes icmp_of(bool v4, std::uint8_t type) {
  inner_packet packet;
  packet.v4 = v4;
  packet.tcp = false;
  auto made = build(packet);
  made[v4 ? 9 : 6] = std::byte{v4 ? std::uint8_t{1} : std::uint8_t{58}};
  made[v4 ? icmp4 : icmp6] = std::byte{type};
  return made;
}

bool is_answered(const bytes& packet) {
  return !make_unreachable(packet).empty();
}

} // namespace

TEST_CASE(
  "A packet to nobody is answered by an ICMP error from where it was to "
  "go") {
  inner_packet packet;
  packet.payload = bytes(100);
  const auto sent = build(packet);
  const auto answer = make_unreachable(sent);
  const auto view = parse_ip_packet(answer);
  REQUIRE(view);
  CHECK(view->length == answer.size());
  CHECK(to_string(view->source) == "10.0.0.2");
  CHECK(to_string(view->destination) == "10.0.0.1");
  CHECK(naive_checksum(start_of(answer, icmp4)) == 0);
  CHECK(answer[9] == std::byte{1});
  CHECK(answer[icmp4] == std::byte{3});     // destination unreachable
  CHECK(answer[icmp4 + 1] == std::byte{1}); // host
  CHECK(naive_checksum({answer.begin() + icmp4, answer.end()}) == 0);
  CHECK(quote_in(answer, icmp4) == sent);
}

TEST_CASE("A packet of IPv6 to nobody is answered by ICMPv6") {
  inner_packet packet;
  packet.v4 = false;
  const auto sent = build(packet);
  const auto answer = make_unreachable(sent);
  const auto view = parse_ip_packet(answer);
  REQUIRE(view);
  CHECK(view->length == answer.size());
  CHECK(to_string(view->source) == "fd00::2");
  CHECK(to_string(view->destination) == "fd00::1");
  CHECK(answer[6] == std::byte{58});
  CHECK(answer[icmp6] == std::byte{1});     // destination unreachable
  CHECK(answer[icmp6 + 1] == std::byte{3}); // address
  bytes summed{answer.begin() + 8, answer.begin() + icmp6};
  put32(summed, static_cast<std::uint32_t>(answer.size() - icmp6));
  put32(summed, 58);
  put(summed, {answer.begin() + icmp6, answer.end()});
  CHECK(naive_checksum(summed) == 0);
  CHECK(quote_in(answer, icmp6) == sent);
}

TEST_CASE("An ICMP error quotes what every host takes, also of a super-packet, "
          "and no padding") {
  inner_packet packet;
  packet.payload = bytes(60'000);
  auto sent = build(packet);
  const auto answer = make_unreachable(sent);
  CHECK(answer.size() == 576);
  CHECK(quote_in(answer, icmp4) == start_of(sent, 576 - icmp4 - 8));

  packet.v4 = false;
  sent = build(packet);
  CHECK(make_unreachable(sent).size() == 1280);

  packet.payload = {};
  sent = build(packet);
  const auto whole = sent.size();
  sent.resize(whole + 16);
  CHECK(make_unreachable(sent).size() == icmp6 + 8 + whole);
}

TEST_CASE("ICMP errors are not answered, requests are") {
  CHECK(is_answered(icmp_of(true, 8)));
  CHECK(is_answered(icmp_of(true, 13)));
  for (const auto error : std::to_array<std::uint8_t>({3, 4, 5, 11, 12, 40}))
    CHECK_FALSE(is_answered(icmp_of(true, error)));
  CHECK(is_answered(icmp_of(false, 128)));
  for (const auto error : std::to_array<std::uint8_t>({1, 2, 3, 4, 127}))
    CHECK_FALSE(is_answered(icmp_of(false, error)));
}

TEST_CASE("Only the first fragment of a packet is answered") {
  auto sent = build(inner_packet{});
  store_be<std::uint16_t>(&sent[6], 0x2000); // more follow
  CHECK(is_answered(sent));
  store_be<std::uint16_t>(&sent[6], 0x2001);
  CHECK_FALSE(is_answered(sent));

  inner_packet six;
  six.v4 = false;
  six.tcp = false;
  six.first_extension = 44;
  six.extensions = {std::byte{17}, {}, {}, std::byte{1}, {}, {}, {}, {}};
  CHECK(is_answered(build(six)));
  six.extensions[3] = std::byte{9};
  CHECK_FALSE(is_answered(build(six)));
}

TEST_CASE("ICMPv6 errors are found behind extension headers") {
  inner_packet packet;
  packet.v4 = false;
  packet.tcp = false;
  packet.first_extension = 0; // hop by hop
  packet.extensions = bytes(8);
  packet.extensions[0] = std::byte{58};
  auto sent = build(packet);
  sent[48] = std::byte{1};
  CHECK_FALSE(is_answered(sent));
  sent[48] = std::byte{128};
  CHECK(is_answered(sent));
  sent[41] = std::byte{200}; // longer than the packet
  CHECK_FALSE(is_answered(sent));
}

TEST_CASE("Only packets from one host to one host are answered") {
  const auto from_to = [](const char* source, const char* destination) {
    auto sent = build(inner_packet{});
    std::copy_n(parse_ip_address(source)->bytes.begin(), 4, &sent[12]);
    std::copy_n(parse_ip_address(destination)->bytes.begin(), 4, &sent[16]);
    return is_answered(sent);
  };
  CHECK(from_to("10.0.0.1", "192.0.2.1"));
  for (const auto* nobody :
       {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"}) {
    CHECK_FALSE(from_to(nobody, "192.0.2.1"));
    CHECK_FALSE(from_to("10.0.0.1", nobody));
  }
  inner_packet six;
  six.v4 = false;
  auto sent = build(six);
  sent[24] = std::byte{0xff};
  CHECK_FALSE(is_answered(sent));
  sent = build(six);
  std::fill_n(sent.begin() + 8, 16, std::byte{0});
  CHECK_FALSE(is_answered(sent));
}

TEST_CASE("What is cut off or no packet is not answered") {
  for (const auto v4 : {true, false}) {
    inner_packet packet;
    packet.v4 = v4;
    const auto sent = build(packet);
    for (std::size_t size = 0; size < sent.size(); ++size)
      CHECK_FALSE(is_answered(start_of(sent, size)));
  }
}

TEST_CASE("A source gets ten answers a second, and all together a hundred") {
  unreachable_answers answers;
  const auto count = [&](std::uint8_t source, unsigned sent, time_point now) {
    inner_packet packet;
    packet.source_host = source;
    const auto made = build(packet);
    unsigned answered = 0;
    for (unsigned i = 0; i < sent; ++i)
      answered += answers.answer(made, now).empty() ? 0U : 1U;
    return answered;
  };
  const time_point start{1h};
  CHECK(count(1, 50, start) == 10);
  CHECK(count(1, 50, start + 200ms) == 2);
  CHECK(count(3, 50, start + 200ms) == 10);
  unsigned all = 0;
  for (std::uint8_t source = 10; source < 200; ++source)
    all += count(source, 3, start + 10s);
  CHECK(all == 100);
  CHECK(count(1, 50, start + 11s) == 10);
}
