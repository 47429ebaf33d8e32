// ChaCha20-Poly1305 (RFC 8439) for transport messages: the work that costs.
#pragma once

#include "protocol/base/keys.hpp"
#include "protocol/base/wireguard.hpp"

#include <memory>
#include <string_view>
#include <vector>

namespace weft {

/// The libraries that can do it.  docs/decisions.md has their speeds.
enum class cipher_backend : std::uint8_t {
  ipsec_mb, ///< Intel's multi-buffer library; x86-64 with AES-NI and later
  openssl,  ///< libcrypto through EVP
  sodium,   ///< libsodium
};

std::string_view to_string(cipher_backend backend);

/// Those that work on this machine, the fastest first.
const std::vector<cipher_backend>& available_cipher_backends();

/// Makes what this thread needs of its own for the fastest of them.  False: it
/// cannot be had, and this thread must neither seal nor open.
bool prepare_ciphers();

/// The key of one direction of a session.  The session shares it with the work
/// that is under way on other threads; it is wiped when the last of them lets
/// go of it.
using shared_key = std::shared_ptr<const secret<key_size>>;

/// One direction of a session: a key, set up once.  Not for two threads at a
/// time: another thread makes a cipher of its own with the same key.  The nonce
/// is 32 zero bits and the 64-bit little-endian counter; no associated data
/// (paper, 5.4.6).
class transport_cipher {
public:
  explicit transport_cipher(const secret<key_size>& key);
  transport_cipher(const secret<key_size>& key, cipher_backend backend);
  explicit transport_cipher(shared_key key);
  transport_cipher(shared_key key, cipher_backend backend);
  ~transport_cipher();
  transport_cipher(transport_cipher&&) noexcept;
  transport_cipher& operator=(transport_cipher&&) noexcept;

  const secret<key_size>& key() const {
    return *key_;
  }
  const shared_key& sharing_key() const {
    return key_;
  }

  /// Seals in place: `text_and_tag` holds the plaintext and room for the tag.
  void seal(std::uint64_t counter, byte_span text_and_tag) noexcept;

  /// Opens in place.  False if the tag is wrong; the text is then wiped.
  [[nodiscard]] bool
  open(std::uint64_t counter, byte_span text_and_tag) noexcept;

private:
  struct evp_context;

  cipher_backend backend_;
  shared_key key_;
  std::unique_ptr<evp_context> evp_; ///< for openssl only
};

} // namespace weft
