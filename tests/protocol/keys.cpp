#include "protocol/base/keys.hpp"

#include "tests/catch.hpp"
#include "tests/protocol/support.hpp"

#include <cctype>
#include <memory>
#include <ostream>
#include <set>
#include <type_traits>
#include <unordered_set>

namespace {

using namespace weft;
using weft::test::unhex_public;
using weft::test::unhex_secret;

constexpr std::string_view digits
  = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
constexpr std::string_view text
  = "XasIfmJKikt54X+Lg4AO5m87sSkmGLb9HC+LJ/+I4Os=";

template <class T>
concept printable = requires(std::ostream& out, const T& value) {
  out << value;
};
template <class T>
concept has_text = requires(const T& value) {
  to_string(value);
};

static_assert(!printable<secret<32>>);
static_assert(!has_text<secret<32>>);
static_assert(has_text<public_key>);

// A key passes for no other kind of key, and bytes for none unless asked to.
static_assert(!std::is_constructible_v<preshared_key, private_key>);
static_assert(!std::is_constructible_v<private_key, shared_secret>);
static_assert(!std::is_assignable_v<private_key&, preshared_key>);
static_assert(!std::is_assignable_v<private_key&, secret<32>>);
static_assert(!std::is_convertible_v<secret<32>, private_key>);
static_assert(!std::is_convertible_v<shared_secret, public_key>);

} // namespace

TEST_CASE("A secret is wiped when it is moved from") {
  auto original = unhex_secret(digits);
  const auto copy = original;
  const secret<32> moved(std::move(original));
  // NOLINTNEXTLINE(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
  CHECK(original.is_zero());
  CHECK(moved == copy);

  auto source = copy;
  secret<32> target;
  target = std::move(source);
  // NOLINTNEXTLINE(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
  CHECK(source.is_zero());
  CHECK(target == copy);
}

TEST_CASE("A secret survives being moved to itself") {
  auto value = unhex_secret(digits);
  auto& alias = value;
  value = std::move(alias);
  CHECK(value == unhex_secret(digits));
}

TEST_CASE("A secret is wiped when it ends") {
  alignas(secret<32>) byte_array<sizeof(secret<32>)> storage;
  auto* value = new (storage.data()) secret<32>(unhex_secret(digits));
  REQUIRE_FALSE(value->is_zero());
  // Through a pointer that the compiler cannot see through: it must not know
  // that what lies there afterwards is nobody's.
  void (*volatile destroy)(secret<32>*) = [](auto* p) { std::destroy_at(p); };
  destroy(value);
  CHECK(storage == byte_array<sizeof(secret<32>)>{});
}

TEST_CASE("A secret can be wiped at once") {
  auto value = unhex_secret(digits);
  value.wipe();
  CHECK(value.is_zero());
  CHECK(value == secret<32>());
}

TEST_CASE("Secrets differ when any bit of them does") {
  const auto value = unhex_secret(digits);
  for (std::size_t bit = 0; bit < 256; ++bit) {
    auto other = value;
    other.data()[bit / 8] ^= std::byte{1} << (bit % 8);
    REQUIRE_FALSE(other == value);
    secret<32> single;
    single.data()[bit / 8] = std::byte{1} << (bit % 8);
    REQUIRE_FALSE(single.is_zero());
  }
}

TEST_CASE("A public key belongs to its private key as RFC 7748 has it") {
  CHECK(derive_public_key(private_key{unhex_secret(digits)})
        == unhex_public("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e"
                        "146f882b4f"));
  // Nine, multiplied by the scalar that reads nine before it is clamped.
  CHECK(derive_public_key(private_key{unhex_secret(
          "0900000000000000000000000000000000000000000000000000000000000000")})
        == unhex_public("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e8"
                        "0311ae3079"));
}

TEST_CASE("Clamping sets and clears the bits of RFC 7748 and no others") {
  private_key ones{unhex_secret(std::string(64, 'f'))};
  clamp(ones);
  CHECK(test::hex(ones.bytes()) == "f8" + std::string(60, 'f') + "7f");
  private_key zeros;
  clamp(zeros);
  CHECK(test::hex(zeros.bytes()) == std::string(62, '0') + "40");
  auto again = zeros;
  clamp(again);
  CHECK(again == zeros);
}

TEST_CASE("An unclamped private key has the public key of the clamped one") {
  private_key key{unhex_secret(std::string(64, 'f'))};
  const auto before = derive_public_key(key);
  clamp(key);
  CHECK(derive_public_key(key) == before);
}

TEST_CASE("A generated private key is 32 random bytes, clamped") {
  test::scripted_random random(test::unhex(std::string(64, 'f')));
  const auto key = generate_private_key(random);
  CHECK(random.left() == 0);
  CHECK(test::hex(key.bytes()) == "f8" + std::string(60, 'f') + "7f");
}

