#include "actors/host/host_keeper.hpp"

#include "config/interface_checks.hpp"
#include "platform/ipv6.hpp"
#include "platform/links.hpp"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <set>
#include <tuple>

namespace weft {

namespace {

result<void> only_error(result<bool> done) {
  if (!done)
    return tl::unexpected(std::move(done.error()));
  return {};
}

/// Whether it is that, or can only be had with it.
bool needs_link_up(const host_need& need) {
  const auto* route = std::get_if<host_route>(&need);
  return std::holds_alternative<link_is_up>(need)
         || (route != nullptr && !route->unreachable);
}

/// All but the link itself.
bool is_not_link(const host_need& need) {
  return !std::holds_alternative<link_is_up>(need);
}

/// Whether it stays when the interface goes.
bool outlives_interface(const host_need& need) {
  const auto* route = std::get_if<host_route>(&need);
  return std::holds_alternative<routing_rule>(need)
         || (route != nullptr && route->unreachable);
}

/// Whether they are routes into the interface, and not too many to be dealt
/// with one by one.
bool are_few_routes(const host_plan& needs) {
  constexpr std::size_t most = 64;
  return needs.size() <= most
         && std::ranges::all_of(needs, [](const host_need& need) {
              const auto* route = std::get_if<host_route>(&need);
              return route != nullptr && !route->unreachable;
            });
}

bool has_rules(const host_plan& plan) {
  return std::ranges::any_of(plan, [](const host_need& need) {
    return std::holds_alternative<routing_rule>(need);
  });
}

/// Whether the interface can have it only with IPv6.
bool needs_ipv6(const host_need& need) {
  if (const auto* own = std::get_if<own_address>(&need))
    return !own->address.address.is_v4();
  const auto* route = std::get_if<host_route>(&need);
  return route != nullptr && !route->unreachable
         && !route->network.address.is_v4();
}

/// Or will have it once its MTU is right, which comes first.
bool has_ipv6(int interface_index) {
  const auto state = ipv6_of(interface_index);
  if (!state || *state != ipv6_state::off)
    return !state || *state == ipv6_state::on;
  const auto link = find_link(interface_index);
  return link && link->mtu < least_ipv6_mtu;
}

std::string without_ipv6(int interface_index) {
  const auto link = find_link(interface_index);
  const auto name = link ? link->name : "NAME";
  return "IPv6 is off on this host, and the IPv6 addresses and routes of "
         + name + " are left out: set net.ipv6.conf." + name
         + ".disable_ipv6=0, and weft reload";
}

/// What leads all traffic of IPv6.
bool is_all_of_ipv6(const host_need& need) {
  if (const auto* rule = std::get_if<routing_rule>(&need))
    return rule->family == ip_family::v6;
  const auto* route = std::get_if<host_route>(&need);
  return route != nullptr && route->network.length == 0
         && !route->network.address.is_v4();
}

/// Has all of IPv6 lead nowhere: what an interface without it cannot carry is
/// not to leave beside it.  False: the plan leads none.
bool refuse_ipv6(host_plan& plan) {
  const auto leads = [](const host_need& need) {
    const auto* route = std::get_if<host_route>(&need);
    return route != nullptr && !route->unreachable && is_all_of_ipv6(need);
  };
  const auto way = std::ranges::find_if(plan, leads);
  if (way == plan.end())
    return false;
  const auto& route = std::get<host_route>(*way);
  const host_need refusal
    = host_route{route.network, route.table, last_metric, true};
  if (std::ranges::find(plan, refusal) == plan.end())
    *way = refusal;
  std::erase_if(plan, leads);
  return true;
}

/// Of very many sentences, the first ones.
void shorten(std::vector<std::string>& notes) {
  constexpr std::size_t most = 64;
  if (notes.size() <= most)
    return;
  const auto rest = notes.size() - most;
  notes.resize(most);
  notes.push_back("and " + std::to_string(rest) + " more changes of the host");
}

std::string mtu_of(const host_plan& plan) {
  const auto found = std::ranges::find_if(plan, [](const host_need& need) {
    return std::holds_alternative<link_mtu>(need);
  });
  return found == plan.end() ? "none" : text_of(*found);
}

/// What a rule of another full tunnel means for the host.
std::string note_of(const rival& other) {
  auto text = "another node leads all traffic into its tunnel as well ("
              + to_string(other.rule) + "): ";
  if (other.is_in_the_way)
    return text
           + "its datagrams and this node's go into each other's tunnel: leave "
             "interface.fwmark out of both files";
  return text
         + (other.comes_first
              ? "as its rule comes first, all goes there until it ends"
              : "as this node's rule comes first, all goes here until it ends");
}

/// Of an item that the configuration asks for now, or no more.
std::string note_of(const host_need& need, const std::string& what) {
  if (std::holds_alternative<own_address>(need))
    return "interface.addresses: " + text_of(need) + " " + what;
  return std::string{kind_of(need)} + " " + text_of(need) + " " + what;
}

/// What is not in the `former` plan.
std::string note_of_new(const host_need& need, const host_plan& former) {
  if (std::holds_alternative<link_mtu>(need))
    return "interface.mtu: " + mtu_of(former) + " -> " + text_of(need);
  return note_of(need, "added");
}

} // namespace

/// Steps that are taken back if a later one fails.
class host_keeper::transaction {
public:
  using step = std::function<result<void>()>;

