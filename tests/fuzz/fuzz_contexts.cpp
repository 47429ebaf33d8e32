// The file of contexts: no text crashes its reader, and changing the current
// context changes nothing else.
#include "tools/weft/places/contexts.hpp"

#include <cstdlib>

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto file = weft::parse_contexts(text, "fuzz.yaml");
  if (!file) {
    if (file.error().empty() || weft::to_string(file.error().front()).empty())
      std::abort();
    return 0;
  }
  for (const auto& one : file->contexts) {
    const auto changed = weft::with_current(text, "fuzz.yaml", one.name);
    if (!changed)
      continue; // it says which line to add by hand
    const auto again = weft::parse_contexts(*changed, "fuzz.yaml");
    if (!again || again->current != one.name
        || again->contexts != file->contexts)
      std::abort();
  }
  return 0;
}
