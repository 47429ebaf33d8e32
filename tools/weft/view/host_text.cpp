#include "tools/weft/view/host_text.hpp"

#include "tools/weft/view/format.hpp"

#include <algorithm>

namespace weft {

std::string host_trouble(const host_item& item) {
  if (item.kind == "ipv6")
    return "IPv6 is off on this host, and what needs it is left out: set "
           "net.ipv6.conf.all.disable_ipv6=0, and weft reload";
  if (item.kind == "dns")
    return "the DNS server " + printable(item.value)
           + " is missing: this host does not ask it (weft host up sets it "
             "again)";
  if (item.kind == "name")
    return "the interface is called " + printable(item.found)
           + ", and nothing that knows it by its name finds it, the lock "
             "neither: ip link set "
           + printable(item.found) + " name " + printable(item.value);
  const auto kind = item.kind == "mtu" ? "MTU" : printable(item.kind);
  if (item.found.empty())
    return "the " + kind + " " + printable(item.value) + " is missing";
  return "the " + kind + " is " + printable(item.found) + " instead of "
         + printable(item.value);
}

std::vector<std::string> host_lines(const std::vector<host_item>& items) {
  if (items.empty())
    return {};
  const auto in_place = std::ranges::count(items, true, &host_item::in_place);
  std::vector<std::string> lines{std::to_string(in_place) + " of "
                                 + std::to_string(items.size())
                                 + " things in place"};
  for (const auto& item : items)
    if (!item.in_place)
      lines.push_back(host_trouble(item));
  return lines;
}

} // namespace weft