  void add(std::string note, step forward, step back) {
    steps_.push_back({std::move(note), std::move(forward), std::move(back)});
  }

  result<std::vector<std::string>> run() const {
    std::vector<std::string> notes;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (auto done = steps_[i].forward(); !done) {
        while (i-- > 0)
          std::ignore = steps_[i].back();
        return tl::unexpected(done.error());
      }
      notes.push_back(steps_[i].note);
    }
    return notes;
  }

private:
  struct entry {
    std::string note;
    step forward;
    step back;
  };
  std::vector<entry> steps_;
};

result<std::unique_ptr<host_keeper>>
host_keeper::open(int interface_index, const std::string& interface,
                  bool goes_on) {
  auto network = network_configurator::open();
  if (!network)
    return tl::unexpected(network.error());
  std::unique_ptr<host_keeper> keeper{
    new host_keeper(interface_index, std::move(*network))};
  if (auto link = find_link(interface_index))
    keeper->name_ = std::move(link->name);
  const auto rules = keeper->network_.rules();
  if (!rules)
    return tl::unexpected(rules.error());
  keeper->place_ = place_of(interface, *rules);
  if (goes_on)
    return keeper;
  if (auto done = keeper->sweep(keeper->place_, *rules); !done)
    return tl::unexpected(done.error());
  return keeper;
}

host_keeper::~host_keeper() {
  let_go();
}

result<void> host_keeper::sweep(const rule_place& place,
                                const std::vector<routing_rule>& present) {
  auto routes = network_.unreachable_routes(place.table);
  if (!routes)
    return tl::unexpected(routes.error());
  host_plan left;
  for (const auto& rule : rules_of(place, present))
    left.emplace_back(rule);
  for (const auto& route : *routes)
    left.emplace_back(route);
  for (const auto& need : left) {
    if (auto done = unmake(need, {}); !done)
      return done;
    leftovers_.push_back(describe(need));
  }
  return {};
}

result<std::uint32_t> host_keeper::find_mark() {
  auto rules = network_.rules();
  if (!rules)
    return tl::unexpected(rules.error());
  const auto own = rules_of(place_, *rules);
  std::erase_if(*rules, [&](const routing_rule& rule) {
    return std::ranges::find(own, rule) != own.end();
  });
  if (const auto mark = choose_mark(place_, *rules); mark != 0)
    return mark;
  return tl::unexpected(system_error{
    EBUSY, "Of every sixteen firewall marks from 0x10 to 0x7f one is in use by "
           "a rule (ip rule show): set interface.fwmark"});
}

result<host_state> host_keeper::read(const host_plan& plan) {
  host_state state;
  const auto link = network_.link(index_);
  if (!link)
    return tl::unexpected(link.error());
  state.mtu = link->mtu;
  state.is_up = link->up;
  auto addresses = network_.addresses(index_);
  if (!addresses)
    return tl::unexpected(addresses.error());
  state.addresses = std::move(*addresses);
  for (const auto table : tables_of(plan)) {
    auto routes = network_.routes(index_, table);
    if (routes && table == place_.table) {
      const auto nowhere = network_.unreachable_routes(table);
      if (!nowhere)
        return tl::unexpected(nowhere.error());
      routes->insert(routes->end(), nowhere->begin(), nowhere->end());
    }
    if (!routes)
      return tl::unexpected(routes.error());
    state.routes.insert(state.routes.end(), routes->begin(), routes->end());
  }
  if (has_rules(plan)) {
    auto rules = network_.rules();
    if (!rules)
      return tl::unexpected(rules.error());
    state.rules = std::move(*rules);
  }
  state.sort();
  return state;
}

