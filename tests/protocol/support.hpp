// What several tests of the protocol share: randomness that repeats, and bytes
// written as text.
#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/keys.hpp"
#include "protocol/base/random.hpp"
#include "protocol/tunnel/noise.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace weft::test {

/// A stream of numbers that depends on the seed only (SplitMix64).
class deterministic_random final : public random_source {
public:
  explicit deterministic_random(std::uint64_t seed = 1) : state_(seed) {
  }

  std::uint64_t next_u64() {
    state_ += 0x9e3779b97f4a7c15;
    auto mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
  }

  /// A number below `bound`, which is not 0; nearly uniform.
  std::uint64_t below(std::uint64_t bound) {
    return next_u64() % bound;
  }

  void fill(byte_span out) override {
    for (auto& byte : out)
      byte = static_cast<std::byte>(next_u64());
  }

private:
  std::uint64_t state_;
};

/// Hands out bytes that were given to it, and throws when there are no more.
class scripted_random final : public random_source {
public:
  scripted_random() = default;
  explicit scripted_random(const_byte_span bytes) {
    push(bytes);
  }

  void push(const_byte_span bytes) {
    for (auto byte : bytes)
      bytes_.push_back(byte);
  }
  std::size_t left() const {
    return bytes_.size() - used_;
  }

  void fill(byte_span out) override {
    if (out.size() > left())
      throw std::logic_error("the script of random bytes has ended");
    for (auto& byte : out)
      byte = bytes_[used_++];
  }

private:
  std::vector<std::byte> bytes_;
  std::size_t used_ = 0;
};

/// The bytes that an even number of hexadecimal digits stands for.
inline std::vector<std::byte> unhex(std::string_view digits) {
  auto value = [](char digit) {
    if (digit >= '0' && digit <= '9')
      return digit - '0';
    if (digit >= 'a' && digit <= 'f')
      return digit - 'a' + 10;
    throw std::invalid_argument("not a lower-case hexadecimal digit");
  };
  if (digits.size() % 2 != 0)
    throw std::invalid_argument("an odd number of digits");
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2)
    bytes.push_back(
      static_cast<std::byte>(value(digits[i]) * 16 + value(digits[i + 1])));
  return bytes;
}

/// As above, for a length that is known.
template <std::size_t N>
byte_array<N> unhex_array(std::string_view digits) {
  const auto bytes = unhex(digits);
  if (bytes.size() != N)
    throw std::invalid_argument("another number of bytes");
  byte_array<N> result;
  std::copy(bytes.begin(), bytes.end(), result.begin());
  return result;
}

inline std::string hex(const_byte_span bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (auto byte : bytes) {
    text += digits[std::to_integer<std::size_t>(byte >> 4)];
    text += digits[std::to_integer<std::size_t>(byte & std::byte{15})];
  }
  return text;
}

inline secret<32> unhex_secret(std::string_view digits) {
  return secret<32>(unhex_array<32>(digits));
}

inline public_key unhex_public(std::string_view digits) {
  return {unhex_array<32>(digits)};
}

/// Two hosts that know each other, and the keys of a handshake from `a` to `b`.
struct acquainted_pair {
  explicit acquainted_pair(random_source& random)
    : a(generate_private_key(random)), b(generate_private_key(random)),
      a_knows_b(*static_pair::create(a, b.public_static())),
      b_knows_a(*static_pair::create(b, a.public_static())) {
  }

  identity a, b;
  static_pair a_knows_b, b_knows_a;
};

/// The public keys whose Diffie-Hellman results are all zero: the points of low
/// order of the curve and of its twist, and their values written unreduced.
/// Bit 255 is ignored, so each has a twin with that bit set.
inline std::vector<public_key> low_order_public_keys() {
  constexpr auto canonical = std::to_array<std::string_view>({
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  });
  std::vector<public_key> keys;
  for (auto digits : canonical) {
    keys.push_back(unhex_public(digits));
    keys.push_back(keys.back());
    keys.back().bytes[31] |= std::byte{0x80};
  }
  return keys;
}

} // namespace weft::test
