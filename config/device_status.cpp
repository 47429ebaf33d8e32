#include "config/device_status.hpp"

namespace weft {

std::vector<drop_count> to_counts(const drop_counters& drops, bool all) {
  std::vector<drop_count> counts;
  for (std::size_t i = 0; i < drop_reason_count; ++i) {
    const auto reason = static_cast<drop_reason>(i);
    if (all || drops[reason] > 0)
      counts.push_back({std::string{to_string(reason)}, drops[reason]});
  }
  return counts;
}

} // namespace weft
