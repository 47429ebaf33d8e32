#include "protocol/network/terms.hpp"

#include "protocol/network/ranges.hpp"

namespace weft::terms {

std::uint64_t seconds(network_time when) {
  return static_cast<std::uint64_t>(when.time_since_epoch().count());
}

cbor::value write(std::span<const ip_prefix> prefixes) {
  auto list = cbor::value::array();
  for (const auto& prefix : prefixes)
    list.push_back(to_string(prefix));
  return list;
}

std::vector<ip_prefix> read_prefixes(cbor::fields& from, const char* name) {
  std::vector<ip_prefix> prefixes;
  for (const auto& each : from.list(name, most_prefixes)) {
    const auto* text = each.get_ptr<const std::string*>();
    const auto prefix = text != nullptr ? parse_ip_prefix(*text) : std::nullopt;
    if (!prefix || to_string(*prefix) != *text) {
      from.fail(name, "has something that is no prefix");
      return {};
    }
    prefixes.push_back(*prefix);
  }
  return prefixes;
}

std::set<std::string>
read_words(cbor::fields& from, const char* name, std::size_t most) {
  std::set<std::string> words;
  for (const auto& each : from.list(name, most)) {
    const auto* text = each.get_ptr<const std::string*>();
    if (text == nullptr || !is_network_word(*text)
        || !words.insert(*text).second) {
      from.fail(name, "has something that is no word of its own");
      return {};
    }
  }
  return words;
}

void read_context(cbor::fields& from, std::string_view context) {
  if (from.text("!what", context.size()) != context)
    from.fail("!what", "is not '" + std::string{context} + "'");
}

} // namespace weft::terms
