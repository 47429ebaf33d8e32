// Saving: whatever a file looks like, it is changed to say what it shall, or it
// is refused.
#include "config/yaml_edit.hpp"

#include <cstdlib>

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const std::string text{reinterpret_cast<const char*>(data), size};
  const weft::file_source files = [&](const std::string&, weft::file_use use)
    -> tl::expected<weft::file_text, weft::file_failure> {
    if (use == weft::file_use::secret)
      return tl::unexpected(weft::file_failure{true, "it is missing"});
    return weft::file_text{text};
  };
  auto config = weft::load_yaml("fuzz.yaml", files);
  if (!config)
    return 0;
  const auto nothing_taken = [](const std::string&) { return false; };
  const auto same = weft::edit_yaml("fuzz.yaml", files, *config, nothing_taken);
  if (!same || same->text != text)
    std::abort();
  // Some of each kind of change.
  auto& peers = config->peers;
  if (peers.size() > 1)
    peers.erase(peers.begin());
  for (auto& peer : peers) {
    peer.name.clear();
    peer.persistent_keepalive = std::chrono::seconds{7};
    if (!peer.allowed_ips.empty())
      peer.allowed_ips.pop_back();
  }
  peers.emplace_back().public_key.bytes[0] = std::byte{9};
  config->interface.mtu = 1300;
  // It reads again what it has written, and compares.
  std::ignore = weft::edit_yaml("fuzz.yaml", files, *config, nothing_taken);
  return 0;
}
