// A root and an issuer that sign, for tests of what members make of it.
#pragma once

#include "protocol/network/member_view.hpp"
#include "tests/protocol/network_support.hpp"

namespace weft::test {

inline constexpr std::chrono::hours a_day{24};

/// What a directory would hold.
struct signed_network {
  signing_seed issuer_seed = seed_of(1);
  verified_issuer issuer{some_issuer(), derive_verifying_key(issuer_seed),
                         noon - a_day, noon + a_day * 365};

  static signing_seed seed_of(std::uint64_t number) {
    deterministic_random random(3000 + number);
    return draw_signing_seed(random);
  }
  /// The key of a member's certificate.
  static signing_seed member_seed(std::uint64_t number) {
    return seed_of(1000 + number);
  }
  verified_certificate
  certificate(const member_contents& contents, std::uint64_t number) const {
    return {contents, derive_verifying_key(member_seed(number)),
            issuer.contents.name, noon - std::chrono::minutes(10),
            noon + a_day * 90};
  }
  verified_certificate certificate(std::uint64_t number) const {
    return certificate(some_member(number), number);
  }
  member_record record(std::uint64_t number, record_order order,
                       const std::string& at) const {
    return member_record::make(some_root().network, some_member(number).id,
                               order,
                               {{{parse_endpoint(at).value(), {}}}, false, 1},
                               member_seed(number));
  }
  signed_bytes list(std::uint64_t number, const std::set<member_id>& removed,
                    network_time issued = noon) const {
    return sign_bytes(issuer_seed, encode(revocation_list{
                                     some_root().network, issuer.contents.name,
                                     number, issued, removed}));
  }
};

/// The view of the member of a number, which knows root and issuer.
inline member_view view_of(std::uint64_t number, const signed_network& network,
                           view_marks kept = {}) {
  const auto self = some_member(number);
  member_view view({some_root(), self.id, self.key, {}}, std::move(kept));
  view.add_issuer(network.issuer).value();
  return view;
}

/// `-name ~name +name`, by kind and then by name.  Throws if they do not come
/// by kind, so that a key or a prefix could be two peers' at once.
inline std::string
describe(const std::vector<peer_change>& changes, const member_view& view) {
  std::vector<std::pair<std::size_t, std::string>> words;
  for (const auto& change : changes) {
    if (!words.empty() && change.index() < words.back().first)
      throw std::logic_error("changes in a wrong order");
    const auto* removed = std::get_if<peer_removed>(&change);
    const auto* changed = std::get_if<peer_changed>(&change);
    if (removed != nullptr)
      words.emplace_back(
        0, '-' + view.members().at(removed->id).certificate.contents.name);
    else if (changed != nullptr)
      words.emplace_back(1, '~' + changed->peer.name);
    else
      words.emplace_back(2, '+' + std::get<peer_added>(change).peer.name);
  }
  std::sort(words.begin(), words.end());
  std::string text;
  for (const auto& [kind, word] : words)
    text += (text.empty() ? "" : " ") + word;
  return text;
}

} // namespace weft::test
