// Changes to a running overlay, one after the other, each all or nothing:
// `reconfiguration` says which step comes next, and here the steps are done.
#include "actors/overlay/log_level.hpp"
#include "actors/overlay/offloads.hpp"
#include "actors/overlay/overlay.hpp"
#include "config/assurance.hpp"
#include "config/difference.hpp"
#include "config/foresight.hpp"
#include "config/validate.hpp"
#include "config/warnings.hpp"
#include "messages/errors.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace weft {

namespace {

std::string summary(const config_changes& changes) {
  std::string text = std::to_string(changes.peers_added) + " peers added, "
                     + std::to_string(changes.peers_changed) + " changed, "
                     + std::to_string(changes.peers_removed) + " removed";
  for (const auto& note : changes.notes)
    text += "; " + note;
  return text;
}

void add_to(config_changes& changes, const config_changes& more) {
  changes.peers_added += more.peers_added;
  changes.peers_changed += more.peers_changed;
  changes.peers_removed += more.peers_removed;
  changes.notes.insert(changes.notes.end(), more.notes.begin(),
                       more.notes.end());
}

} // namespace

// -- what is to be done ------------------------------------------------------

void overlay::start_change() {
  const auto& change = changes_.front();
  if (!change.whole && !is_to_be_weighed(change)) {
    plan_change();
    return;
  }
  request(registry_, caf::infinite, configuration_request{})
    .then(
      [this](peer_configurations& peers) {
        if (changes_.front().whole)
          find_difference(std::move(peers));
        else
          weigh_change(std::move(peers));
      },
      [this](caf::error& reason) { finish_change(std::move(reason)); });
}

node_config overlay::configuration_with(std::vector<peer_config> peers) const {
  node_config config = options_.config;
  config.interface = settings_in_force().interface;
  config.peers = std::move(peers);
  return config;
}

bool overlay::is_to_be_weighed(const waiting_change& change) const {
  return change.is_trial
         || (!change.assured && resources_->host
             && std::ranges::any_of(change.update.peers, may_need_assurance));
}

void overlay::weigh_change(peer_configurations&& peers) {
  auto& change = changes_.front();
  const auto current = configuration_with(peers.peers);
  auto wanted = current;
  for (const auto& peer : change.update.peers)
    make_change(peer, wanted.peers);
  if (!change.assured && !change.is_trial) {
    if (auto missing = missing_assurance(current, wanted))
      return finish_change(to_error(std::move(*missing)));
  }
  const auto& key = change.update.peers.front().public_key;
  const bool is_known
    = std::ranges::find(wanted.peers, key, &peer_config::public_key)
      != wanted.peers.end();
  if (!change.is_trial)
    return plan_change();
  if (!is_known) { // it is not there, or the network's: nothing is taken back
    change.is_trial = false;
    end_trial();
    return plan_change();
  }
  change.must_exist = false;
  change.whole = std::move(wanted);
  find_difference(std::move(peers));
}

void overlay::find_difference(peer_configurations&& peers) {
  auto& change = changes_.front();
  auto& wanted = *change.whole;
  auto current = configuration_with(std::move(peers.peers));
  if (wanted.interface.private_key.is_zero()) {
    wanted.interface.private_key = current.interface.private_key;
    if (auto mistake = validate(wanted)) // a peer with the node's own key
      return finish_change(to_error(std::move(*mistake)));
  }
  change.update = weft::difference(current, wanted);
  change.update.origin = peer_origin::file;
  if (change.dry_run)
    return foresee(current);
  if (!change.assured && !change.is_trial && !change.takes_back) {
    if (auto missing = missing_assurance(current, wanted))
      return finish_change(to_error(std::move(*missing)));
  }
  if (change.is_trial && trial_)
    trial_->former = std::move(current);
  if (change.update.private_key)
    change.changes.notes.emplace_back(
      "interface.private_key: changed, so that all sessions begin anew");
  plan_change();
}

/// The end of a dry run: what would change, if the registry could change it.
void overlay::foresee(const node_config& current) {
  auto& change = changes_.front();
  auto foreseen = foresee_changes(current, *change.whole);
  change.changes.peers_added = foreseen.peers_added;
  change.changes.peers_changed = foreseen.peers_changed;
  change.changes.peers_removed = foreseen.peers_removed;
  auto& notes = change.changes.notes;
  notes.insert(notes.begin(), foreseen.sentences.begin(),
               foreseen.sentences.end());
  if (!change.assured) {
    if (const auto missing = missing_assurance(current, *change.whole))
      notes.push_back(missing->field + ": " + missing->message);
  }
  auto update = std::make_shared<device_update>(std::move(change.update));
  request(registry_, caf::infinite, check_update{std::move(update)})
    .then([this] { finish_change({}); },
          [this](caf::error& reason) { finish_change(std::move(reason)); });
}

