// Overwrites what must not stay in memory.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace weft {

/// Sets `size` bytes to zero, also where nothing reads them any more.
void wipe_memory(void* bytes, std::size_t size) noexcept;

/// All that the string has room for, and leaves it empty.
void wipe_text(std::string& text) noexcept;
void wipe_text(std::span<char> text) noexcept;

/// Wipes a text when it goes out of scope.
class text_wiper {
public:
  explicit text_wiper(std::string& text) : text_(text) {
  }
  text_wiper(const text_wiper&) = delete;
  text_wiper& operator=(const text_wiper&) = delete;
  ~text_wiper() {
    wipe_text(text_);
  }

private:
  std::string& text_;
};

/// Appends a text that holds a secret, and wipes it.
void append_secret(std::string& to, std::string&& secret_text);

} // namespace weft
