// Tokens as they are pasted, and the bytes behind ones whose checksum is right:
// none crashes the reader, and what is read is written alike.
#include "protocol/network/token.hpp"
#include "tests/fuzz/support.hpp"

#include <sodium.h>

namespace {

using namespace weft;
using namespace weft::test;

bool try_text(std::string_view text) {
  const auto token = parse_token(text);
  if (!token) {
    require(!token.error().what.empty());
    return false;
  }
  const auto again = parse_token(to_secret_text(*token));
  require(again && again->directories == token->directories
          && again->root == token->root && again->seed == token->seed);
  return true;
}

/// The token of these bytes, whatever they are.
std::string with_checksum(const_byte_span content) {
  const auto sum = sha256({bytes_of("weft1-"), content});
  const auto whole = joined({content, const_byte_span(sum).first(4)});
  constexpr auto variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::string text(sodium_base64_encoded_len(whole.size(), variant), '\0');
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const auto* raw = reinterpret_cast<const unsigned char*>(whole.data());
  sodium_bin2base64(text.data(), text.size(), raw, whole.size(), variant);
  text.pop_back(); // its zero
  return "weft1-" + text;
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  try_text(text);
  try_text(with_checksum(bytes_of(text)));
  if (const auto address = parse_directory_address(text))
    require(parse_directory_address(to_string(*address)) == *address);
  return 0;
}
