// Takes the place of libsodium's X25519 in a fuzz target: as commutative, and
// a thousand times as fast.  Four products of 64 bits, of odd scalars, so that
// only the zero point gives the zero point.
#include <sodium.h>

#include <array>
#include <cstdint>
#include <cstring>

namespace {

using words = std::array<std::uint64_t, 4>;

words load(const unsigned char* bytes) {
  words result{};
  std::memcpy(result.data(), bytes, 32);
  return result;
}

} // namespace

extern "C" int
crypto_scalarmult_curve25519(unsigned char* q, const unsigned char* n,
                             const unsigned char* p) {
  const auto scalar = load(n);
  auto point = load(p);
  std::uint64_t any = 0;
  for (std::size_t i = 0; i < point.size(); ++i) {
    point[i] *= scalar[i] | 1;
    any |= point[i];
  }
  std::memcpy(q, point.data(), 32);
  return any != 0 ? 0 : -1;
}

extern "C" int
crypto_scalarmult_curve25519_base(unsigned char* q, const unsigned char* n) {
  constexpr words base{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9,
                       0x94d049bb133111eb, 0x2545f4914f6cdd1d};
  std::array<unsigned char, 32> bytes{};
  std::memcpy(bytes.data(), base.data(), bytes.size());
  return crypto_scalarmult_curve25519(q, n, bytes.data());
}
