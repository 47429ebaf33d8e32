// What may leave this host beside the tunnel: the lock, and the answers to
// connections from outside (actors/host/lock.hpp has the rules).
#include "actors/overlay/overlay.hpp"
#include "messages/errors.hpp"

#include <algorithm>
#include <utility>

namespace weft {

namespace {

constexpr std::chrono::milliseconds between_looks{100};

/// Until a table that could not be put back is tried again.  Without a lock it
/// only has answers leave the way the questions came, and a host that takes no
/// tables is not asked all the time.
std::chrono::milliseconds pause_after_failure(bool locks) {
  using namespace std::chrono_literals;
  return locks ? std::chrono::milliseconds{500ms} : 1min;
}

std::string how_to_lift(const std::string& interface) {
  return "'weft unlock " + interface + "' lifts it";
}

} // namespace

/// Only where the device is ours, and so are its routes.
bool overlay::can_lock() const {
  return options_.configure_link && resources_->tun;
}

bool overlay::is_locked() const {
  return resources_->lock && resources_->lock->is_locked();
}

bool overlay::lock_is_on_trial() const {
  return trial_ && !trial_->had_lock && !lock_stays_;
}

/// Whether the end of a trial lifts what the trial has locked.
bool overlay::takes_lock_back(const waiting_change& change) const {
  return change.takes_back && lock_is_on_trial();
}

result<lock_keeper*> overlay::open_lock() {
  auto& lock = resources_->lock;
  if (!lock) {
    auto opened = lock_keeper::open();
    if (!opened)
      return tl::unexpected(std::move(opened.error()));
    lock = std::make_unique<lock_keeper>(std::move(*opened));
    std::ignore
      = loop().watch(lock->descriptor(), interest::read, &firewall_handler_);
  }
  return lock.get();
}

/// At the start, once mark and port are known.
void overlay::watch_firewall() {
  firewall_handler_.changed = [this] { firewall_changed(); };
  firewall_handler_.broken = [this] { fail(); };
  if (resources_->lock)
    std::ignore = loop().watch(resources_->lock->descriptor(), interest::read,
                               &firewall_handler_);
  renew_lock();
}

result<void> overlay::set_lock(const interface_config& wanted) {
  if (!locks_)
    return is_locked() ? resources_->lock->lift() : result<void>{};
  auto keeper = open_lock();
  if (!keeper)
    return tl::unexpected(std::move(keeper.error()));
  auto rules = lock_of(wanted, {fwmark_, port_});
  rules.on_trial = lock_is_on_trial();
  return (*keeper)->lock(rules);
}

result<void> overlay::set_marks() {
  const bool wanted = fwmark_ != 0 && (is_full_tunnel_now() || locks_);
  if (!can_lock() || (!wanted && !resources_->lock))
    return {};
  auto keeper = open_lock();
  if (!keeper)
    return tl::unexpected(std::move(keeper.error()));
  if (!wanted)
    return (*keeper)->leave_marks();
  return (*keeper)->set_marks(
    lock_of(options_.config.interface, {fwmark_, port_}));
}

void overlay::renew_lock() {
  for (const auto& changed :
       {set_lock(options_.config.interface), set_marks()}) {
    if (changed)
      continue;
    if (lock_lines_.take(loop().now()))
      options_.log->error("{}", changed.error().message);
    repair_firewall_at(loop().now() + pause_after_failure(locks_), true);
  }
}

void overlay::repair_firewall_at(time_point when, bool renews) {
  renews_lock_ = renews_lock_ || renews;
  if (firewall_later_)
    return;
  firewall_later_ = call_at(when, [this] {
    firewall_later_ = {};
    if (std::exchange(renews_lock_, false))
      renew_lock();
    if (resources_->lock)
      repair_firewall();
  });
}

void overlay::lock_again() {
  if (locks_ || !options_.config.interface.kill_switch || !can_lock())
    return;
  locks_ = true;
  renew_lock();
}

/// It may have been lifted just now, and nobody has read of it yet.
void overlay::look_at_lock() {
  if (!is_locked())
    return;
  std::ignore = resources_->lock->read();
  repair_firewall();
}

/// A whole configuration is in force: one with kill_switch locks the host, also
/// if somebody has lifted the lock by hand since.
void overlay::lock_after(const waiting_change& change) {
  if (takes_lock_back(change)) {
    locks_ = false; // the end of the trial renews the tables
    return;
  }
  look_at_lock();
  const bool was_lifted = !locks_;
  lock_again();
  if (was_lifted && locks_)
    note("interface.kill_switch: this host is locked again; "
         + how_to_lift(resources_->interface));
}

/// A step of a change.
void overlay::change_lock() {
  const auto& change = changes_.front();
  const auto& from = change.plan.from().interface;
  const auto& to = change.plan.to().interface;
  const bool undoes = change.plan.takes_back() || change.takes_back;
  const bool did_lock = locks_;
  if (to.kill_switch && !takes_lock_back(change))
    locks_ = can_lock();
  else if (undoes && !lock_stays_)
    locks_ = false;
  if (auto changed = set_lock(to); !changed) {
    locks_ = did_lock;
    step_failed(make_error(changed.error().code,
                           std::move(changed.error().message),
                           "interface.kill_switch"));
    return;
  }
  auto& now = options_.config.interface;
  now.kill_switch = to.kill_switch;
  now.kill_switch_allow = to.kill_switch_allow;
  now.keep_inbound = to.keep_inbound;
  if (to.kill_switch && !from.kill_switch)
    note("interface.kill_switch: nothing leaves but through the tunnel; "
         + how_to_lift(resources_->interface));
  if (!to.kill_switch && from.kill_switch && locks_) {
    lock_stays_ = true;
    note("interface.kill_switch: the lock stays; "
         + how_to_lift(resources_->interface));
  }
  if (to.kill_switch_allow != from.kill_switch_allow)
    note("interface.kill_switch_allow: changed");
  if (to.keep_inbound != from.keep_inbound)
    note(std::string{"interface.keep_inbound: "}
         + (to.keep_inbound ? "true" : "false"));
  follow_ways();
  step_done();
}

void overlay::firewall_changed() {
  enter_loop_context();
  if (!resources_->lock->read() || firewall_later_)
    return;
  const auto now = loop().now();
  // Others may change their own tables all the time; and whoever takes ours
  // away for ever is not fought without a pause.
  const auto due
    = std::max(lock_repairs_.has(now) ? now : lock_repairs_.available(),
               looked_at_firewall_ + between_looks);
  if (due <= now)
    return repair_firewall();
  repair_firewall_at(due, false);
}

void overlay::repair_firewall() {
  const auto now = loop().now();
  looked_at_firewall_ = now;
  const auto& name = resources_->interface;
  const auto repair = resources_->lock->repair();
  if (repair.locked)
    lock_again();
  if (repair.lifted) {
    locks_ = false;
    lock_stays_ = false;
    options_.log->warn("the lock of {} was lifted: traffic may leave beside "
                       "the tunnel until it is locked again (weft lock {}, "
                       "a reload or a restart with kill_switch)",
                       name, name);
    follow_ways();
  }
  if (!repair.failures.empty())
    repair_firewall_at(now + pause_after_failure(locks_), false);
  if (repair.put_back.empty() && repair.failures.empty())
    return;
  lock_repairs_.take(now);
  if (!lock_lines_.take(now))
    return;
  for (const auto& table : repair.put_back)
    options_.log->warn("another program changed the table {} of the host's "
                       "firewall: it was put back",
                       table);
  for (const auto& failure : repair.failures)
    options_.log->error("{}", failure);
  if (!lock_lines_.has(now))
    options_.log->warn("another program changes the host's firewall again and "
                       "again: what it does to {} is put back without a line "
                       "each",
                       name);
}

void overlay::report_lock(device_status& status) const {
  const auto& name = resources_->interface;
  const bool in_place = is_locked() && resources_->lock->is_in_place();
  if (in_place)
    status.lock
      = "on: nothing leaves but through the tunnel; " + how_to_lift(name);
  else if (is_locked())
    status.lock = "missing: it could not be put back, and is tried again";
  if (options_.config.interface.kill_switch || is_locked())
    status.host.push_back({"lock", lock_table(name), in_place, {}});
}

} // namespace weft