result<bool> host_keeper::make(const host_need& need) {
  if (const auto* mtu = std::get_if<link_mtu>(&need))
    return network_.set_mtu(index_, mtu->bytes).map([] { return true; });
  if (std::holds_alternative<link_is_up>(need))
    return network_.set_up(index_, true).map([] { return true; });
  if (const auto* own = std::get_if<own_address>(&need))
    return network_.add_address(index_, own->address);
  if (const auto* route = std::get_if<host_route>(&need))
    return network_.add_route(index_, *route);
  return network_.add_rule(std::get<routing_rule>(need));
}

result<void>
host_keeper::unmake(const host_need& need, const host_state& before) {
  if (std::holds_alternative<link_mtu>(need))
    return network_.set_mtu(index_, before.mtu);
  if (std::holds_alternative<link_is_up>(need))
    return network_.set_up(index_, before.is_up);
  if (const auto* own = std::get_if<own_address>(&need))
    return network_.remove_address(index_, own->address);
  if (const auto* route = std::get_if<host_route>(&need))
    return network_.remove_route(index_, *route);
  return network_.remove_rule(std::get<routing_rule>(need));
}

result<std::vector<std::string>>
host_keeper::change(host_plan to, bool sets_link_up) {
  const auto ipv6 = ipv6_of(index_);
  if (!ipv6)
    return tl::unexpected(ipv6.error());
  if (*ipv6 == ipv6_state::absent) // `default_route` means what there is
    std::erase_if(to, is_all_of_ipv6);
  const bool refuses_ipv6 = *ipv6 == ipv6_state::off && refuse_ipv6(to);
  const bool leaves_out_ipv6 = !has_ipv6(index_);
  const auto added = without(to, plan_);
  auto surplus = without(plan_, to);
  if (!sets_link_up && !leaves_out_ipv6 && are_few_routes(added)
      && are_few_routes(surplus))
    return change_routes(std::move(to), added, surplus);
  auto all = to;
  all.insert(all.end(), plan_.begin(), plan_.end());
  auto before = read(all);
  if (!before)
    return tl::unexpected(before.error());
  transaction changes;
  const std::set<host_need> known{plan_.begin(), plan_.end()};
  // What is new comes first, so that there is always an address.
  for (const auto& need : to) {
    if (!lacks(*before, need) || (leaves_out_ipv6 && needs_ipv6(need))
        || (!sets_link_up && needs_link_up(need) && !before->is_up))
      continue;
    changes.add(
      known.contains(need) ? describe(need) + " was put back"
                           : note_of_new(need, plan_),
      [this, need] { return only_error(make(need)); },
      [this, need, &before] { return unmake(need, *before); });
  }
  std::ranges::reverse(surplus);
  for (const auto& need : surplus) {
    if (std::holds_alternative<link_mtu>(need))
      continue; // it has another value now
    if (needs_ipv6(need) && lacks(*before, need))
      continue; // there was no IPv6 for it
    changes.add(
      note_of(need, "removed"),
      [this, need, &before] { return unmake(need, *before); },
      [this, need] { return only_error(make(need)); });
  }
  auto notes = changes.run();
  // With an address the kernel removes those of the same network that were
  // added after it, and the routes that came with it.
  if (!notes) {
    put_back(is_not_link);
    return notes;
  }
  plan_ = std::move(to);
  shorten(*notes);
  for (const auto& other : rivals_of(added, before->rules))
    notes->push_back(std::string{trouble} + note_of(other));
  if (refuses_ipv6)
    notes->push_back(std::string{trouble}
                     + "it has no IPv6, so none leaves this host: set "
                       "net.ipv6.conf.NAME.disable_ipv6=0, and weft reload");
  for (auto& failure : put_back(is_not_link).failures)
    notes->push_back(std::string{trouble} + std::move(failure));
  return notes;
}

result<std::vector<std::string>>
host_keeper::change_routes(host_plan to, const host_plan& added,
                           const host_plan& surplus) {
  const auto link = network_.link(index_);
  if (!link)
    return tl::unexpected(link.error());
  transaction changes;
  for (const auto& need : added) {
    if (!link->up)
      break; // they come with it
    const auto is_new = std::make_shared<bool>(false);
    changes.add(
      note_of(need, "added"),
      [this, need, is_new] {
        auto made = make(need);
        *is_new = made && *made;
        return only_error(std::move(made));
      },
      [this, need, is_new] {
        return *is_new ? unmake(need, {}) : result<void>{};
      });
  }
  for (const auto& need : surplus)
    changes.add(
      note_of(need, "removed"), [this, need] { return unmake(need, {}); },
      [this, need] { return only_error(make(need)); });
  auto notes = changes.run();
  if (notes)
    plan_ = std::move(to);
  return notes;
}

