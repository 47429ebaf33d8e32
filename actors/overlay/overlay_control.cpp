// Changes to a running overlay, one after the other:
//  1. find what differs, for a whole configuration;
//  2. ask the registry whether it can change the peers so;
//  3. sockets: if they fail, nothing else has been changed;
//  4. the host: if it fails, the sockets are taken back;
//  5. our key, and the peers, which cannot fail any more.
#include "actors/host/link_setup.hpp"
#include "actors/overlay/log_level.hpp"
#include "actors/overlay/overlay.hpp"
#include "config/difference.hpp"
#include "config/validate.hpp"
#include "messages/errors.hpp"

#include <algorithm>
#include <cerrno>

namespace weft {

namespace {

caf::error to_error(field_error&& what) {
  auto sentence = what.field + ": " + what.message;
  return make_error(EINVAL, std::move(sentence), std::move(what.field));
}

std::string summary(const config_changes& changes) {
  std::string text = std::to_string(changes.peers_added) + " peers added, "
                     + std::to_string(changes.peers_changed) + " changed, "
                     + std::to_string(changes.peers_removed) + " removed";
  for (const auto& note : changes.notes)
    text += "; " + note;
  return text;
}

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

caf::result<void> overlay::apply(const device_update& update) {
  auto promise = make_response_promise();
  waiting_change change;
  change.update = update;
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
  change.weight = weight_of(change.update, change.whole);
  if (!changes_.empty()
      && (changes_.size() >= most_changes
          || changes_weight_ + change.weight > most_weight)) {
    auto reason = make_error(EBUSY, "too many changes wait already: nothing "
                                    "was changed; try again later");
    if (change.whole)
      reason = refused(std::move(reason));
    change.answer(std::move(reason), {});
    return;
  }
  changes_weight_ += change.weight;
  changes_.push_back(std::move(change));
  if (changes_.size() == 1)
    start_change();
}

caf::result<config_changes> overlay::apply_all(const node_config& wanted) {
  if (auto mistake = validate(wanted))
    return refused(to_error(std::move(*mistake)));
  waiting_change change;
  change.whole = wanted;
  return schedule(std::move(change));
}

/// A whole configuration that is not taken leaves a line in the log: whoever
/// sent a signal gets no answer.
caf::error overlay::refused(caf::error reason, bool half_done) const {
  options_.log->error("the configuration stays as it was{}: {}",
                      half_done ? ", but for the socket" : "",
                      error_message(reason));
  return reason;
}

caf::result<config_changes> overlay::add(const peer_config& peer) {
  if (auto mistake = validate(peer))
    return to_error(std::move(*mistake));
  if (self_ && self_->public_static() == peer.public_key)
    return make_error(EINVAL,
                      "peer.public_key: this is the node's own key; a peer "
                      "needs the public key of another node",
                      "peer.public_key");
  waiting_change change;
  change.update.peers.push_back(replacement_of(peer));
  return schedule(std::move(change));
}

caf::result<config_changes> overlay::change(const peer_update& update) {
  peer_config stated;
  stated.public_key = update.public_key;
  stated.name = update.name.value_or("");
  stated.endpoint = update.endpoint;
  stated.persistent_keepalive
    = update.persistent_keepalive.value_or(std::chrono::seconds{0});
  if (auto mistake = validate(stated))
    return to_error(std::move(*mistake));
  waiting_change change;
  change.update.peers.push_back(update);
  change.must_exist = true;
  return schedule(std::move(change));
}

caf::result<config_changes> overlay::remove(const public_key& peer) {
  waiting_change change;
  auto& update = change.update.peers.emplace_back();
  update.public_key = peer;
  update.remove = true;
  return schedule(std::move(change));
}

caf::result<config_changes>
overlay::change_allowed_ip(const public_key& peer, const ip_prefix& prefix,
                           bool remove) {
  peer_update update;
  update.public_key = peer;
  update.allowed_ips.push_back({prefix, remove});
  return change(update);
}

// -- one change --------------------------------------------------------------

void overlay::start_change() {
  if (!changes_.front().whole) {
    ask_registry();
    return;
  }
  request(registry_, caf::infinite, configuration_request{})
    .then(
      [this](peer_configurations& peers) { find_difference(std::move(peers)); },
      [this](caf::error& reason) { finish_change(std::move(reason)); });
}

void overlay::find_difference(peer_configurations&& peers) {
  auto& change = changes_.front();
  auto& wanted = *change.whole;
  node_config current = options_.config;
  current.interface.fwmark = fwmark_;
  if (self_)
    current.interface.private_key = self_->private_static();
  current.peers = std::move(peers.peers);
  if (wanted.interface.private_key.is_zero()) {
    wanted.interface.private_key = current.interface.private_key;
    if (auto mistake = validate(wanted)) // a peer with the node's own key
      return finish_change(to_error(std::move(*mistake)));
  }
  change.update = weft::difference(current, wanted);
  if (change.update.private_key)
    change.changes.notes.emplace_back(
      "interface.private_key: changed, so that all sessions begin anew");
  ask_registry();
}

void overlay::ask_registry() {
  auto& update = changes_.front().update;
  const auto peers_only = !changes_.front().whole && !update.private_key
                          && !update.listen_port && !update.fwmark;
  if (peers_only || (update.peers.empty() && !update.replace_peers)) {
    change_sockets();
    return;
  }
  // Many peers are not copied.  It is ours again when the registry answers.
  auto lent = std::make_shared<device_update>(std::move(update));
  request(registry_, caf::infinite, check_update{lent})
    .then(
      [this, lent] {
        changes_.front().update = std::move(*lent);
        change_sockets();
      },
      [this](caf::error& reason) { finish_change(std::move(reason)); });
}

void overlay::change_sockets() {
  auto& change = changes_.front();
  auto listen = options_.config.interface.listen;
  if (change.whole) {
    const auto& wanted = change.whole->interface.listen;
    if (wanted != listen)
      change.changes.notes.push_back("interface.listen: " + to_string(wanted));
    listen = wanted;
  } else if (change.update.listen_port) {
    listen.port = *change.update.listen_port;
  }
  const auto mark = change.update.fwmark.value_or(fwmark_);
  auto failed
    = [this](caf::error& reason) { finish_change(std::move(reason)); };
  // A port that the kernel shall choose is chosen again when asked for anew.
  const auto& former = options_.config.interface.listen;
  const auto port_asked = change.update.listen_port.has_value();
  if (listen.address != former.address
      || (port_asked && (listen.port != port_ || listen.port == 0))) {
    if (listen.port == 0 && !port_asked)
      listen.port = port_;
    request(socket_, caf::infinite, rebind{listen, mark})
      .then(
        [this, listen, mark](std::uint16_t bound) {
          sockets_changed({listen, mark}, bound);
        },
        failed);
  } else if (mark != fwmark_) {
    request(socket_, caf::infinite, change_fwmark{mark})
      .then(
        [this, listen, mark] {
          sockets_changed({listen, mark}, port_);
        },
        failed);
  } else {
    change_rest();
  }
}

void overlay::sockets_changed(rebind now, std::uint16_t port) {
  auto& listen = options_.config.interface.listen;
  auto former = rebind{listen, fwmark_};
  former.listen.port = port_;
  changes_.front().former_sockets = former;
  changes_.front().former_listen = listen;
  listen = now.listen;
  fwmark_ = now.fwmark;
  shared_fwmark_->store(fwmark_);
  port_ = port;
  change_rest();
}

void overlay::take_back_sockets(caf::error reason) {
  const auto& former = changes_.front().former_sockets;
  if (!former) {
    finish_change(std::move(reason));
    return;
  }
  request(socket_, caf::infinite, *former)
    .then(
      [this, reason](std::uint16_t port) {
        options_.config.interface.listen = changes_.front().former_listen;
        fwmark_ = changes_.front().former_sockets->fwmark;
        shared_fwmark_->store(fwmark_);
        port_ = port;
        finish_change(reason);
      },
      [this, reason](const caf::error& failure) {
        const auto text = error_message(reason)
                          + "; and the former socket cannot be opened "
                          + "again, so port " + std::to_string(port_)
                          + " stays in use: " + error_message(failure);
        changes_.front().half_done = true;
        finish_change(
          make_error(error_code(reason), text, error_field(reason)));
      });
}

void overlay::change_rest() {
  auto& change = changes_.front();
  if (change.whole) {
    if (auto reason = change_host(*change.whole)) {
      take_back_sockets(std::move(reason));
      return;
    }
  }
  apply_identity(change.update.private_key);
}

caf::error overlay::change_host(const node_config& wanted) {
  auto& notes = changes_.front().changes.notes;
  auto& current = options_.config.interface;
  const auto& to = wanted.interface;
  const auto& tun = resources_->tun;
  if (tun && options_.configure_link) {
    auto changed = change_link(current, to, *tun);
    if (!changed)
      return make_error(changed.error().code,
                        std::move(changed.error().message), "interface");
    std::move(changed->begin(), changed->end(), std::back_inserter(notes));
  } else if (!tun && to.mtu != current.mtu) {
    notes.push_back("interface.mtu: " + std::to_string(current.mtu) + " -> "
                    + std::to_string(to.mtu));
  }
  if (!tun || options_.configure_link) {
    current.addresses = to.addresses;
    current.cluster_networks = to.cluster_networks;
    current.mtu = to.mtu;
    set_mtu(to.mtu);
  }
  if (to.name != current.name)
    notes.push_back("interface.name: stays "
                    + resources_->interface + " until weftd is restarted");
  if (to.socket_folder != current.socket_folder)
    notes.emplace_back(
      "interface.socket_folder: stays as it is until weftd is restarted");
  auto& log = options_.config.log;
  if (wanted.log.level != log.level) {
    log.level = wanted.log.level;
    options_.log->set_level(to_spdlog(log.level));
    notes.push_back("log.level: " + std::string{to_string(log.level)});
  }
  if (wanted.log.format != log.format)
    notes.emplace_back("log.format: stays as it is until weftd is restarted");
  return {};
}

void overlay::change_peers() {
  auto& change = changes_.front();
  auto applied
    = [this](const config_changes& peers) { finish_change({}, peers); };
  auto failed
    = [this](caf::error& reason) { finish_change(std::move(reason)); };
  if (change.must_exist)
    request(registry_, caf::infinite,
            change_existing_peer{std::move(change.update.peers.front())})
      .then(applied, failed);
  else
    request(registry_, caf::infinite, std::move(change.update))
      .then(applied, failed);
}

void overlay::add_changes(const config_changes& more) {
  auto& changes = changes_.front().changes;
  changes.peers_added += more.peers_added;
  changes.peers_changed += more.peers_changed;
  changes.peers_removed += more.peers_removed;
  changes.notes.insert(changes.notes.end(), more.notes.begin(),
                       more.notes.end());
}

void overlay::finish_change(caf::error reason, const config_changes& peers) {
  add_changes(peers);
  auto change = std::move(changes_.front());
  changes_.pop_front();
  changes_weight_ -= change.weight;
  if (change.whole) {
    change.whole->interface.private_key.wipe();
    if (reason) {
      reason = refused(std::move(reason), change.half_done);
    } else {
      const auto text = summary(change.changes);
      options_.log->info("configuration applied: {}", text);
      tell_event(event_kind::config_applied, text);
    }
  }
  change.answer(std::move(reason), std::move(change.changes));
  if (!changes_.empty())
    start_change();
}

void overlay::apply_identity(const std::optional<private_key>& key) {
  const auto same
    = !key || (self_ ? self_->private_static() == *key : key->is_zero());
  if (same) {
    change_peers();
    return;
  }
  self_ = key->is_zero() ? nullptr : std::make_shared<const identity>(*key);
  // The peers follow once nobody speaks as the former one any more.
  request(registry_, caf::infinite, change_identity{self_, link_up_})
    .then(
      [this](const config_changes& peers) {
        add_changes(peers);
        change_peers();
      },
      [this](caf::error& reason) { finish_change(std::move(reason)); });
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
