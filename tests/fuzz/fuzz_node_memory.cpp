// What a node remembers: no text crashes its reader, and what was read is
// written so that it is read again.
#include "config/node_memory.hpp"

#include <cstdlib>

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  constexpr weft::wall_time now{std::chrono::seconds{1'700'000'000}};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto read = weft::parse_memory(text, now);
  if (!read)
    return 0;
  const auto again = weft::parse_memory(weft::format_memory(*read), now);
  if (!again || *again != *read)
    std::abort();
  return 0;
}
