#include "tools/weft/network/invitations.hpp"

#include "tools/weft/view/format.hpp"

#include <algorithm>

namespace weft {

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
