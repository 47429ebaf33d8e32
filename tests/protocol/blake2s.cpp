#include "protocol/tunnel/blake2s.hpp"

#include "tests/catch.hpp"
#include "tests/protocol/support.hpp"

#include <thread>
#include <vector>

namespace {

using namespace weft;
using test::hex;

const_byte_span span_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

byte_array<32> hmac(const_byte_span key, const_byte_span data) {
  byte_array<32> result{};
  blake2s::hmac(key, {data}, result);
  return result;
}

/// 0, 1, 2, ...
std::vector<std::byte> counting(std::size_t size) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < size; ++i)
    bytes.push_back(static_cast<std::byte>(i));
  return bytes;
}

} // namespace

TEST_CASE("BLAKE2s of abc is that of RFC 7693") {
  constexpr auto expected
    = "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982";
  CHECK(hex(blake2s::hash({span_of("abc")})) == expected);
  CHECK(hex(blake2s::hash({span_of("a"), {}, span_of("bc")})) == expected);
  CHECK(hex(blake2s::hash({}))
        == "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9");
}

// The expected values below are Python's: hashlib.blake2s and hmac.

TEST_CASE("The keyed MAC has its length and its key in its result") {
  const auto data = counting(200);
  CHECK(hex(blake2s::mac(counting(32), data))
        == "42a6f8ff590af21b512e9e088257aa34");
  CHECK(hex(blake2s::mac(counting(16), data))
        == "b8d300fa7937e4d1e67c8468df4c9a43");
  CHECK(hex(blake2s::mac(counting(32), {}))
        == "9536f9b267655743dee97b8a670f9f53");
  // A context that was used before remembers nothing.
  CHECK(hex(blake2s::mac(counting(16), data))
        == "b8d300fa7937e4d1e67c8468df4c9a43");
}

TEST_CASE("HMAC is that of RFC 2104 with BLAKE2s") {
  CHECK(hex(hmac(counting(32), counting(100)))
        == "a81c95080ba2a7c4ed1b7b4c21dec2c4fd6dc9f03ff37b6d65289dc95a7d1ef1");
  CHECK(hex(hmac(counting(64), counting(100)))
        == "647576eb06d7546ce6db9b3c0c1509a64cc7fae9cb732ee3845e7b486ad26edc");
  CHECK(hex(hmac({}, {}))
        == "eaf4bb25938f4d20e72656bbbc7a9bf63c0c18537333c35bdb67db1402661acd");
}

TEST_CASE("The three KDFs are HKDF with one, two and three outputs") {
  const secret<32> key(std::span<const std::byte, 32>(counting(32)));
  const auto input = counting(5);
  secret<32> first, second, third;
  blake2s::kdf3(key, input, first, second, third);
  CHECK(hex(first.bytes())
        == "f54a9f3b05c1a0831761409665d120cfb304a7e3840b23c34b53bf65c0696619");
  CHECK(hex(second.bytes())
        == "2cca9709314d7b56f5cd302f252d83a413c3e8f236dc63fb9be4f8a8eacb7dbf");
  CHECK(hex(third.bytes())
        == "bc23dcaef70748b07ae37933aa6a5ceb5b438e7a6583d0b26628698f506b0d5b");

  secret<32> other_first, other_second;
  blake2s::kdf2(key, input, other_first, other_second);
  CHECK(other_first == first);
  CHECK(other_second == second);
  other_first.wipe();
  blake2s::kdf1(key, input, other_first);
  CHECK(other_first == first);
}

TEST_CASE("The output of a KDF may take the place of its key") {
  const secret<32> key(std::span<const std::byte, 32>(counting(32)));
  secret<32> first, second, third;
  blake2s::kdf3(key, {}, first, second, third);
  auto chaining = key;
  secret<32> b, c;
  blake2s::kdf3(chaining, {}, chaining, b, c);
  CHECK(chaining == first);
  CHECK(b == second);
  CHECK(c == third);
}

TEST_CASE("Threads hash without disturbing each other") {
  const auto key = counting(32);
  const auto data = counting(150);
  const auto expected_mac = blake2s::mac(key, data);
  const auto expected_hash = blake2s::hash({data});
  std::array<int, 4> wrong{};
  std::vector<std::thread> threads;
  threads.reserve(wrong.size());
  for (auto& count : wrong)
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i)
        if (blake2s::mac(key, data) != expected_mac
            || blake2s::hash({data}) != expected_hash)
          ++count;
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(wrong == std::array<int, 4>{});
}
