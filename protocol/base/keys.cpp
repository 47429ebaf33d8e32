#include "protocol/base/keys.hpp"

#include "protocol/base/sodium.hpp"

namespace weft {

namespace {

constexpr auto base64_variant = sodium_base64_VARIANT_ORIGINAL;

static_assert(sodium_base64_ENCODED_LEN(key_size,
                                        sodium_base64_VARIANT_ORIGINAL)
              == base64_key_length + 1);

/// libsodium 1.0.18 takes some characters beyond ASCII for base64 digits.
bool is_ascii(std::string_view text) {
  unsigned seen = 0;
  for (auto c : text)
    seen |= static_cast<unsigned char>(c);
  return seen < 0x80;
}

} // namespace

template <std::size_t N>
void secret<N>::wipe() noexcept {
  sodium_memzero(bytes_.data(), N);
}

template <std::size_t N>
bool secret<N>::is_zero() const noexcept {
  return sodium_is_zero(sodium::raw(bytes_.data()), N) == 1;
}

template <std::size_t N>
bool secret<N>::equal(const secret& a, const secret& b) noexcept {
  return sodium_memcmp(a.data(), b.data(), N) == 0;
}

template class secret<key_size>;

void clamp(private_key& key) {
  auto bytes = key.bytes();
  bytes[0] &= std::byte{0xf8};
  bytes[31] &= std::byte{0x7f};
  bytes[31] |= std::byte{0x40};
}

private_key generate_private_key(random_source& random) {
  private_key key;
  random.fill(key.bytes());
  clamp(key);
  return key;
}

public_key derive_public_key(const private_key& key) {
  sodium::ensure_ready();
  public_key result;
  crypto_scalarmult_curve25519_base(sodium::raw(result.bytes.data()),
                                    sodium::raw(key.data()));
  return result;
}

// libsodium ends both texts with a zero, which falls onto the string's own.

std::string to_base64(std::span<const std::byte, key_size> bytes) {
  std::string text(base64_key_length, '\0');
  sodium_bin2base64(text.data(), base64_key_length + 1,
                    sodium::raw(bytes.data()), bytes.size(), base64_variant);
  return text;
}

std::string to_hex(std::span<const std::byte, key_size> bytes) {
  std::string text(hex_key_length, '\0');
  sodium_bin2hex(text.data(), hex_key_length + 1, sodium::raw(bytes.data()),
                 bytes.size());
  return text;
}

// libsodium stops at the first character that does not belong, and reports
// that as a failure because we do not ask where it stopped.

std::optional<secret<key_size>> from_base64(std::string_view text) {
  secret<key_size> result;
  std::size_t length = 0;
  if (text.size() != base64_key_length || !is_ascii(text)
      || sodium_base642bin(sodium::raw(result.data()), result.size, text.data(),
                           text.size(), nullptr, &length, nullptr,
                           base64_variant)
           != 0
      || length != result.size)
    return std::nullopt;
  return result;
}

std::optional<secret<key_size>> from_hex(std::string_view text) {
  secret<key_size> result;
  std::size_t length = 0;
  if (text.size() != hex_key_length
      || sodium_hex2bin(sodium::raw(result.data()), result.size, text.data(),
                        text.size(), nullptr, &length, nullptr)
           != 0
      || length != result.size)
    return std::nullopt;
  return result;
}

} // namespace weft
