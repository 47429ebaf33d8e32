#include "actors/control/server/expiry_reminder.hpp"

#include "platform/certificates.hpp"

namespace weft {

std::vector<std::string>
expiry_reminder::due(std::span<const certificate_status> certificates,
                     wall_time now) {
  constexpr std::chrono::hours pause{24};
  std::vector<std::string> lines;
  for (const auto& each : certificates) {
    const auto soon = ends_soon(each.not_after, now);
    if (!soon) {
      told_.erase(each.file);
      continue;
    }
    const auto [told, is_new] = told_.try_emplace(each.file, now);
    // A clock that was put back is no reason to be silent.
    if (!is_new && now >= told->second && now - told->second < pause)
      continue;
    told->second = now;
    const auto remedy
      = each.file == "ca"
          ? std::string{"nobody comes in then; make another one ('weft pki "
                        "init'), and certificates of it"}
          : "nobody comes in then; 'weft pki renew " + each.name
              + "' makes another one";
    lines.push_back("control." + each.file + ": the certificate '" + each.name
                    + "' " + *soon + ": " + remedy);
  }
  return lines;
}

} // namespace weft
