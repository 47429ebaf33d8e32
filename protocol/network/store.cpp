#include "protocol/network/store.hpp"

#include <algorithm>

namespace weft {

namespace {

std::size_t size_of(const store_change& change) {
  std::size_t size = 0;
  for (const auto& write : change.writes)
    size += write.key.size() + (write.value ? write.value->size() : 0);
  return size;
}

bool names_a_key_twice(const std::vector<store_write>& writes) {
  std::vector<std::string> keys;
  keys.reserve(writes.size());
  for (const auto& write : writes)
    keys.push_back(write.key);
  std::sort(keys.begin(), keys.end());
  return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
}

} // namespace

bool is_store_key(const std::string& key) {
  return !key.empty() && key.size() <= longest_store_key;
}

std::string end_of_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff')
    prefix.pop_back();
  if (!prefix.empty())
    ++prefix.back();
  return prefix;
}

std::optional<store_error> mistake_in(const store_change& change) {
  const auto mistake = [](std::string what) {
    return store_error{store_failure::out_of_bounds,
                       "A change of the store " + std::move(what)};
  };
  if (change.writes.empty() || change.writes.size() > most_store_writes)
    return mistake("must have 1-" + std::to_string(most_store_writes)
                   + " writes");
  if (change.conditions.size() > most_store_conditions)
    return mistake("must not have more than "
                   + std::to_string(most_store_conditions) + " conditions");
  const auto has_key = [](const auto& part) { return is_store_key(part.key); };
  if (!std::all_of(change.writes.begin(), change.writes.end(), has_key)
      || !std::all_of(change.conditions.begin(), change.conditions.end(),
                      has_key))
    return mistake("has a key that is empty or longer than "
                   + std::to_string(longest_store_key) + " bytes");
  if (names_a_key_twice(change.writes))
    return mistake("writes one entry twice");
  for (const auto& write : change.writes) {
    if (write.value && write.value->size() > largest_store_value)
      return mistake("has a value of more than "
                     + std::to_string(largest_store_value) + " bytes");
  }
  if (size_of(change) > largest_store_change)
    return mistake("has more than " + std::to_string(largest_store_change)
                   + " bytes");
  return std::nullopt;
}

std::optional<store_error> mistake_in(const store_range& range) {
  const auto mistake = [](std::string what) {
    return store_error{store_failure::out_of_bounds,
                       "A list of the store " + std::move(what)};
  };
  if (std::max(range.prefix.size(), range.after.size()) > longest_store_key)
    return mistake("begins with more than " + std::to_string(longest_store_key)
                   + " bytes");
  if (!range.after.empty() && !range.after.starts_with(range.prefix))
    return mistake("goes on after a key that it does not have");
  return std::nullopt;
}

} // namespace weft
