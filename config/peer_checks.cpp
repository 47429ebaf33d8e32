#include "config/peer_checks.hpp"

#include <algorithm>
#include <unordered_map>

namespace weft {

namespace {

struct placed_prefix {
  ip_prefix prefix;
  std::size_t peer = 0;
  text_place place;
};

class peer_checker {
public:
  peer_checker(const node_config& config,
               const std::vector<peer_places>& places,
               const std::function<std::string(std::size_t)>& label,
               const peer_complaint& complain)
    : config_(config), places_(places), label_(label), complain_(complain) {
  }

  void check_keys() const {
    const auto& own = config_.interface.private_key;
    const auto own_public
      = own.is_zero() ? public_key{} : derive_public_key(own);
    std::unordered_map<public_key, std::size_t> first_with;
    for (std::size_t i = 0; i < config_.peers.size(); ++i) {
      const auto& key = config_.peers[i].public_key;
      const auto place = places_[i].public_key;
      if (key.is_zero())
        continue;
      if (key == own_public)
        complain_(i, peer_part::public_key, place,
                  "this is the node's own key; a peer needs the public key of "
                  "another node");
      const auto [found, is_first] = first_with.emplace(key, i);
      if (!is_first)
        complain_(i, peer_part::public_key, place,
                  "the same key as " + where(found->second)
                    + "; one entry a peer is expected");
    }
  }

  void check_names() const {
    std::unordered_map<std::string, std::size_t, keyed_text_hash> first_with;
    for (std::size_t i = 0; i < config_.peers.size(); ++i) {
      const auto& name = config_.peers[i].name;
      if (name.empty())
        continue;
      const auto [found, is_first] = first_with.emplace(name, i);
      if (!is_first)
        complain_(i, peer_part::name, places_[i].name,
                  "the same name as " + where(found->second)
                    + "; a name that no other peer has is expected");
    }
  }

  void check_prefixes() const {
    std::vector<placed_prefix> all;
    for (std::size_t i = 0; i < config_.peers.size(); ++i) {
      const auto& prefixes = config_.peers[i].allowed_ips;
      for (std::size_t j = 0; j < prefixes.size(); ++j)
        all.push_back({prefixes[j], i, places_[i].allowed_ips[j]});
    }
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
      return a.prefix < b.prefix;
    });
    std::size_t first = 0;
    for (std::size_t i = 1; i < all.size(); ++i) {
      if (all[i].prefix != all[first].prefix)
        first = i;
      else
        complain_(all[i].peer, peer_part::allowed_ips, all[i].place,
                  to_string(all[i].prefix) + " belongs to "
                    + where(all[first].peer)
                    + " already; a prefix can lead to one peer only");
    }
  }

  /// Without a /0 of its own, one that all traffic goes to has both.
  void check_default_routes() const {
    std::optional<std::size_t> first;
    for (std::size_t i = 0; i < config_.peers.size(); ++i) {
      const auto& peer = config_.peers[i];
      if (!peer.default_route)
        continue;
      const auto place = places_[i].default_route;
      if (first)
        complain_(i, peer_part::default_route, place,
                  "all traffic goes to " + where(*first)
                    + " already; it can go to one peer only");
      else if (const auto other = other_with_all(i);
               other && !has_all(peer.allowed_ips))
        complain_(i, peer_part::default_route, place,
                  where(*other)
                    + " has an allowed IP of length 0, so that traffic goes "
                      "there; take it away there, or list what is to go to "
                      "this peer in allowed_ips");
      first = first.value_or(i);
    }
  }

private:
  static bool has_all(const std::vector<ip_prefix>& allowed) {
    return std::ranges::find(allowed, 0, &ip_prefix::length) != allowed.end();
  }

  std::optional<std::size_t> other_with_all(std::size_t peer) const {
    for (std::size_t i = 0; i < config_.peers.size(); ++i)
      if (i != peer && has_all(config_.peers[i].allowed_ips))
        return i;
    return std::nullopt;
  }

  std::string where(std::size_t peer) const {
    const auto line = places_[peer].public_key.line;
    return line == 0 ? label_(peer)
                     : label_(peer) + " in line " + std::to_string(line);
  }

  const node_config& config_;
  const std::vector<peer_places>& places_;
  const std::function<std::string(std::size_t)>& label_;
  const peer_complaint& complain_;
};

} // namespace

void check_peers(const node_config& config,
                 const std::vector<peer_places>& places,
                 const std::function<std::string(std::size_t)>& peer_label,
                 const peer_complaint& complain) {
  const peer_checker checker{config, places, peer_label, complain};
  checker.check_keys();
  checker.check_names();
  checker.check_prefixes();
  checker.check_default_routes();
}

} // namespace weft