device_settings overlay::settings_in_force() const {
  device_settings settings{options_.config.interface, port_, networks_};
  if (self_)
    settings.interface.private_key = self_->private_static();
  return settings;
}

void overlay::plan_change() {
  auto& change = changes_.front();
  const auto sets_link = !resources_->tun || options_.configure_link;
  if (change.whole)
    change.plan = reconfiguration(
      settings_in_force(), change.update, &change.whole->interface, sets_link,
      networks_of(change.whole->interface, change.whole->peers));
  else
    change.plan
      = reconfiguration(settings_in_force(), change.update, nullptr, sets_link);
  change.concerns_host = !change.whole && peers_concern_host(change.update);
  note_unrouted();
  next_step();
}

// -- its steps ---------------------------------------------------------------

void overlay::next_step() {
  using step = reconfiguration::step;
  const auto& plan = changes_.front().plan;
  const auto next = plan.next();
  if (!next) {
    end_change();
    return;
  }
  switch (*next) {
    case step::check_peers:
      return check_peers();
    case step::sockets:
      return change_sockets();
    case step::mark:
      return change_mark();
    case step::lock:
      return change_lock();
    case step::host:
      return change_host();
    case step::identity:
      return change_key();
    case step::peers:
      return change_peers();
  }
}

void overlay::step_done() {
  changes_.front().plan.done();
  next_step();
}

void overlay::step_failed(const caf::error& reason) {
  changes_.front().plan.failed(
    {error_code(reason), error_message(reason), error_field(reason)});
  next_step();
}

void overlay::note(std::string text) {
  auto& change = changes_.front();
  if (!change.plan.takes_back())
    change.changes.notes.push_back(std::move(text));
}

/// Who asks for allowed IPs is told where the host sends nothing to them.
void overlay::note_unrouted() {
  const auto& change = changes_.front();
  if (change.whole || !options_.configure_link || !resources_->tun)
    return; // of a file, `weft check` tells; else the routes are not ours
  constexpr std::size_t most = 5;
  std::vector<ip_prefix> added;
  for (const auto& peer : change.update.peers)
    for (const auto& [prefix, remove] : peer.allowed_ips)
      if (!remove && added.size() < most)
        added.push_back(prefix);
  // The rules of a full tunnel lead all of a family.
  for (auto& sentence : find_unrouted(options_.config.interface, added,
                                      prefixes_of(networks_.all)))
    note(std::move(sentence));
}

void overlay::check_peers() {
  // Many peers are not copied.  It is ours again when the registry answers.
  auto lent
    = std::make_shared<device_update>(std::move(changes_.front().update));
  request(registry_, caf::infinite, check_update{lent})
    .then(
      [this, lent] {
        changes_.front().update = std::move(*lent);
        step_done();
      },
      [this](const caf::error& reason) { step_failed(reason); });
}

void overlay::rebind_lanes(const rebind& to, port_taken bound,
                           lanes_refused refused, std::size_t number) {
  request(lanes_[number].socket, caf::infinite, to)
    .then(
      [this, next = to, bound = std::move(bound), refused,
       number](std::uint16_t port) mutable {
        next.listen.port = port;
        if (number + 1 < lanes_.size())
          rebind_lanes(next, std::move(bound), std::move(refused), number + 1);
        else
          bound(port);
      },
      [this, refused, number](const caf::error& reason) {
        auto former = rebind{options_.config.interface.listen, fwmark_};
        former.listen.port = port_;
        for (std::size_t i = 0; i < number; ++i)
          caf::anon_send(lanes_[i].socket, former);
        refused(reason);
      });
}

void overlay::change_sockets() {
  const auto& change = changes_.front();
  const auto& to = change.plan.to();
  const auto& listen = to.interface.listen;
  if (change.whole && listen != options_.config.interface.listen)
    note("interface.listen: " + to_string(listen));
  auto opened = listen;
  opened.port = to.port;
  const auto mark = mark_in_force(to.interface.fwmark);
  rebind_lanes(
    {opened, mark},
    [this, mark](std::uint16_t port) {
      auto& plan = changes_.front().plan;
      plan.bound(port);
      const auto& now = plan.in_force();
      options_.config.interface.listen = now.interface.listen;
      options_.config.interface.fwmark = now.interface.fwmark;
      port_ = now.port;
      note_mark(mark);
      next_step();
    },
    [this](const caf::error& reason) { step_failed(reason); });
}

void overlay::change_mark() {
  const auto configured = changes_.front().plan.to().interface.fwmark;
  bear_mark(mark_in_force(configured),
            [this, configured](const caf::error& reason) {
              if (reason)
                return step_failed(reason);
              options_.config.interface.fwmark = configured;
              step_done();
            });
}