TEST_CASE("Keys are written as base64 and as hexadecimal digits") {
  const auto key = unhex_secret(digits);
  CHECK(to_base64(key.bytes()) == text);
  CHECK(to_hex(key.bytes()) == digits);
  CHECK(to_string(unhex_public(digits)) == text);
  CHECK(to_base64(secret<32>().bytes()) == std::string(43, 'A') + "=");
  CHECK(to_hex(secret<32>().bytes()) == std::string(64, '0'));
}

TEST_CASE("What is written of a key is read again") {
  test::deterministic_random random;
  for (int i = 0; i < 500; ++i) {
    secret<32> key;
    random.fill(key.bytes());
    REQUIRE(from_base64(to_base64(key.bytes())) == key);
    REQUIRE(from_hex(to_hex(key.bytes())) == key);
  }
}

TEST_CASE("Hexadecimal keys may be in upper case") {
  std::string upper(digits);
  for (auto& c : upper)
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  CHECK(from_hex(upper) == unhex_secret(digits));
}

TEST_CASE("Only 44 characters of canonical base64 are a key") {
  REQUIRE(from_base64(text));
  const std::string good(text);
  CHECK_FALSE(from_base64(""));
  CHECK_FALSE(from_base64(good.substr(0, 43)));
  CHECK_FALSE(from_base64(good.substr(1)));
  CHECK_FALSE(from_base64(good + "="));
  CHECK_FALSE(from_base64(good + "\n"));
  CHECK_FALSE(from_base64(" " + good));
  CHECK_FALSE(from_base64(good + good));
  // 31 and 33 bytes in 44 characters
  CHECK_FALSE(from_base64(std::string(42, 'A') + "=="));
  CHECK_FALSE(from_base64(std::string(44, 'A')));
  CHECK_FALSE(from_base64(std::string(44, '=')));
  // Bits that belong to no byte
  for (char last : {'t', 'u', 'v'})
    CHECK_FALSE(from_base64(good.substr(0, 42) + last + "="));
}

TEST_CASE("A character that is no digit of base64 spoils a key anywhere") {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "abcdefghijklmnopqrstuvwxyz"
                                        "0123456789+/";
  for (int value = 0; value < 256; ++value) {
    const auto c = static_cast<char>(value);
    for (std::size_t at = 0; at < 43; ++at) {
      std::string changed(text);
      changed[at] = c;
      CAPTURE(value, at);
      // The last digit stands for four bits only.
      const auto digit = alphabet.find(c);
      const bool good
        = digit != std::string_view::npos && (at < 42 || digit % 4 == 0);
      REQUIRE(from_base64(changed).has_value() == good);
    }
  }
}

TEST_CASE("Only 64 hexadecimal digits are a key") {
  REQUIRE(from_hex(digits));
  const std::string good(digits);
  CHECK_FALSE(from_hex(""));
  CHECK_FALSE(from_hex(good.substr(0, 63)));
  CHECK_FALSE(from_hex(good.substr(0, 62)));
  CHECK_FALSE(from_hex(good + "0"));
  CHECK_FALSE(from_hex(good + "00"));
  CHECK_FALSE(from_hex("0x" + good.substr(2)));
}

TEST_CASE("A character that is no hexadecimal digit spoils a key anywhere") {
  constexpr std::string_view alphabet = "0123456789abcdefABCDEF";
  for (int value = 0; value < 256; ++value) {
    const auto c = static_cast<char>(value);
    for (std::size_t at = 0; at < 64; ++at) {
      std::string changed(digits);
      changed[at] = c;
      CAPTURE(value, at);
      REQUIRE(from_hex(changed).has_value()
              == (alphabet.find(c) != std::string_view::npos));
    }
  }
}

TEST_CASE("Public keys are ordered and found by all their bytes") {
  const auto key = unhex_public(digits);
  auto other = key;
  other.bytes[31] ^= std::byte{1};
  CHECK(key != other);
  CHECK((key < other) != (other < key));
  CHECK(public_key{}.is_zero());
  CHECK_FALSE(key.is_zero());
  std::unordered_set<public_key> set{key, other, key};
  CHECK(set.size() == 2);
}

TEST_CASE("Public keys that agree in all but one byte do not collide in a "
          "table") {
  std::set<std::size_t> hashes;
  for (std::size_t byte = 0; byte < 32; ++byte) {
    for (unsigned value = 1; value < 256; ++value) {
      public_key key;
      key.bytes[byte] = static_cast<std::byte>(value);
      hashes.insert(std::hash<public_key>{}(key) % 1'000'003);
    }
  }
  // 8,160 balls in a million boxes: some 33 meet by chance.
  CHECK(hashes.size() > 8160 - 100);
  CHECK(std::hash<public_key>{}({}) == std::hash<public_key>{}({}));
  CHECK(keyed_text_hash{}("a") != keyed_text_hash{}("b"));
}
