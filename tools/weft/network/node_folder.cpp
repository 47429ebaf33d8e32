#include "tools/weft/network/node_folder.hpp"

#include "platform/clock.hpp"

#include <filesystem>

namespace weft {

network_time network_now() {
  return std::chrono::floor<std::chrono::seconds>(wall_now());
}

void forget_membership(const node_folder& folder) {
  std::error_code ignored;
  // The certificate first: without it none of the others is of use.
  for (const auto& file :
       {folder.member(), folder.member_key(), folder.wireguard_key(),
        folder.path + "/secrets", folder.path + "/items",
        folder.path + "/marks", folder.root(), folder.directory(),
        folder.directory_key(), folder.path + "/token",
        folder.path + "/request.key", folder.path + "/.lock"})
    std::filesystem::remove(file, ignored);
  std::filesystem::remove(folder.path, ignored); // unless something is left
}

} // namespace weft