void overlay::change_host() {
  const auto& plan = changes_.front().plan;
  const auto& from = plan.from().interface;
  const auto& to = plan.to().interface;
  if (!resources_->host) { // there is a packet port
    if (to.mtu != from.mtu)
      note("interface.mtu: " + std::to_string(from.mtu) + " -> "
           + std::to_string(to.mtu));
    copy_host_part(to, options_.config.interface);
    set_mtu(mtu_for(plan.to()));
    return step_done();
  }
  set_host(plan.to(), changes_.front().whole.has_value(),
           [this](result<std::vector<std::string>> notes) {
             if (!notes)
               return step_failed(make_error(notes.error().code,
                                             std::move(notes.error().message),
                                             "interface"));
             for (auto& text : *notes)
               note(std::move(text));
             step_done();
           });
}

void overlay::change_key() {
  const auto& key = changes_.front().plan.to().interface.private_key;
  const auto former = std::exchange(
    self_, key.is_zero() ? nullptr : std::make_shared<const identity>(key));
  // The peers follow once nobody speaks as the former one any more.
  request(registry_, caf::infinite, change_identity{self_, link_up_})
    .then(
      [this](const config_changes& peers) {
        add_to(changes_.front().changes, peers);
        step_done();
      },
      [this, former](const caf::error& reason) {
        self_ = former;
        step_failed(reason);
      });
}

void overlay::change_peers() {
  auto& change = changes_.front();
  const auto made = [this](const config_changes& peers) {
    add_to(changes_.front().changes, peers);
    step_done();
  };
  const auto failed = [this](const caf::error& reason) { step_failed(reason); };
  if (change.must_exist)
    request(registry_, caf::infinite,
            change_existing_peer{std::move(change.update.peers.front())})
      .then(made, failed);
  else
    request(registry_, caf::infinite, std::move(change.update))
      .then(made, failed);
}

// -- its end -----------------------------------------------------------------

void overlay::end_change() {
  auto& change = changes_.front();
  options_.config.interface.listen = change.plan.in_force().interface.listen;
  if (const auto& why = change.plan.reason()) {
    finish_change(make_error(why->code, why->message, why->field));
    return;
  }
  if (change.concerns_host)
    return follow_peers();
  if (change.whole) {
    repair_host(true);
    for (auto& text : look_at_helpers_part(true))
      note(std::move(text));
    lock_after(change);
    adopt_rest(*change.whole);
  }
  finish_change({});
}

/// What takes no step that could fail.
void overlay::adopt_rest(const node_config& wanted) {
  const auto& to = wanted.interface;
  const auto& current = options_.config.interface;
  for_each_field<interface_config>([&](const auto& row, auto) {
    if (!row.while_running && to.*row.member != current.*row.member)
      note("interface." + std::string{row.name}
           + ": stays as it is until weftd is restarted");
  });
  const auto former_df = std::exchange(options_.config.interface.df, to.df);
  if (to.df != former_df)
    note("interface.df: " + std::string{to_string(to.df)});
  for (auto& text : describe_change(options_.config.offloads, wanted.offloads))
    note(std::move(text));
  if (wanted.offloads != options_.config.offloads)
    use_offloads(wanted.offloads);
  else if (to.df != former_df)
    use_features();
  auto& log = options_.config.log;
  if (wanted.log.level != log.level) {
    log.level = wanted.log.level;
    options_.log->set_level(to_spdlog(log.level));
    note("log.level: " + std::string{to_string(log.level)});
  }
  if (wanted.log.format != log.format)
    note("log.format: stays as it is until weftd is restarted");
}

void overlay::finish_change(caf::error reason) {
  auto change = std::move(changes_.front());
  changes_.pop_front();
  changes_weight_ -= change.weight;
  if (change.plan.half_done())
    options_.log->error("a change was made in part: {}", error_message(reason));
  if (!reason && !change.dry_run) {
    if (change.update.origin != peer_origin::network)
      ++changes_made_;
    follow_routes();
  }
  if (change.whole) {
    change.whole->interface.private_key.wipe();
    if (change.dry_run) {
      // Nobody has to know.
    } else if (reason && !change.plan.half_done()) {
      reason = refused(std::move(reason));
    } else if (!reason) {
      const auto text = summary(change.changes);
      options_.log->info("configuration applied: {}", text);
      tell_event(event_kind::config_applied, text);
    }
  }
  if (change.is_trial)
    trial_made(reason, change.changes);
  change.answer(std::move(reason), std::move(change.changes));
  if (!changes_.empty())
    start_change();
}

} // namespace weft
