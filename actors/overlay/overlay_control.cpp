// What an overlay is asked to change, by whoever it may be.  Changes wait for
// those before them; overlay_changes.cpp makes them.
#include "actors/overlay/log_level.hpp"
#include "actors/overlay/overlay.hpp"
#include "config/difference.hpp"
#include "config/validate.hpp"
#include "messages/errors.hpp"

#include <cerrno>

namespace weft {

namespace {

/// What a change holds on to while it waits, in peers and prefixes.
std::size_t weight_of(const device_update& update,
                      const std::optional<node_config>& whole) {
  auto weight = 1 + update.peers.size();
  for (const auto& peer : update.peers)
    weight += peer.allowed_ips.size();
  if (whole) {
    weight += whole->peers.size();
    for (const auto& peer : whole->peers)
      weight += peer.allowed_ips.size();
  }
  return weight;
}

/// Commands are run as root, which whoever asks for a change need not be.
std::optional<field_error>
find_new_commands(const interface_config& from, const interface_config& to) {
  const auto refuse = [](std::string_view name) {
    return field_error{
      "interface." + std::string{name},
      "commands come from the node's own file alone, when it starts: change "
      "them there, and leave them as they are here"};
  };
  if (to.on_up != from.on_up)
    return refuse(row_of<&interface_config::on_up>().name);
  if (to.on_down != from.on_down)
    return refuse(row_of<&interface_config::on_down>().name);
  return std::nullopt;
}

} // namespace

// -- requests ----------------------------------------------------------------

overlay::change_answer overlay::answer_to(changes_promise promise) {
  return [promise = std::move(promise)](caf::error reason,
                                        config_changes changes) mutable {
    if (reason)
      promise.deliver(std::move(reason));
    else
      promise.deliver(std::move(changes));
  };
}

caf::result<config_changes> overlay::schedule(waiting_change change) {
  auto promise = make_response_promise<changes_promise>();
  change.answer = answer_to(promise);
  enqueue_change(std::move(change));
  return promise;
}

caf::result<config_changes>
overlay::schedule_trial(waiting_change change, std::chrono::seconds within) {
  if (within.count() != 0) {
    if (auto reason = begin_trial(within))
      return reason;
    change.is_trial = true;
  }
  return schedule(std::move(change));
}

caf::result<void> overlay::apply(const device_update& update) {
  for (const auto& peer : update.peers) {
    if (auto mistake = validate(peer))
      return to_error(std::move(*mistake));
  }
  auto promise = make_response_promise();
  waiting_change change;
  change.update = update;
  change.assured = true; // wg(8) has no word for it
  change.answer = [promise](caf::error reason, const config_changes&) mutable {
    if (reason)
      promise.deliver(std::move(reason));
    else
      promise.deliver(caf::unit_t{});
  };
  enqueue_change(std::move(change));
  return promise;
}

void overlay::enqueue_change(waiting_change change) {
  // The network's peers are no part of what is on trial.
  const bool belongs_to_trial = change.is_trial || change.takes_back
                                || change.update.origin == peer_origin::network;
  if (trial_ && !belongs_to_trial && !change.dry_run)
    return change.answer(on_trial(), {});
  const auto refuse = [&](caf::error reason) {
    if (change.is_trial)
      end_trial(); // nothing is
    change.answer(std::move(reason), {});
  };
  if (is_being_handed_over())
    return refuse(being_handed_over());
  change.weight = weight_of(change.update, change.whole);
  if (!changes_.empty() && !change.takes_back
      && (changes_.size() >= most_changes
          || changes_weight_ + change.weight > most_weight)) {
    auto reason = make_error(EBUSY, "too many changes wait already: nothing "
                                    "was changed; try again later");
    if (change.whole)
      reason = refused(std::move(reason));
    return refuse(std::move(reason));
  }
  changes_weight_ += change.weight;
  changes_.push_back(std::move(change));
  if (changes_.size() == 1)
    start_change();
}

caf::result<config_changes> overlay::apply_all(const apply_config& asked) {
  waiting_change change;
  change.whole = asked.config;
  change.whole->control = options_.config.control; // not in a message
  change.whole->metrics = options_.config.metrics;
  change.whole->network = options_.config.network;
  change.whole->directory = options_.config.directory;
  change.dry_run = asked.dry_run;
  change.assured = asked.assured;
  auto mistake = validate(*change.whole);
  if (!mistake)
    mistake
      = find_new_commands(options_.config.interface, change.whole->interface);
  if (mistake)
    return refused(to_error(std::move(*mistake)));
  return schedule_trial(std::move(change), asked.dry_run
                                             ? std::chrono::seconds{0}
                                             : asked.confirm_within);
}

caf::result<foreign_peers> overlay::foreign() {
  auto promise
    = make_response_promise<caf::typed_response_promise<foreign_peers>>();
  request(registry_, caf::infinite, configuration_request{})
    .then(
      [promise](const peer_configurations& known) mutable {
        foreign_peers answer;
        for (const auto& peer : known.peers)
          answer.peers.push_back({peer.public_key, peer.allowed_ips});
        answer.deprived = known.deprived;
        promise.deliver(std::move(answer));
      },
      [promise](caf::error& reason) mutable {
        promise.deliver(std::move(reason));
      });
  return promise;
}

caf::result<node_configuration>
overlay::configuration(const get_configuration& asked) {
  auto promise
    = make_response_promise<caf::typed_response_promise<node_configuration>>();
  request(registry_, caf::infinite, configuration_request{})
    .then(
      [this, promise, asked](peer_configurations& known) mutable {
        node_configuration answer;
        answer.config.interface = settings_in_force().interface;
        answer.config.interface.private_key.wipe();
        answer.config.log = options_.config.log;
        answer.config.offloads = options_.config.offloads;
        answer.file = options_.file;
        answer.digests = {options_.file_digest, expected_digest_};
        answer.changes = changes_made_;
        std::size_t prefixes = 0;
        auto next = asked.first_peer;
        for (; next < known.peers.size()
               && answer.config.peers.size() < get_configuration::most
               && prefixes < get_configuration::most_prefixes;
             ++next) {
          auto& peer = known.peers[next];
          prefixes += peer.allowed_ips.size();
          if (!peer.preshared_key.is_zero())
            answer.with_preshared_key.push_back(peer.public_key);
          peer.preshared_key.wipe();
          answer.config.peers.push_back(std::move(peer));
        }
        answer.next_peer = next < known.peers.size() ? next : 0;
        promise.deliver(std::move(answer));
      },
      [promise](caf::error& reason) mutable {
        promise.deliver(std::move(reason));
      });
  return promise;
}

caf::result<void> overlay::expect(const expect_file& asked) {
  if (trial_)
    return on_trial();
  if (is_being_handed_over())
    return being_handed_over();
  options_.file_digest = asked.now;
  expected_digest_ = asked.next;
  return caf::unit;
}

caf::result<void> overlay::change_level(log_level level) {
  if (is_being_handed_over())
    return being_handed_over();
  options_.config.log.level = level;
  options_.log->set_level(to_spdlog(level));
  if (trial_)
    trial_->log_level_set = true;
  return caf::unit;
}

caf::result<config_changes> overlay::reset(const reset_peer& asked) {
  if (trial_)
    return on_trial();
  if (is_being_handed_over())
    return being_handed_over();
  ++changes_made_; // the order of the peers
  return delegate(registry_, asked);
}

caf::error overlay::to_error(field_error&& what) {
  auto sentence = what.field + ": " + what.message;
  return make_error(EINVAL, std::move(sentence), std::move(what.field));
}

/// A whole configuration that is not taken leaves a line in the log: whoever
/// sent a signal gets no answer.
caf::error overlay::refused(caf::error reason) const {
  options_.log->error("the configuration stays as it was: {}",
                      error_message(reason));
  return reason;
}

caf::result<config_changes> overlay::add(const add_peer& asked) {
  const auto& peer = asked.peer;
  if (auto mistake = validate(peer))
    return to_error(std::move(*mistake));
  if (self_ && self_->public_static() == peer.public_key)
    return make_error(EINVAL,
                      "peer.public_key: this is the node's own key; a peer "
                      "needs the public key of another node",
                      "peer.public_key");
  waiting_change change;
  change.update.peers.push_back(replacement_of(peer));
  change.assured = asked.assured;
  return schedule_trial(std::move(change), asked.confirm_within);
}

caf::result<config_changes> overlay::change(update_peer asked) {
  auto& update = asked.update;
  if (auto mistake = validate(update))
    return to_error(std::move(*mistake));
  if (update.verb == peer_verb::remove)
    return make_error(
      EINVAL, "peer: an update removes no peer; remove_peer does", "peer");
  update.verb = peer_verb::update;
  waiting_change change;
  change.update.peers.push_back(std::move(update));
  change.must_exist = true;
  change.assured = asked.assured;
  return schedule_trial(std::move(change), asked.confirm_within);
}

caf::result<config_changes> overlay::remove(const public_key& peer) {
  waiting_change change;
  auto& removal = change.update.peers.emplace_back();
  removal.public_key = peer;
  removal.verb = peer_verb::remove;
  return schedule(std::move(change));
}

caf::result<config_changes>
overlay::change_allowed_ip(const public_key& peer, const ip_prefix& prefix,
                           bool remove) {
  patch<peer_config> update;
  update.public_key = peer;
  update.allowed_ips.push_back({prefix, remove});
  return change({std::move(update)});
}

void overlay::tell_event(event_kind kind, std::string reason) {
  overlay_event event;
  event.kind = kind;
  event.reason = std::move(reason);
  send(events_, std::move(event));
}

void overlay::remote_control_changes(const std::string& why_closed) {
  const auto was_closed = !remote_control_.empty() && remote_control_ != "open";
  remote_control_ = why_closed.empty() ? "open" : "closed: " + why_closed;
  if (!why_closed.empty())
    tell_event(event_kind::remote_control_closed, why_closed);
  else if (was_closed)
    tell_event(event_kind::remote_control_opened, {});
}

} // namespace weft
