#include "config/foresight.hpp"

#include "config/fields.hpp"
#include "config/sorted.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace weft {

namespace {

std::string label_of(const peer_config& peer) {
  return peer.name.empty() ? "peer " + to_string(peer.public_key)
                           : "peer '" + peer.name + "'";
}

/// `+10.0.0.0/24 -10.0.1.0/24`
std::string list_change(const prefix_list& from, const prefix_list& to) {
  std::string text;
  const auto tell
    = [&](const prefix_list& all, const prefix_list& others, char sign) {
        for (const auto& prefix : all) {
          if (std::find(others.begin(), others.end(), prefix) == others.end())
            text += (text.empty() ? "" : " ") + std::string{sign}
                    + to_string(prefix);
        }
      };
  tell(to, from, '+');
  tell(from, to, '-');
  return text.empty() ? "another order" : text;
}

template <class Section, class Value>
std::string value_change(const field<Section, Value>& row, const Value& from,
                         const Value& to) {
  if constexpr (is_secret_key<Value>) {
    return from.is_zero() ? "is set" : to.is_zero() ? "is removed" : "changes";
  } else if constexpr (std::is_same_v<Value, prefix_list>) {
    return list_change(from, to);
  } else {
    const auto text = [&](const Value& value) {
      const auto printed = row.print(value);
      return printed.empty() ? "none" : printed + std::string{row.unit};
    };
    return text(from) + " -> " + text(to);
  }
}

class foresight {
public:
  foreseen_changes between(const node_config& from, const node_config& to) {
    interface(from.interface, to.interface);
    peers(from.peers, to.peers);
    if (from.log.level != to.log.level)
      say("log.level: " + std::string{to_string(from.log.level)} + " -> "
          + std::string{to_string(to.log.level)});
    if (from.log.format != to.log.format)
      say("log.format: stays as it is until weftd is restarted");
    for (auto& sentence : describe_change(from.offloads, to.offloads))
      say(std::move(sentence));
    if (unsaid_ > 0)
      result_.sentences.push_back("and " + std::to_string(unsaid_) + " more");
    return std::move(result_);
  }

private:
  void interface(const interface_config& from, const interface_config& to) {
    for_each_field<interface_config>([&](const auto& row, auto) {
      if (from.*row.member == to.*row.member)
        return;
      const auto key = "interface." + std::string{row.name} + ": ";
      if (row.while_running)
        say(key + value_change(row, from.*row.member, to.*row.member));
      else
        say(key + "stays as it is until weftd is restarted");
    });
  }

  void peers(const std::vector<peer_config>& from,
             const std::vector<peer_config>& to) {
    std::unordered_map<public_key, const peer_config*> before;
    for (const auto& peer : from)
      before.emplace(peer.public_key, &peer);
    std::unordered_set<public_key> after;
    for (const auto& peer : to)
      after.insert(peer.public_key);
    for (const auto& peer : from) {
      if (after.contains(peer.public_key))
        continue;
      ++result_.peers_removed;
      say(label_of(peer) + ": is removed");
    }
    for (const auto& peer : to) {
      const auto known = before.find(peer.public_key);
      if (known == before.end()) {
        ++result_.peers_added;
        say(label_of(peer) + ": is added");
      } else if (one_peer(*known->second, peer)) {
        ++result_.peers_changed;
      }
    }
  }

  bool one_peer(const peer_config& from, const peer_config& to) {
    bool any = false;
    for_each_field<peer_config>([&](const auto& row, auto) {
      const auto& before = from.*row.member;
      const auto& after = to.*row.member;
      if constexpr (std::is_same_v<value_of<decltype(row)>, prefix_list>) {
        if (sorted(before) == sorted(after))
          return;
      } else if (before == after) {
        return;
      }
      any = true;
      say(label_of(to) + ": " + std::string{row.name} + ": "
          + value_change(row, before, after));
    });
    return any;
  }

  void say(std::string sentence) {
    if (result_.sentences.size() < foreseen_changes::most_sentences)
      result_.sentences.push_back(std::move(sentence));
    else
      ++unsaid_;
  }

  foreseen_changes result_;
  std::size_t unsaid_ = 0;
};

} // namespace

foreseen_changes
foresee_changes(const node_config& from, const node_config& to) {
  return foresight{}.between(from, to);
}

std::vector<std::string>
describe_change(const offload_config& from, const offload_config& to) {
  std::vector<std::string> sentences;
  for (const auto& [name, mode, doubtful] : all_offloads) {
    if (from.*mode != to.*mode)
      sentences.push_back("offloads." + std::string{name} + ": "
                          + std::string{to_string(from.*mode)} + " -> "
                          + std::string{to_string(to.*mode)});
  }
  return sentences;
}

} // namespace weft
