#include "protocol/base/wipe.hpp"

#include <sodium.h>

#include <utility>

namespace weft {

void wipe_memory(void* bytes, std::size_t size) noexcept {
  sodium_memzero(bytes, size);
}

void wipe_text(std::span<char> text) noexcept {
  wipe_memory(text.data(), text.size());
}

void wipe_text(std::string& text) noexcept {
  text.resize(text.capacity());
  wipe_memory(text.data(), text.size());
  text.clear();
}

void append_secret(std::string& to, std::string&& secret_text) {
  auto held = std::move(secret_text);
  const text_wiper end{held};
  to += held;
}

} // namespace weft
