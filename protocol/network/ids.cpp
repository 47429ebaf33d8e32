#include "protocol/network/ids.hpp"

#include "protocol/base/sodium.hpp"

#include <algorithm>

namespace weft {

std::string to_hex_text(const_byte_span bytes) {
  // libsodium ends the text with a zero, which falls onto the string's own.
  std::string text(2 * bytes.size(), '\0');
  sodium_bin2hex(text.data(), text.size() + 1, sodium::raw(bytes.data()),
                 bytes.size());
  return text;
}

bool read_hex_text(std::string_view text, byte_span out) {
  const auto is_canonical
    = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  std::size_t length = 0;
  return text.size() == 2 * out.size()
         && std::all_of(text.begin(), text.end(), is_canonical)
         && sodium_hex2bin(sodium::raw(out.data()), out.size(), text.data(),
                           text.size(), nullptr, &length, nullptr)
              == 0
         && length == out.size();
}

bool is_network_word(std::string_view text) {
  return !text.empty() && text.size() <= longest_network_word
         && std::all_of(text.begin(), text.end(), [](char c) {
              return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')
                     || c == '-';
            });
}

} // namespace weft
