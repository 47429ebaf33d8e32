// What the overlay has the host be: set at each change, compared whenever
// something changes there, and put back.
#include "actors/overlay/overlay.hpp"
#include "messages/errors.hpp"
#include "platform/source_marks.hpp"
#include "platform/tun_device.hpp"

#include <algorithm>
#include <utility>

namespace weft {

namespace {

bool is_link(const host_need& need) {
  return std::holds_alternative<link_is_up>(need);
}

/// How systemd-networkd, which takes such things away when it starts, is told
/// to leave them.
std::string_view hint_for(const host_need& need) {
  if (std::holds_alternative<routing_rule>(need))
    return " (systemd-networkd removes the rules of others unless "
           "networkd.conf has ManageForeignRoutingPolicyRules=no)";
  if (std::holds_alternative<host_route>(need))
    return " (systemd-networkd removes the routes of others unless "
           "networkd.conf has ManageForeignRoutes=no)";
  return {};
}

/// `the route 10.0.0.0/8, the MTU 1420 and 7 more`
std::string list_of(const std::vector<host_need>& needs) {
  constexpr std::size_t most = 4;
  std::string text;
  for (std::size_t i = 0; i < std::min(most, needs.size()); ++i)
    text += (i == 0 ? "" : ", ") + describe(needs[i]);
  if (needs.size() > most)
    text += " and " + std::to_string(needs.size() - most) + " more";
  return text;
}

} // namespace

// -- changes -----------------------------------------------------------------

bool overlay::is_full_tunnel_now() const {
  return is_full_tunnel(options_.config.interface, networks_);
}

bool overlay::leads_all_v4() const {
  return is_full_tunnel_now() && networks_.all.v4;
}

bool overlay::wants_mark(const interface_config& interface,
                         const peer_networks& networks) const {
  return locks_ || needs_mark(interface, networks);
}

std::uint32_t overlay::mark_in_force(std::uint32_t configured) const {
  // One that was chosen stays; in the place of one that was configured, the
  // host's step chooses another.
  const auto& interface = options_.config.interface;
  const bool is_chosen
    = interface.fwmark == 0 && wants_mark(interface, networks_);
  return configured == 0 && is_chosen ? fwmark_ : configured;
}

result<std::uint32_t> overlay::mark_for(const device_settings& to) const {
  const auto mark = mark_in_force(to.interface.fwmark);
  const bool is_needed = wants_mark(to.interface, to.networks);
  if (to.interface.fwmark != 0 || (is_needed && mark != 0))
    return mark;
  return is_needed ? resources_->host->find_mark() : 0U;
}

void overlay::note_mark(std::uint32_t mark) {
  fwmark_ = mark;
  *probe_mark_ = mark;
  follow_ways();
}

void overlay::follow_ways() {
  renew_lock();
  choose_way_of_names();
}

void overlay::choose_way_of_names() {
  const auto& interface = options_.config.interface;
  const bool beside = is_full_tunnel_now() || locks_;
  send(resolver_, lookup_way{beside, fwmark_, interface.dns});
}

std::function<bool(const ip_address&)> overlay::own_tunnel_probe() const {
  const auto index = resources_->tun ? resources_->tun->interface_index() : 0;
  if (index == 0)
    return {};
  // The registry, which may outlive this actor, is on the same loop.
  return [index, mark = probe_mark_](const ip_address& where) {
    const auto found = find_route(where, {}, *mark);
    return found && found->interface_index == index;
  };
}

void overlay::bear_mark(std::uint32_t mark,
                        const std::function<void(caf::error)>& go_on) {
  if (mark == fwmark_)
    return go_on({});
  auto here = options_.config.interface.listen;
  here.port = port_;
  rebind_lanes(
    {here, mark},
    [this, mark, go_on](std::uint16_t) {
      note_mark(mark);
      go_on({});
    },
    go_on);
}

void overlay::set_host(const device_settings& to, bool sets_link_up,
                       const host_answer& answer) {
  const auto mark = mark_for(to);
  if (!mark)
    return answer(tl::unexpected(mark.error()));
  const auto refuse = [](const host_answer& whom, const caf::error& reason) {
    whom(
      tl::unexpected(system_error{error_code(reason), error_message(reason)}));
  };
  // The sockets bear the mark before there are rules that look for it, and as
  // long as there are.
  const auto former = fwmark_;
  bear_mark(*mark == 0 ? former : *mark, [=, this](const caf::error& reason) {
    if (reason)
      return refuse(answer, reason);
    const plan_facts facts{resources_->host->place(), mtu_for(to), *mark};
    auto notes = resources_->host->change(
      make_plan(to.interface, to.networks, facts), sets_link_up);
    if (!notes)
      return bear_mark(former,
                       [answer, notes](const caf::error&) { answer(notes); });
    if (fwmark_ != former)
      notes->push_back("the tunnel's datagrams bear the firewall mark "
                       + std::to_string(fwmark_));
    const bool had_all_v4 = leads_all_v4();
    copy_host_part(to.interface, options_.config.interface);
    networks_ = to.networks;
    follow_ways();
    if (leads_all_v4() != had_all_v4)
      set_source_marks(*notes);
    set_mtu(facts.mtu);
    bear_mark(*mark, [answer, notes](const caf::error& stays) mutable {
      if (stays) // the host has changed, and nothing looks for the mark
        notes->push_back("the firewall mark stays: " + error_message(stays));
      answer(std::move(notes));
    });
  });
}

/// As `weft host up` does it for a node that starts so.
void overlay::set_source_marks(std::vector<std::string>& notes) {
  leave_source_marks();
  if (leads_all_v4())
    mark_links(find_loss({}, true, resources_->interface).links, notes);
}

/// Where /proc/sys is hidden, nothing is written, and that is no error.
void overlay::mark_links(const std::vector<std::string>& links,
                         std::vector<std::string>& notes) {
  for (const auto& link : links) {
    if (!set_source_mark(link, true) || !has_source_mark(link))
      continue;
    marked_links_.insert(link);
    notes.push_back("src_valid_mark of " + link
                    + " is set: its rp_filter is 1");
  }
}

void overlay::leave_source_marks() {
  for (const auto& link : std::exchange(marked_links_, {}))
    std::ignore = set_source_mark(link, false);
}

bool overlay::peers_concern_host(const device_update& update) const {
  // Nothing of the network's peers is led anywhere by their allowed IPs.
  if (!resources_->host || update.origin == peer_origin::network)
    return false;
  const auto concerns = [&](const patch<peer_config>& peer) {
    if (options_.config.interface.routes == route_mode::automatic
        || networks_.all.any())
      return may_change_networks(peer);
    const auto* all = peer.find(&peer_config::default_route);
    return all != nullptr && *all;
  };
  return update.replace_peers || std::ranges::any_of(update.peers, concerns);
}

void overlay::follow_peers() {
  const auto followed = [this](const result<std::vector<std::string>>& notes) {
    if (notes) {
      for (const auto& text : *notes)
        note(text);
    } else {
      options_.log->warn("{}", notes.error().message);
      note("the host stays as it is: " + notes.error().message);
    }
    finish_change({});
  };
  request(registry_, caf::infinite,
          networks_request{options_.config.interface.routes})
    .then(
      [this, followed](peer_networks& networks) {
        if (networks == networks_)
          return finish_change({});
        auto to = settings_in_force();
        to.networks = std::move(networks);
        set_host(to, false, followed);
      },
      [this](caf::error& reason) { finish_change(std::move(reason)); });
}

// -- what others change ------------------------------------------------------

void overlay::repair_host_soon() {
  if (resources_->host)
    repair_host_at(repair_limits_.next_look(loop().now()));
}

void overlay::repair_host_at(time_point when) {
  if (repair_later_ && repair_at_ <= when)
    return;
  call_off(repair_later_);
  repair_at_ = when;
  repair_later_ = call_at(when, [this] {
    repair_later_ = {};
    repair_host(false);
  });
}

void overlay::repair_host(bool by_order) {
  if (!resources_->host || !resources_->link || (!link_up_ && !by_order))
    return;
  const auto now = loop().now();
  if (by_order)
    repair_limits_.reset();
  repair_limits_.looked(now);
  const auto repair = resources_->host->put_back([&](const host_need& need) {
    return is_link(need) ? by_order : repair_limits_.due(need, now) <= now;
  });
  tell_repairs(repair, by_order);
  std::optional<time_point> next;
  for (const auto& need : repair.refused)
    if (!is_link(need))
      next = std::min(next.value_or(time_point::max()),
                      repair_limits_.due(need, now));
  if (next)
    repair_host_at(*next);
  if (!by_order) // who gives one has it looked at by itself
    look_at_helpers_part(false);
}

void overlay::tell_repairs(const host_repair& repair, bool by_order) {
  auto& log = *options_.log;
  const auto& name = resources_->interface;
  if (repair.failures != repair_failures_) {
    repair_failures_ = repair.failures;
    for (const auto& failure : repair_failures_)
      log.warn("{}", failure);
  }
  std::vector<host_need> left;
  constexpr std::size_t most_lines = 16;
  std::size_t lines = 0;
  for (const auto& need : repair.put_back) {
    if (lines++ < most_lines)
      log.warn("{} had lost {}: it was put back{}", name, describe(need),
               hint_for(need));
    if (repair_limits_.note(need, loop().now()) && !by_order)
      left.push_back(need);
  }
  if (lines > most_lines)
    log.warn("{} had lost {} more things: they were put back", name,
             lines - most_lines);
  if (!left.empty())
    log.warn(
      "another program changes {} again and again: if it takes away {} "
      "once more, that is left as it is for {} minutes, or until weft "
      "reload",
      name, list_of(left),
      std::chrono::duration_cast<std::chrono::minutes>(repair_limits::peace)
        .count());
}

// -- what is told ------------------------------------------------------------

void overlay::report_routes(device_status& status) const {
  constexpr std::size_t most_routes = 64;
  status.routes = options_.config.interface.cluster_networks;
  const auto add = [&](const ip_prefix& prefix) {
    if (status.routes.size() < most_routes
        && std::ranges::find(status.routes, prefix) == status.routes.end())
      status.routes.push_back(prefix);
  };
  std::ranges::for_each(prefixes_of(networks_.all), add);
  std::ranges::for_each(networks_.allowed, add);
}

void overlay::report_host(device_status& status) const {
  constexpr std::size_t most_items = 256;
  if (!resources_->host || !resources_->link)
    return;
  auto items = resources_->host->compare();
  if (!items)
    return;
  // What is not as it should be comes first, if there is no room for all.
  if (items->size() > most_items)
    std::stable_partition(items->begin(), items->end(),
                          [](const host_item& item) { return !item.in_place; });
  items->resize(std::min(items->size(), most_items));
  std::ranges::move(*items, std::back_inserter(status.host));
  std::ranges::move(compare_dns(options_.config.interface.dns),
                    std::back_inserter(status.host));
}

// -- what takes a helper -----------------------------------------------------

std::vector<std::string> overlay::look_at_helpers_part(bool by_order) {
  if (!resources_->host || !resources_->link)
    return {};
  auto& log = *options_.log;
  const auto find = [this] {
    return find_loss(options_.config.interface.dns, leads_all_v4(),
                     resources_->interface);
  };
  auto loss = find();
  std::vector<std::string> notes;
  if (!loss.links.empty() && !helper_.has_helper()) {
    mark_links(loss.links, notes);
    for (const auto& note : notes)
      log.info("{}", note);
    loss = find();
  }
  auto found = helper_.look(std::move(loss), loop().now(), by_order);
  for (auto& trouble : found.troubles) {
    log.warn("{}", trouble);
    notes.push_back(std::move(trouble));
  }
  if (found.is_back)
    log.info("{}", *found.is_back);
  return notes;
}

} // namespace weft
