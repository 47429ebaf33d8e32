#include "protocol/tunnel/transport_cipher.hpp"

#include "tests/catch.hpp"
#include "tests/protocol/support.hpp"

#include <set>

namespace {

using namespace weft;
using namespace weft::test;
using bytes = std::vector<std::byte>;

secret<32> random_key(deterministic_random& random) {
  secret<32> key;
  random.fill(key.bytes());
  return key;
}

bytes random_text(deterministic_random& random, std::size_t size) {
  bytes text(size + 16);
  random.fill(byte_span(text).first(size));
  return text;
}

bool wiped(const bytes& text_and_tag) {
  return std::all_of(text_and_tag.begin(), text_and_tag.end() - 16,
                     [](auto byte) { return byte == std::byte{0}; });
}

const auto& backends = available_cipher_backends();

} // namespace

TEST_CASE("OpenSSL and libsodium are always there, and backends have names") {
  const std::set<cipher_backend> all(backends.begin(), backends.end());
  CHECK(all.size() == backends.size());
  CHECK(all.count(cipher_backend::openssl) == 1);
  CHECK(all.count(cipher_backend::sodium) == 1);
  CHECK(to_string(cipher_backend::ipsec_mb) == "ipsec-mb");
  CHECK(to_string(cipher_backend::openssl) == "openssl");
  CHECK(to_string(cipher_backend::sodium) == "libsodium");
  CHECK(to_string(static_cast<cipher_backend>(9)) == "unknown");
}

TEST_CASE("Every backend seals as RFC 8439's algorithm does") {
  // Computed with a program that is not part of weft:
  // key 00..1f, nonce 0 and counter 0x0102030405060708, no associated data.
  secret<32> key;
  for (std::size_t i = 0; i < 32; ++i)
    key.data()[i] = static_cast<std::byte>(i);
  constexpr std::string_view expected = "f048afe7af3cec1f6ca220c77f756fb7f017e0"
                                        "d77f44032430f4430321983698696ba8e5";
  for (auto backend : backends) {
    transport_cipher cipher(key, backend);
    bytes text(20 + 16);
    for (std::size_t i = 0; i < 20; ++i)
      text[i] = static_cast<std::byte>(i);
    cipher.seal(0x0102030405060708, text);
    CAPTURE(to_string(backend));
    CHECK(hex(text) == expected);
  }
}

TEST_CASE("All backends agree for every size up to 2048 bytes, and each opens "
          "what the others have sealed") {
  deterministic_random random(11);
  const auto key = random_key(random);
  std::vector<transport_cipher> ciphers;
  for (auto backend : backends)
    ciphers.emplace_back(key, backend);
  for (std::size_t size = 0; size <= 2048; ++size) {
    CAPTURE(size);
    const auto counter = random.next_u64();
    const auto text = random_text(random, size);
    auto first = text;
    ciphers[0].seal(counter, first);
    REQUIRE(
      (size < 16 || !std::equal(text.begin(), text.end() - 16, first.begin())));
    for (auto& cipher : ciphers) {
      auto sealed = text;
      cipher.seal(counter, sealed);
      REQUIRE(sealed == first);
      REQUIRE(cipher.open(counter, sealed));
      REQUIRE(std::equal(text.begin(), text.end() - 16, sealed.begin()));
    }
  }
}

TEST_CASE("All backends agree on big messages") {
  deterministic_random random(12);
  for (std::size_t size :
       {4096u, 9000u, 16384u, 65000u, 65503u, 65504u, 65535u, 200000u}) {
    const auto key = random_key(random);
    const auto counter = random.next_u64();
    const auto text = random_text(random, size);
    auto first = text;
    transport_cipher(key).seal(counter, first);
    for (auto backend : backends) {
      CAPTURE(size, to_string(backend));
      transport_cipher cipher(key, backend);
      auto sealed = text;
      cipher.seal(counter, sealed);
      CHECK(sealed == first);
      CHECK(cipher.open(counter, sealed));
      CHECK(std::equal(text.begin(), text.end() - 16, sealed.begin()));
    }
  }
}

