// A store in memory for simulated directories: all that was ever written, at
// its revision.
#pragma once

#include "protocol/network/store.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace weft::test {

class memory_store {
public:
  store_id id{};

  store_revision revision() const {
    return revision_;
  }
  store_page list(const store_range& range) const {
    store_page page;
    page.at = range.at == 0 ? revision_ : range.at;
    for (auto each = versions_.upper_bound(range.after);
         each != versions_.end(); ++each) {
      const auto* version = version_at(each->second, page.at);
      if (!each->first.starts_with(range.prefix) || version == nullptr
          || !version->value)
        continue;
      if (page.entries.size() == range.most) {
        page.more = true;
        break;
      }
      page.entries.push_back({each->first, *version->value, version->at});
    }
    return page;
  }
  /// Once for each request, however often it is asked for.
  change_outcome change(const store_change& change) {
    const auto known = outcomes_.find(change.request);
    if (known != outcomes_.end())
      return known->second;
    const bool holds = std::all_of(
      change.conditions.begin(), change.conditions.end(),
      [&](const auto& each) { return changed(each.key) == each.changed; });
    if (!holds)
      return {false, revision_};
    ++revision_;
    for (const auto& each : change.writes) {
      versions_[each.key].push_back({revision_, each.value});
      events_.push_back({revision_, each.key, each.value});
    }
    const change_outcome outcome{true, revision_};
    outcomes_.emplace(change.request, outcome);
    return outcome;
  }
  /// What happened from that revision on.
  store_news since(store_revision from) const {
    store_news news;
    const auto first
      = std::partition_point(events_.begin(), events_.end(),
                             [&](const auto& each) { return each.at < from; });
    news.events.assign(first, events_.end());
    news.through = revision_;
    return news;
  }

private:
  struct stored {
    store_revision at = 0;
    std::optional<std::string> value;
  };

  static const stored*
  version_at(const std::vector<stored>& all, store_revision at) {
    const stored* found = nullptr;
    for (const auto& each : all) {
      if (each.at <= at)
        found = &each;
    }
    return found;
  }
  store_revision changed(const std::string& key) const {
    const auto found = versions_.find(key);
    if (found == versions_.end() || !found->second.back().value)
      return 0;
    return found->second.back().at;
  }

  store_revision revision_ = 0;
  std::map<std::string, std::vector<stored>> versions_;
  std::vector<store_event> events_;
  std::map<request_id, change_outcome> outcomes_;
};

} // namespace weft::test
