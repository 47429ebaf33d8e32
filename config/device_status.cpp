#include "config/device_status.hpp"

#include "protocol/base/text.hpp"

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

std::string host_trouble(const host_item& item) {
  if (item.kind == "ipv6")
    return "IPv6 is off on this host, and what needs it is left out: set "
           "net.ipv6.conf.all.disable_ipv6=0, and weft reload";
  if (item.kind == "dns")
    return "the DNS server " + printable(item.value)
           + " is missing: this host does not ask it (weft host up sets it "
             "again)";
  if (item.kind == "name")
    return "the interface " + printable(item.value) + " is called "
           + printable(item.found)
           + " now, and nothing that knows it by its name finds it, the lock "
             "neither: ip link set "
           + printable(item.found) + " name " + printable(item.value);
  const auto kind = item.kind == "mtu" ? "MTU" : printable(item.kind);
  if (item.found.empty())
    return "the " + kind + " " + printable(item.value) + " is missing";
  return "the " + kind + " is " + printable(item.found) + " instead of "
         + printable(item.value);
}

} // namespace weft
