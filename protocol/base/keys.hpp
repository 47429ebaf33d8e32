// Keys: public ones that may be shown, secrets that wipe themselves.
#pragma once

#include "protocol/base/bytes.hpp"
#include "protocol/base/keyed_hash.hpp"
#include "protocol/base/random.hpp"
#include "protocol/base/wireguard.hpp"

#include <compare>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

/// A fixed-size secret.  It is wiped when it ends or is moved from, compares
/// in constant time, and can be neither printed nor logged.
template <std::size_t N>
class secret {
public:
  static constexpr std::size_t size = N;

  secret() = default;
  explicit secret(std::span<const std::byte, N> bytes) {
    std::memcpy(bytes_.data(), bytes.data(), N);
  }
  secret(const secret&) = default;
  secret& operator=(const secret&) = default;
  secret(secret&& other) noexcept : bytes_(other.bytes_) {
    other.wipe();
  }
  secret& operator=(secret&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      other.wipe();
    }
    return *this;
  }
  ~secret() {
    wipe();
  }

  std::span<std::byte, N> bytes() {
    return bytes_;
  }
  std::span<const std::byte, N> bytes() const {
    return bytes_;
  }
  std::byte* data() {
    return bytes_.data();
  }
  const std::byte* data() const {
    return bytes_.data();
  }

  void wipe() noexcept;
  bool is_zero() const noexcept;
  friend bool operator==(const secret& a, const secret& b) noexcept {
    return equal(a, b);
  }

private:
  static bool equal(const secret& a, const secret& b) noexcept;
  byte_array<N> bytes_{};
};

extern template class secret<key_size>;

/// 32 secret bytes of one purpose.  Those of another do not pass for it, and
/// bytes without one become it only where that is said.
template <class Purpose>
class secret_key : public secret<key_size> {
public:
  using secret::secret;
  secret_key() = default;
  explicit secret_key(const secret<key_size>& bytes) : secret(bytes) {
  }
  template <class Other>
  explicit secret_key(const secret_key<Other>&) = delete;
};

/// Curve25519 scalar.
using private_key = secret_key<struct private_key_purpose>;
/// All zero: none.
using preshared_key = secret_key<struct preshared_key_purpose>;
/// Result of X25519 (RFC 7748).
using shared_secret = secret_key<struct shared_secret_purpose>;

/// Characters of a key in base64.
inline constexpr std::size_t base64_key_length = 44;
/// Hexadecimal digits of a key.
inline constexpr std::size_t hex_key_length = 2 * key_size;

/// A Curve25519 public key.
struct public_key {
  byte_array<key_size> bytes{};

  auto operator<=>(const public_key&) const = default;
  bool is_zero() const {
    return *this == public_key{};
  }
};

/// A new private key, clamped (RFC 7748 section 5).
private_key generate_private_key(random_source& random);

/// Clamps a scalar as `wg` does when it stores one (RFC 7748 section 5).
void clamp(private_key& key);

/// The public key that belongs to `key`.
public_key derive_public_key(const private_key& key);

/// 32 bytes as 44 characters of base64, in constant time.
std::string to_base64(std::span<const std::byte, key_size> bytes);
/// 32 bytes as 64 lower-case hexadecimal digits, in constant time.
std::string to_hex(std::span<const std::byte, key_size> bytes);
/// The bytes behind 44 characters of canonical base64; nothing else passes.
std::optional<secret<key_size>> from_base64(std::string_view text);
/// The bytes behind 64 hexadecimal digits; nothing else passes.
std::optional<secret<key_size>> from_hex(std::string_view text);

inline std::string to_string(const public_key& key) {
  return to_base64(key.bytes);
}
inline public_key to_public_key(const secret<key_size>& bytes) {
  public_key key;
  std::memcpy(key.bytes.data(), bytes.data(), key_size);
  return key;
}

} // namespace weft

/// Keys are chosen by others, who must not choose which ones collide.
template <>
struct std::hash<weft::public_key> {
  std::size_t operator()(const weft::public_key& key) const noexcept {
    return weft::keyed_hash(key.bytes);
  }
};
