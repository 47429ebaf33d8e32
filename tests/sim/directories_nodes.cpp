// Directories of the simulated network: what their cores want done.
#include "tests/sim/directories.hpp"

namespace weft::test {

void directories_run::start_directory(std::size_t which) {
  auto& node = directories_[which];
  if (node.core)
    return;
  ++node.life;
  const auto issuer
    = has_issuer(which) ? verified_.contents.name : std::string{};
  node.core
    = std::make_unique<directory>(directory::settings{some_root(), issuer},
                                  judge_of(verified_, root_seed_), random_);
  node.watched = 0;
  node.wakes = never;
  node.asks_items.reset();
  in_life(which, delay(), [this, which](auto& core) {
    core.opened(store_.id, now());
    if (has_issuer(which))
      core.issuer_there(issuer_there_, now());
  });
}

void directories_run::kill_directory(std::size_t which) {
  directories_[which].core.reset();
  ++directories_[which].life;
  std::vector<std::uint64_t> broken;
  for (const auto& [number, each] : wires_) {
    if (each.directory == which)
      broken.push_back(number);
  }
  for (const auto number : broken)
    break_wire(number, "the directory was killed");
}

/// Later, unless it has been killed by then.
void directories_run::in_life(std::size_t which, std::chrono::milliseconds when,
                              std::function<void(directory&)> what) {
  const auto life = directories_[which].life;
  queue_.after(when, [this, which, life, what] {
    auto& node = directories_[which];
    if (node.life != life || !node.core)
      return;
    what(*node.core);
    after_call(which);
  });
}

void directories_run::after_call(std::size_t which) {
  auto& node = directories_[which];
  if (!node.core)
    return;
  for (const auto& each : node.core->take_steps())
    std::visit([&](const auto& what) { do_step(which, what); }, each);
  wake_directory(which);
}

void directories_run::wake_directory(std::size_t which) {
  auto& node = directories_[which];
  const auto next
    = std::max(milliseconds_of(node.core->next_time()), queue_.now() + 1ms);
  if (next >= node.wakes)
    return;
  node.wakes = next;
  const auto life = node.life;
  queue_.after(next - queue_.now(), [this, which, life, next] {
    auto& woken = directories_[which];
    if (woken.life != life || woken.wakes != next)
      return;
    woken.wakes = never;
    woken.core->on_time(now());
    after_call(which);
  });
}

namespace {

const store_error away{store_failure::unavailable, "The store is away."};
const store_error unknown{store_failure::unknown_outcome, "No answer came."};

} // namespace

void directories_run::do_step(std::size_t which,
                              const directory::list_entries& what) {
  in_life(which, delay(), [this, which, what](auto& core) {
    if (directories_[which].cut_off || chance(weather.store_failures))
      core.listed(tl::unexpected(away), now());
    else
      core.listed(store_.list(what.range), now());
  });
}

void directories_run::do_step(std::size_t which,
                              const directory::watch_entries& what) {
  directories_[which].watched = what.from;
  tell(which);
}

void directories_run::do_step(std::size_t which,
                              const directory::change_entries& what) {
  const auto change = what.change;
  if (mistake_in(change))
    sound = false;
  in_life(which, delay(), [this, which, change](auto& core) {
    if (directories_[which].cut_off)
      return core.changed(tl::unexpected(away), now());
    if (!chance(weather.store_failures)) {
      const auto outcome = store_.change(change);
      remember(change);
      store_changed();
      return core.changed(outcome, now());
    }
    // It is made, or later, or never.
    const auto fate = random_.below(3);
    if (fate == 0)
      store_.change(change);
    else if (fate == 1)
      queue_.after(delay() * 3, [this, change] {
        store_.change(change);
        store_changed();
      });
    core.changed(tl::unexpected(unknown), now());
  });
}

/// For lies.
void directories_run::remember(const store_change& change) {
  for (const auto& each : change.writes) {
    const auto key = item_key_of(each.key);
    if (!key || !each.value)
      continue;
    const auto content = bytes_of(*each.value);
    past_.push_back({*key, {content.begin(), content.end()}});
  }
}

void directories_run::do_step(std::size_t which,
                              const directory::renew_store_id&) {
  in_life(which, delay(), [this](auto& core) {
    random_.fill(store_.id);
    core.renamed(store_.id, now());
  });
}

void directories_run::do_step(std::size_t which,
                              const directory::keep_presence&) {
  in_life(which, delay(), [this, which](auto& core) {
    core.reached(!directories_[which].cut_off, now());
    if (directories_[which].cut_off)
      return;
    if (has_issuer(which) && issuer_there_)
      issuer_present_until_ = queue_.now() + presence_lasts;
    core.issuer_elsewhere(
      !has_issuer(which) && queue_.now() < issuer_present_until_, now());
  });
}

void directories_run::do_step(std::size_t which,
                              const directory::ask_for_items& what) {
  auto& node = directories_[which];
  node.asks_items = what.after;
  const auto asked = ++node.asks;
  answer_items(which);
  in_life(which, 20s, [this, which, asked](auto& core) {
    auto& later = directories_[which];
    if (!later.asks_items || later.asks != asked)
      return;
    issued_items nothing_new;
    nothing_new.through = *std::exchange(later.asks_items, std::nullopt);
    core.issued(nothing_new, now());
  });
}

void directories_run::do_step(std::size_t which,
                              const directory::ask_for_member& what) {
  in_life(which, delay(), [this, what](auto& core) {
    if (issuer_there_)
      core.answered(what.number, decide(what.request), now());
    else
      core.answered(what.number,
                    refuse(refusal::not_allowed, "the issuer is away"), now());
  });
}

void directories_run::do_step(std::size_t which,
                              const directory::send_frame& what) {
  const auto found = wires_.find(what.to);
  if (found == wires_.end())
    return;
  auto frame = what.frame;
  if (weather.lies != 0) {
    auto other = *frame;
    lie(other);
    frame = std::make_shared<const byte_vector>(std::move(other));
  }
  auto& way = found->second;
  way.to_member = std::max(way.to_member, queue_.now() + delay());
  queue_.after(way.to_member - queue_.now(),
               [this, which, number = what.to, frame] {
                 const auto there = wires_.find(number);
                 if (there == wires_.end())
                   return;
                 const auto who = there->second.member;
                 const auto attempt = there->second.attempt;
                 if (members_[who].session) {
                   members_[who].session->received(attempt, *frame, now().now);
                   after_member(who);
                 }
                 if (directories_[which].core) {
                   directories_[which].core->queued(number, 0, now());
                   after_call(which);
                 }
               });
}

void directories_run::do_step(std::size_t,
                              const directory::end_connection& what) {
  const auto found = wires_.find(what.which);
  if (found == wires_.end())
    return;
  // After what was sent before.
  const auto when = std::max(found->second.to_member, queue_.now()) + 1ms;
  queue_.after(when - queue_.now(), [this, number = what.which] {
    break_wire(number, "the directory ended it");
  });
}

void directories_run::do_step(std::size_t, const directory::began_recovering&) {
}

/// No member here has a double.
void directories_run::do_step(std::size_t, const directory::found_twice&) {
  sound = false;
}

void directories_run::store_changed() {
  for (std::size_t i = 0; i < directories_.size(); ++i)
    in_life(i, delay(), [this, i](auto&) { tell(i); });
}

/// What its watch has to say.
void directories_run::tell(std::size_t which) {
  auto& node = directories_[which];
  if (!node.core || node.watched == 0)
    return;
  if (node.cut_off) {
    node.core->told(tl::unexpected(away), now());
  } else if (chance(weather.store_failures / 10)) {
    node.watched = 0;
    node.core->told(
      tl::unexpected(store_error{store_failure::history_lost, "Compacted."}),
      now());
  } else {
    const auto news = store_.since(node.watched);
    node.watched = std::max(node.watched, news.through + 1);
    node.core->told(news, now());
  }
  after_call(which);
}

} // namespace weft::test
