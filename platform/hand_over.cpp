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

} // namespace weft
