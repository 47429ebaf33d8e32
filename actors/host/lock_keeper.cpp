#include "actors/host/lock_keeper.hpp"

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
  auto listed = filter_.table(name);
  if (!listed)
    return tl::unexpected(std::move(listed.error()));
  place = {std::move(name), std::move(text), std::move(*listed)};
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

result<void> lock_keeper::set_marks(std::string_view interface,
                                    tunnel_marks tunnel, bool keep_inbound) {
  return set(marks_, marks_table(interface),
             marks_text(interface, tunnel, keep_inbound));
}

result<void> lock_keeper::leave_marks() {
  return remove(marks_);
}

bool lock_keeper::read() {
  const auto programs = changes_.read();
  weft_changed_it_
    = weft_changed_it_
      || std::find(programs.begin(), programs.end(), "weft") != programs.end();
  return !programs.empty();
}

void lock_keeper::repair(table_place& place, lock_repair& into) {
  if (!place)
    return;
  auto listed = filter_.table(place->name);
  if (listed && *listed == place->listed)
    return;
  if (listed && listed->empty() && &place == &lock_ && weft_changed_it_) {
    lifted_ = std::move(place->name);
    place.reset();
    into.lifted = true;
  } else if (auto done = filter_.run(place->text); !done) {
    into.failures.push_back(std::move(done.error().message));
  } else {
    into.put_back.push_back(place->name);
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
  weft_changed_it_ = false;
  return done;
}

result<std::vector<std::string>> locked_interfaces() {
  auto filter = firewall::open();
  if (!filter)
    return tl::unexpected(std::move(filter.error()));
  auto tables = filter->tables();
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
  auto filter = firewall::open();
  if (!filter)
    return tl::unexpected(std::move(filter.error()));
  const auto locked = lock_table(interface);
  const auto listed = filter->table(locked);
  if (listed && is_on_trial(*listed)) {
    if (auto done = filter->remove(locked); !done)
      return done;
  }
  return filter->remove(marks_table(interface));
}

result<void> set_lock(const interface_config& config) {
  auto filter = firewall::open();
  if (!filter)
    return tl::unexpected(std::move(filter.error()));
  // Without a mark or a port of its own, nobody knows its packets yet.
  tunnel_marks tunnel;
  if (config.fwmark != 0)
    tunnel = {config.fwmark, config.listen.port};
  return filter->run(lock_text(lock_of(config, tunnel)));
}

result<void> lift_lock(const std::string& interface) {
  auto filter = firewall::open();
  if (!filter)
    return tl::unexpected(std::move(filter.error()));
  return filter->remove(lock_table(interface));
}

} // namespace weft
