// wg-quick files: no text crashes the reader, and what is imported survives
// being exported, and being written as YAML.
#include "config/wg_quick.hpp"

#include <cstdlib>

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto imported = weft::import_wg_quick(text, "wg0.conf", "wg0");
  if (!imported) {
    if (imported.error().empty())
      std::abort();
    return 0;
  }
  const auto& config = imported->config;
  const auto yaml = weft::parse_yaml(
    weft::format_yaml(config), "wg0.yaml",
    [](const std::string&, weft::file_use) {
      return tl::unexpected(weft::file_failure{true, "there are no files"});
    });
  if (!yaml || *yaml != config)
    std::abort();
  const auto again
    = weft::import_wg_quick(weft::export_wg_quick(config), "wg0.conf", "wg0");
  if (!again || again->config.peers != config.peers
      || again->config.interface.private_key != config.interface.private_key)
    std::abort();
  return 0;
}
