#include "actors/host/helper_watch.hpp"

#include "actors/host/repair_limits.hpp"
#include "platform/name_servers.hpp"
#include "platform/source_marks.hpp"
#include "protocol/base/ip.hpp"

#include <algorithm>
#include <utility>

namespace weft {

namespace {

std::string joined(const std::vector<std::string>& all) {
  std::string text;
  for (const auto& each : all)
    text += (text.empty() ? "" : ", ") + each;
  return text;
}

} // namespace

std::vector<host_item> compare_dns(const std::vector<std::string>& wanted) {
  std::vector<host_item> items;
  if (wanted.empty())
    return items;
  const auto asked = name_servers_in_force();
  if (!asked)
    return items;
  for (const auto& entry : wanted) {
    const auto server = parse_ip_address(entry);
    if (!server) // a domain
      continue;
    const bool in_place = std::ranges::any_of(*asked, [&](const auto& each) {
      return parse_ip_address(each) == server;
    });
    items.push_back({"dns", entry, in_place, {}});
  }
  return items;
}

helper_loss find_loss(const std::vector<std::string>& dns, bool marks_links,
                      const std::string& interface) {
  helper_loss loss;
  for (auto& item : compare_dns(dns))
    if (!item.in_place)
      loss.servers.push_back(std::move(item.value));
  if (!marks_links)
    return loss;
  loss.links = find_strict_links(interface);
  loss.links_seen = sees_source_marks();
  std::erase_if(loss.links, has_source_mark);
  return loss;
}

helper_watch::outcome
helper_watch::look(helper_loss loss, time_point now, bool by_order) {
  outcome found;
  auto& unseen = marked_unseen_;
  if (!loss.links_seen) {
    // What comes back under the name of one that has gone is another link.
    std::erase_if(unseen, [&](const auto& link) {
      return std::ranges::find(loss.links, link) == loss.links.end();
    });
    std::erase_if(loss.links,
                  [&](const auto& link) { return unseen.contains(link); });
  }
  if (loss.servers.empty() && loss.links.empty()) {
    had_all_ = true;
    lost_since_.reset();
    if (!std::exchange(told_, {}).empty())
      found.is_back
        = "all that weft host has set for " + interface_ + " is in place again";
    return found;
  }
  if (!lost_since_)
    lost_since_ = now;
  if (!by_order && !had_all_ && now - *lost_since_ < on_its_way)
    return found;
  if (asked_ && now - *asked_ < patience) {
    if (by_order)
      found.troubles = told_;
    return found;
  }
  const bool asked = ask(now, by_order);
  std::string remedy = asked ? "weft host is asked to set it again" : "";
  if (asked && times_asked_ == repair_limits::most_repairs)
    remedy += ", for the last time within "
              + std::to_string(std::chrono::duration_cast<std::chrono::minutes>(
                                 repair_limits::peace)
                                 .count())
              + " minutes, unless there is a weft reload";
  // Who has asked, or has nobody to ask, says it once: it is not seen later.
  const bool is_over = !loss.links_seen && (asked || !has_helper());
  if (is_over)
    unseen.insert(loss.links.begin(), loss.links.end());
  auto troubles = sentences(loss, remedy);
  if (asked || by_order || troubles != told_)
    found.troubles = troubles;
  if (is_over && !loss.links.empty())
    troubles.pop_back(); // whether it is back will not be seen
  told_ = std::move(troubles);
  return found;
}

bool helper_watch::ask(time_point now, bool by_order) {
  if (!ask_)
    return false;
  if (by_order || (asked_ && now - *asked_ >= repair_limits::peace))
    times_asked_ = 0;
  if (times_asked_ == repair_limits::most_repairs)
    return false;
  ++times_asked_;
  asked_ = now;
  ask_();
  return true;
}

std::vector<std::string>
helper_watch::sentences(const helper_loss& loss,
                        const std::string& remedy) const {
  std::vector<std::string> all;
  if (!loss.servers.empty())
    all.push_back("the DNS servers " + joined(loss.servers) + " of "
                  + interface_ + " are missing: this host does not ask them; "
                  + (remedy.empty() ? "weft host up sets them again" : remedy));
  if (!loss.links.empty())
    all.push_back(
      "answers to the tunnel's own packets are dropped by " + joined(loss.links)
      + ", whose rp_filter is 1, unless src_valid_mark is set "
        "there: "
      + (remedy.empty() ? "restart the node, which sets it" : remedy));
  return all;
}

} // namespace weft
