#include "config/yaml_places.hpp"

#include "config/strings.hpp"

namespace weft {

namespace {

const yaml_node*
entry_of(const yaml_tree& tree, const yaml_node& map, std::string_view key) {
  for (const auto& [its_key, value] : tree.entries(map))
    if (its_key.text == key)
      return &value;
  return nullptr;
}

const yaml_node*
item_of(const yaml_tree& tree, const yaml_node& list, std::uint64_t index) {
  if (list.kind != yaml_kind::sequence)
    return nullptr;
  const auto* item = tree.first_child(list);
  for (; item != nullptr && index > 0; --index)
    item = tree.next(*item);
  return item;
}

/// Takes `key` or `[3]` from the beginning.
std::string_view next_part(std::string_view& field) {
  const auto end = field.find_first_of(".[", 1);
  const auto part = field.substr(0, end);
  field.remove_prefix(part.size());
  if (field.starts_with('.'))
    field.remove_prefix(1);
  return part;
}

} // namespace

text_place place_of(const yaml_tree& tree, std::string_view field) {
  const auto* here = tree.root();
  if (here == nullptr)
    return {};
  auto place = here->place;
  while (!field.empty()) {
    auto part = next_part(field);
    const yaml_node* below = nullptr;
    if (part.starts_with('[')) {
      part = part.substr(1, part.size() - 2);
      const auto index = strings::parse_decimal(part, yaml_tree::max_nodes);
      below = index ? item_of(tree, *here, *index) : nullptr;
    } else {
      below = entry_of(tree, *here, part);
    }
    if (below == nullptr)
      break;
    here = below;
    place = here->place;
  }
  return place;
}

} // namespace weft