result<void> host_keeper::change_mtu(std::uint32_t bytes) {
  if (auto done = network_.set_mtu(index_, bytes); !done)
    return done;
  for (auto& need : plan_)
    if (auto* mtu = std::get_if<link_mtu>(&need))
      mtu->bytes = bytes;
  return {};
}

host_repair host_keeper::put_back(const permission& may) {
  host_repair repair;
  const auto state = read(plan_);
  if (!state) {
    repair.failures.push_back(state.error().message);
    return repair;
  }
  const bool ipv6 = has_ipv6(index_);
  bool leaves_out = false;
  for (const auto& need : plan_) {
    if (!lacks(*state, need))
      continue;
    if (!ipv6 && needs_ipv6(need)) {
      leaves_out = true;
      continue;
    }
    if (!may(need)) {
      repair.refused.push_back(need);
      continue;
    }
    auto made = make(need);
    if (made && *made)
      repair.put_back.push_back(need);
    else if (!made && made.error().code != ENETDOWN) // its time will come
      repair.failures.push_back(std::move(made.error().message));
  }
  if (leaves_out)
    repair.failures.push_back(without_ipv6(index_));
  if (const auto other = other_name())
    repair.failures.push_back(host_trouble(*other));
  return repair;
}

result<std::vector<host_item>> host_keeper::compare() {
  const auto state = read(plan_);
  if (!state)
    return tl::unexpected(state.error());
  std::vector<host_item> items;
  const bool ipv6 = has_ipv6(index_);
  bool leaves_out = false;
  for (const auto& need : plan_) {
    if (!ipv6 && needs_ipv6(need)) {
      leaves_out = true;
      continue;
    }
    host_item item{
      std::string{kind_of(need)}, text_of(need), !lacks(*state, need), {}};
    if (!item.in_place && std::holds_alternative<link_mtu>(need))
      item.found = std::to_string(state->mtu);
    if (!item.in_place && std::holds_alternative<link_is_up>(need))
      item.found = "down";
    items.push_back(std::move(item));
  }
  if (leaves_out)
    items.push_back({"ipv6", "on", false, "off"});
  if (auto other = other_name())
    items.push_back(std::move(*other));
  return items;
}

std::optional<host_item> host_keeper::other_name() const {
  const auto link = find_link(index_);
  if (!link || link->name == name_)
    return std::nullopt;
  return host_item{"name", name_, false, link->name};
}

void host_keeper::let_go() {
  std::ranges::reverse(plan_);
  for (const auto& need : plan_)
    if (outlives_interface(need))
      std::ignore = unmake(need, {});
  plan_.clear();
}

result<std::vector<std::string>> sweep_host(const std::string& interface) {
  if (find_link(interface))
    return std::vector<std::string>{}; // it is for whoever has it
  return host_keeper::open(0, interface).map([](const auto& keeper) {
    return keeper->leftovers();
  });
}

result<std::vector<std::string>> sweep_gone_hosts() {
  auto network = network_configurator::open();
  if (!network)
    return tl::unexpected(network.error());
  host_keeper keeper{0, std::move(*network)};
  const auto rules = keeper.network_.rules();
  if (!rules)
    return tl::unexpected(rules.error());
  // First the rules: a node that starts has its interface before it has any.
  const auto links = link_names();
  if (!links)
    return tl::unexpected(links.error());
  for (const auto& place : places_in(*rules)) {
    const bool is_there
      = std::ranges::any_of(*links, [&](const std::string& link) {
          return place_of(link, *rules).table == place.table;
        });
    if (is_there)
      continue;
    if (auto done = keeper.sweep(place, *rules); !done)
      return tl::unexpected(done.error());
  }
  return keeper.leftovers();
}

result<bool> has_leftovers(const std::string& interface) {
  if (find_link(interface))
    return false;
  auto network = network_configurator::open();
  if (!network)
    return tl::unexpected(network.error());
  return network->rules().map([&](const auto& rules) {
    return !rules_of(place_of(interface, rules), rules).empty();
  });
}

} // namespace weft
