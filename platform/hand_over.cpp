#include "platform/hand_over.hpp"

#include <algorithm>

namespace weft {

bool is_descriptor_name(std::string_view name) {
  constexpr std::size_t longest = 64;
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= longest
         && std::all_of(name.begin(), name.end(), fits);
}

file_descriptor
take(std::vector<named_descriptor>& from, std::string_view name) {
  const auto found = std::ranges::find(from, name, &named_descriptor::name);
  if (found == from.end())
    return {};
  auto taken = std::move(found->descriptor);
  from.erase(found);
  return taken;
}

} // namespace weft
