#include "tools/weft/view/host_text.hpp"

#include <algorithm>

namespace weft {

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