TEST_CASE("All backends agree on the extreme counters") {
  deterministic_random random(13);
  const auto key = random_key(random);
  for (std::uint64_t counter :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0xffffffff},
        std::uint64_t{0x100000000}, ~std::uint64_t{0}}) {
    const auto text = random_text(random, 100);
    std::set<bytes> results;
    for (auto backend : backends) {
      auto sealed = text;
      transport_cipher(key, backend).seal(counter, sealed);
      results.insert(sealed);
      // The upper half of the counter counts.
      auto other = sealed;
      CHECK_FALSE(transport_cipher(key, backend)
                    .open(counter ^ 0x8000000000000000, other));
    }
    CHECK(results.size() == 1);
  }
}

TEST_CASE("A message with any bit changed is not opened, and its text is "
          "wiped") {
  deterministic_random random(14);
  const auto key = random_key(random);
  for (auto backend : backends) {
    transport_cipher cipher(key, backend);
    for (std::size_t size : {0u, 1u, 16u, 63u, 100u}) {
      auto sealed = random_text(random, size);
      cipher.seal(7, sealed);
      for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
        auto forged = sealed;
        forged[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
        CAPTURE(to_string(backend), size, bit);
        REQUIRE_FALSE(cipher.open(7, forged));
        REQUIRE(wiped(forged));
      }
      REQUIRE(cipher.open(7, sealed));
    }
  }
}

TEST_CASE("A long forged message is wiped to its end") {
  deterministic_random random(15);
  for (auto backend : backends) {
    transport_cipher cipher(random_key(random), backend);
    auto sealed = random_text(random, 9001);
    cipher.seal(1, sealed);
    sealed.back() ^= std::byte{1};
    CHECK_FALSE(cipher.open(1, sealed));
    CHECK(wiped(sealed));
  }
}

TEST_CASE("Another key or another counter opens nothing") {
  deterministic_random random(16);
  const auto key = random_key(random);
  for (auto backend : backends) {
    auto sealed = random_text(random, 64);
    transport_cipher(key, backend).seal(5, sealed);
    auto copy = sealed;
    CHECK_FALSE(transport_cipher(key, backend).open(6, copy));
    copy = sealed;
    CHECK_FALSE(transport_cipher(random_key(random), backend).open(5, copy));
    copy = sealed;
    CHECK(transport_cipher(key, backend).open(5, copy));
  }
}

TEST_CASE("A failed message leaves the cipher as it was") {
  deterministic_random random(17);
  for (auto backend : backends) {
    transport_cipher cipher(random_key(random), backend);
    for (std::uint64_t i = 0; i < 50; ++i) {
      const auto text = random_text(random, i * 7);
      auto sealed = text;
      cipher.seal(i, sealed);
      bytes garbage = random_text(random, i);
      CHECK_FALSE(cipher.open(i, garbage));
      REQUIRE(cipher.open(i, sealed));
      REQUIRE(std::equal(text.begin(), text.end() - 16, sealed.begin()));
    }
  }
}

TEST_CASE("A cipher that was moved goes on in its new place") {
  deterministic_random random(18);
  const auto key = random_key(random);
  for (auto backend : backends) {
    transport_cipher original(key, backend);
    transport_cipher moved(std::move(original));
    transport_cipher assigned(random_key(random), backend);
    assigned = std::move(moved);
    const auto text = random_text(random, 33);
    auto sealed = text;
    auto expected = text;
    assigned.seal(3, sealed);
    transport_cipher(key, cipher_backend::sodium).seal(3, expected);
    CHECK(sealed == expected);
  }
}

TEST_CASE("The default backend is the first of those that are there") {
  deterministic_random random(19);
  const auto key = random_key(random);
  auto one = random_text(random, 99);
  auto two = one;
  transport_cipher(key).seal(1, one);
  transport_cipher(key, backends.front()).seal(1, two);
  CHECK(one == two);
}
