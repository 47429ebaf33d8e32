#include "tools/weft/view/offload_text.hpp"

#include "tools/weft/view/format.hpp"
#include "tools/weft/view/json_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace weft {

std::vector<std::string> offload_items(const std::vector<offload_use>& all) {
  std::vector<std::string> items;
  for (const auto& one : all) {
    auto item = (one.in_use ? "" : "no ") + printable(one.name);
    if (!one.reason.empty())
      item += ": " + printable(one.reason);
    items.push_back(std::move(item));
  }
  return items;
}

nlohmann::ordered_json offloads_json(const std::vector<offload_use>& all) {
  auto out = nlohmann::ordered_json::object();
  for (const auto& one : all)
    out[one.name]
      = {{"in_use", one.in_use}, {"reason", null_if_empty(one.reason)}};
  return out;
}

std::string format_offloads(const std::vector<offload_use>& all) {
  std::size_t width = 0;
  for (const auto& one : all)
    width = std::max(width, display_width(printable(one.name)));
  std::string text;
  for (const auto& one : all) {
    const auto name = printable(one.name);
    text += name + std::string(width - display_width(name) + 2, ' ')
            + (one.in_use ? "in use" : "not in use");
    if (!one.reason.empty())
      text += ": " + printable(one.reason);
    text += '\n';
  }
  return text;
}

} // namespace weft
