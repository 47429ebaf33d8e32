#include "protocol/tunnel/rate_limiter.hpp"

#include "tests/catch.hpp"
#include "tests/protocol/support.hpp"

namespace {

using namespace std::chrono_literals;
using weft::ip_address;
using weft::rate_limiter;
using weft::time_point;

const time_point start = time_point(1h);

ip_address v4(std::uint32_t number) {
  weft::byte_array<4> bytes{};
  weft::store_be(bytes.data(), number);
  return ip_address::from_v4(bytes.data());
}

ip_address v6(std::uint64_t network, std::uint64_t host) {
  weft::byte_array<16> bytes{};
  weft::store_be(bytes.data(), network);
  weft::store_be(bytes.data() + 8, host);
  return ip_address::from_v6(bytes.data());
}

/// How many of `tries` messages pass.
int passed(rate_limiter& limiter, const ip_address& source, time_point now,
           int tries) {
  int count = 0;
  for (int i = 0; i < tries; ++i)
    if (limiter.allow(source, now))
      ++count;
  return count;
}

struct fixture {
  weft::test::deterministic_random random;
  rate_limiter limiter{random};
};

} // namespace

TEST_CASE_METHOD(fixture, "A source has a burst of five handshakes, then one "
                          "each 50 ms") {
  for (const auto& source : {v4(0xc0000201), v6(0x20010db8'00000001, 1)}) {
    CHECK(passed(limiter, source, start, 5) == 5);
    CHECK_FALSE(limiter.allow(source, start));
    CHECK(passed(limiter, source, start + 50ms, 2) == 1);
    CHECK(passed(limiter, source, start + 150ms, 3) == 2);
    CHECK(passed(limiter, source, start + 199ms, 1) == 0);
    CHECK(passed(limiter, source, start + 200ms, 2) == 1);
  }
}

TEST_CASE_METHOD(fixture, "A refused message costs a source nothing") {
  passed(limiter, v4(1), start, 5);
  for (auto t = start; t < start + 50ms; t += 1ms)
    CHECK_FALSE(limiter.allow(v4(1), t));
  CHECK(limiter.allow(v4(1), start + 50ms));
}

TEST_CASE_METHOD(fixture, "Tokens do not pile up beyond the burst") {
  passed(limiter, v4(1), start, 5);
  CHECK(passed(limiter, v4(1), start + 990ms, 10) == 5);
  CHECK(passed(limiter, v4(1), start + 24h * 365 * 200, 10) == 5);
}

TEST_CASE_METHOD(fixture, "A steady source gets twenty handshakes a second") {
  int count = 0;
  for (auto t = start; t < start + 10s; t += 10ms)
    if (limiter.allow(v4(1), t))
      ++count;
  CHECK(count == 5 + 199);
}

TEST_CASE_METHOD(fixture, "A flooding source does not affect another") {
  CHECK(passed(limiter, v4(0x0a000001), start, 1000) == 5);
  CHECK(passed(limiter, v4(0x0a000002), start, 10) == 5);
  CHECK(passed(limiter, v6(1, 1), start, 10) == 5);
}

TEST_CASE_METHOD(fixture, "The hosts of one IPv6 /64 share their tokens") {
  for (std::uint64_t host = 0; host < 5; ++host)
    CHECK(limiter.allow(v6(7, host * 0x123456789), start));
  CHECK_FALSE(limiter.allow(v6(7, ~0ull), start));
  CHECK(limiter.size() == 1);
  CHECK(limiter.allow(v6(8, 0), start));
}

TEST_CASE_METHOD(fixture, "An IPv4 address is no IPv6 network with the same "
                          "bytes") {
  CHECK(passed(limiter, v4(0x20010db8), start, 9) == 5);
  CHECK(passed(limiter, v6(0x20010db8'00000000, 0), start, 9) == 5);
}

TEST_CASE("A full table refuses new sources and serves those it knows") {
  weft::test::deterministic_random random;
  rate_limiter limiter(random, 100);
  for (std::uint32_t i = 0; i < 100; ++i)
    REQUIRE(limiter.allow(v4(i), start));
  for (std::uint32_t i = 100; i < 10'000; ++i)
    REQUIRE_FALSE(limiter.allow(v4(i), start + 999ms));
  CHECK(limiter.size() == 100);
  CHECK(limiter.allow(v4(0), start + 999ms));
  // All but source 0 have been silent for a second.
  for (std::uint32_t i = 1000; i < 1099; ++i)
    REQUIRE(limiter.allow(v4(i), start + 1s));
  CHECK_FALSE(limiter.allow(v4(2000), start + 1s));
  CHECK(limiter.size() == 100);
  CHECK(passed(limiter, v4(0), start + 1s, 5) == 4);
}

TEST_CASE("A table without room refuses everything") {
  weft::test::deterministic_random random;
  rate_limiter limiter(random, 0);
  CHECK_FALSE(limiter.allow(v4(1), start));
  CHECK_FALSE(limiter.allow(v4(1), start + 1h));
  CHECK(limiter.size() == 0);
}

TEST_CASE_METHOD(fixture, "Sources are forgotten after a second of silence") {
  limiter.allow(v4(1), start);
  limiter.allow(v4(2), start + 400ms);
  limiter.collect_garbage(start + 999ms);
  CHECK(limiter.size() == 2);
  limiter.collect_garbage(start + 1s);
  CHECK(limiter.size() == 1);
  limiter.allow(v4(2), start + 1100ms);
  limiter.collect_garbage(start + 2s);
  CHECK(limiter.size() == 1);
  limiter.collect_garbage(start + 2100ms);
  CHECK(limiter.size() == 0);
  limiter.collect_garbage(start + 2100ms);
  CHECK(limiter.size() == 0);
}

TEST_CASE_METHOD(fixture, "A clock that goes backwards gives no tokens and "
                          "locks nobody out") {
  CHECK(passed(limiter, v4(1), start, 5) == 5);
  CHECK_FALSE(limiter.allow(v4(1), start - 30min));
  CHECK_FALSE(limiter.allow(v4(1), start - 30min + 49ms));
  CHECK(limiter.allow(v4(1), start - 30min + 50ms));
  // The extremes do not overflow.
  CHECK(passed(limiter, v4(1), time_point::min() + 24h * 365 * 200, 9) <= 5);
}

TEST_CASE("A clock that goes backwards does not keep the table full") {
  weft::test::deterministic_random random;
  rate_limiter limiter(random, 3);
  for (std::uint32_t i = 0; i < 3; ++i)
    limiter.allow(v4(i), start);
  CHECK_FALSE(limiter.allow(v4(9), start - 500ms));
  CHECK(limiter.allow(v4(9), start - 30min));
  CHECK(limiter.size() == 3);
}

TEST_CASE("The rate limiter hashes with a random key") {
  weft::test::scripted_random random(weft::byte_array<16>{});
  rate_limiter limiter(random);
  CHECK(random.left() == 0);
  limiter.allow(v4(1), start);
}
