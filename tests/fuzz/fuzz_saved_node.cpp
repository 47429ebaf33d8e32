// What a node leaves to its successor: no bytes crash the reader, and what was
// read is written so that the same is read again.
#include "config/saved_node_format.hpp"

#include <cstdlib>

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  constexpr weft::time_point now{std::chrono::seconds{1000}};
  const auto read = weft::parse_saved_node({bytes, size}, now);
  if (!read)
    return 0;
  const auto text = weft::format_saved_node(*read);
  const auto again = weft::parse_saved_node(text, now);
  if (!again || weft::format_saved_node(*again) != text)
    std::abort();
  return 0;
}
