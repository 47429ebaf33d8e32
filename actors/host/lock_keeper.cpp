#include "actors/host/lock_keeper.hpp"

#include "actors/host/host_keeper.hpp"
#include "platform/links.hpp"

#include <algorithm>

namespace weft {

result<lock_keeper> lock_keeper::open() {
  // First the subscription: nothing falls in between.
  auto changes = firewall_monitor::open();
  if (!changes)
    return tl::unexpected(std::move(changes.error()));
  auto filter = firewall::open();
  if (!filter)
    return tl::unexpected(std::move(filter.error()));
  return lock_keeper{std::move(*filter), std::move(*changes)};
}

lock_keeper::~lock_keeper() {
  std::ignore = leave_marks();
}

result<void>
lock_keeper::set(table_place& place, std::string name, std::string text) {
  if (auto done = filter_.run(text); !done)
    return done;
  place = {std::move(name), std::move(text), {}};
  auto listed = filter_.table(place->name);
  if (!listed)
    return tl::unexpected(std::move(listed.error()));
  place->listed = std::move(*listed);
  return {};
}

result<void> lock_keeper::remove(table_place& place) {
  if (!place)
    return {};
  if (auto done = filter_.remove(place->name); !done)
    return done;
  place.reset();
  return {};
}

result<void> lock_keeper::lock(const lock_rules& rules) {
  lifted_.clear();
  return set(lock_, lock_table(rules.interface), lock_text(rules));
}

result<void> lock_keeper::lift() {
  return remove(lock_);
}

result<void> lock_keeper::set_marks(const lock_rules& rules) {
  return set(marks_, marks_table(rules.interface), marks_text(rules));
}

result<void> lock_keeper::leave_marks() {
  return remove(marks_);
}

bool lock_keeper::read() {
  const auto changes = changes_.read();
  for (const auto& [program, removed] : changes)
    is_lifted_by_hand_
      = is_lifted_by_hand_
        || (lock_ && program == "weft"
            && std::find(removed.begin(), removed.end(), lock_->name)
                 != removed.end());
  return !changes.empty();
}

void lock_keeper::repair(table_place& place, lock_repair& into) {
  if (!place)
    return;
  auto& [name, text, known] = *place;
  auto listed = filter_.table(name);
  if (listed && !known.empty() && *listed == known)
    return;
  const bool is_gone = listed && listed->empty() && &place == &lock_;
  if (is_gone)
    std::ignore = read(); // of who has just taken it away
  if (is_gone && is_lifted_by_hand_) {
    lifted_ = std::move(name);
    place.reset();
    into.lifted = true;
    return;
  }
  if (auto done = set(place, name, text); !done) {
    known.clear(); // to be set again
    into.failures.push_back(std::move(done.error().message));
  } else {
    into.put_back.push_back(name);
  }
}

lock_repair lock_keeper::repair() {
  lock_repair done;
  if (!lock_ && !lifted_.empty()) {
    const auto listed = filter_.table(lifted_);
    done.locked = listed && !listed->empty();
  }
  repair(lock_, done);
  repair(marks_, done);
  is_lifted_by_hand_ = false;
  return done;
}

result<std::vector<std::string>> locked_interfaces() {
  auto tables = firewall_tables();
  if (!tables)
    return tl::unexpected(std::move(tables.error()));
  std::vector<std::string> names;
  for (const auto& table : *tables)
    if (const auto name = locked_interface(table); !name.empty())
      names.emplace_back(name);
  return names;
}

result<bool> is_locked(const std::string& interface) {
  return locked_interfaces().map([&](const auto& names) {
    return std::find(names.begin(), names.end(), interface) != names.end();
  });
}

result<void> sweep_tables(const std::string& interface) {
  const auto tables = firewall_tables();
  if (!tables)
    return tl::unexpected(tables.error());
  const auto is_there = [&](const std::string& table) {
    return std::find(tables->begin(), tables->end(), table) != tables->end();
  };
  const auto lock = lock_table(interface);
  const auto marks = marks_table(interface);
  if (!is_there(lock) && !is_there(marks))
    return {};
  auto filter = firewall::open();
  if (!filter)
    return tl::unexpected(std::move(filter.error()));
  const auto sweep = [&](const std::string& table, auto&& is_left) {
    const auto listed = filter->table(table);
    if (!listed)
      return result<void>{tl::unexpected(listed.error())};
    return is_left(*listed) ? filter->remove(table) : result<void>{};
  };
  if (auto done = sweep(lock, is_on_trial); !done)
    return done;
  return sweep(marks,
               [](const std::string& listed) { return !listed.empty(); });
}

result<void>
set_lock(const interface_config& config, std::optional<tunnel_marks> running) {
  auto filter = firewall::open();
  if (!filter)
    return tl::unexpected(std::move(filter.error()));
  // Without a mark or a port of its own, nobody knows its packets yet.
  auto tunnel = running.value_or(tunnel_marks{});
  if (!running && config.fwmark != 0)
    tunnel = {config.fwmark, config.listen.port};
  return filter->run(lock_text(lock_of(config, tunnel)));
}

result<std::vector<std::string>> lift_lock(const std::string& interface) {
  auto filter = firewall::open();
  if (!filter)
    return tl::unexpected(std::move(filter.error()));
  if (auto done = filter->remove(lock_table(interface)); !done)
    return tl::unexpected(std::move(done.error()));
  if (find_link(interface)) // its node has a use for the rest
    return std::vector<std::string>{};
  if (auto done = sweep_tables(interface); !done)
    return tl::unexpected(std::move(done.error()));
  return sweep_host(interface);
}

result<std::vector<std::string>> sweep_gone_nodes() {
  auto tables = firewall_tables();
  if (!tables)
    return tl::unexpected(std::move(tables.error()));
  const auto links = link_names();
  if (!links)
    return tl::unexpected(links.error());
  std::erase_if(*tables, [&](const std::string& table) {
    const auto name = marked_interface(table);
    return name.empty()
           || std::find(links->begin(), links->end(), name) != links->end();
  });
  if (tables->empty())
    return sweep_gone_hosts();
  auto filter = firewall::open();
  if (!filter)
    return tl::unexpected(std::move(filter.error()));
  for (const auto& table : *tables) {
    if (auto done = filter->remove(table); !done)
      return tl::unexpected(std::move(done.error()));
  }
  return sweep_gone_hosts();
}

} // namespace weft
