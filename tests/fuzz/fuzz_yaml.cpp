// YAML texts: no text crashes the reader, and a good one survives being written
// and read.
#include "config/yaml.hpp"

#include <cstdlib>

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const weft::file_source none = [](const std::string&, weft::file_use) {
    return tl::unexpected(weft::file_failure{true, "there are no files"});
  };
  const auto config = weft::parse_yaml(text, "fuzz.yaml", none);
  if (!config) {
    if (config.error().empty())
      std::abort();
    for (const auto& error : config.error())
      if (weft::to_string(error).empty())
        std::abort();
    return 0;
  }
  const auto again
    = weft::parse_yaml(weft::format_yaml(*config), "fuzz.yaml", none);
  if (!again || *again != *config)
    std::abort();
  return 0;
}
