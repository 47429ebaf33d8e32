#include "protocol/base/digest.hpp"

#include "protocol/base/keys.hpp"
#include "protocol/base/sodium.hpp"

namespace weft {

namespace {

constexpr std::size_t digest_size = 32;

} // namespace

struct text_digest::state {
  crypto_generichash_state hash;
  ~state() {
    sodium_memzero(&hash, sizeof(hash));
  }
};

text_digest::text_digest() : state_(std::make_unique<state>()) {
  sodium::ensure_ready();
  crypto_generichash_init(&state_->hash, nullptr, 0, digest_size);
}

text_digest::~text_digest() = default;

void text_digest::add(std::string_view part) {
  const auto bytes = std::as_bytes(std::span(part));
  crypto_generichash_update(&state_->hash, sodium::raw(bytes.data()),
                            bytes.size());
}

std::string text_digest::text() const {
  auto copy = *state_;
  byte_array<digest_size> bytes{};
  crypto_generichash_final(&copy.hash, sodium::raw(bytes.data()), bytes.size());
  return to_hex(bytes);
}

} // namespace weft
