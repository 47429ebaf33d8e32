#include "tools/weft/network/invitations.hpp"

#include "config/strings.hpp"
#include "tools/weft/view/format.hpp"

#include <algorithm>

namespace weft {

std::optional<std::chrono::seconds> parse_span(std::string_view text) {
  constexpr std::uint64_t longest = std::uint64_t{3650} * 24 * 3600;
  if (text.size() < 2)
    return std::nullopt;
  std::uint64_t unit = 0;
  switch (text.back()) {
    case 's':
      unit = 1;
      break;
    case 'm':
      unit = 60;
      break;
    case 'h':
      unit = 3600;
      break;
    case 'd':
      unit = std::uint64_t{24} * 3600;
      break;
    default:
      return std::nullopt;
  }
  text.remove_suffix(1);
  const auto count = strings::parse_decimal(text, longest / unit);
  if (!count || *count == 0)
    return std::nullopt;
  return std::chrono::seconds{*count * unit};
}

outcome<invitation>
invitation_of(const network_options& options, const network_id& network,
              const verifying_key& token) {
  invitation terms;
  terms.network = network;
  terms.token = token;
  terms.uses = options.uses;
  terms.until = network_now() + options.expires;
  terms.groups = {options.groups.begin(), options.groups.end()};
  if (!options.name.empty())
    terms.name = options.name;
  for (const auto& text : options.prefixes) {
    const auto prefix = parse_ip_prefix(text);
    if (!prefix)
      return tl::unexpected(mistake("'" + printable(text)
                                    + "' is no prefix; one such as "
                                      "10.200.7.0/24 is expected"));
    terms.prefixes.push_back(*prefix);
  }
  std::sort(terms.prefixes.begin(), terms.prefixes.end());
  if (const auto wrong = find_mistake(terms))
    return tl::unexpected(mistake(wrong->what));
  return terms;
}

} // namespace weft
