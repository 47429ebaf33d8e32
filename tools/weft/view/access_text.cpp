#include "tools/weft/view/access_text.hpp"

#include "platform/certificates.hpp"
#include "tools/weft/view/format.hpp"

namespace weft {

std::vector<std::string>
access_troubles(const access_report& access, wall_time now) {
  std::vector<std::string> troubles;
  for (const auto& each : access.certificates) {
    if (const auto soon = ends_soon(each.not_after, now))
      troubles.push_back(each.file + " '" + printable(each.name) + "' "
                         + *soon);
  }
  if (!access.refused.empty())
    troubles.push_back("changed files are not in force: "
                       + printable(access.refused));
  return troubles;
}

} // namespace weft
