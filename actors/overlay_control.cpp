// Changes to a running overlay, one after the other:
//  1. find what differs, for a whole configuration;
//  2. sockets: if they fail, nothing else has been changed;
//  3. the host: if it fails, the sockets are taken back;
//  4. our key, and the peers, which cannot fail any more.
// And what the overlay tells of itself.
#include "actors/link_setup.hpp"
#include "actors/log_level.hpp"
#include "actors/overlay.hpp"
#include "config/difference.hpp"
#include "config/validate.hpp"
#include "messages/errors.hpp"
#include "platform/clock.hpp"

#include <algorithm>
#include <cerrno>
#include <sstream>

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

} // namespace

// -- requests ----------------------------------------------------------------

caf::result<config_changes> overlay::schedule(waiting_change change) {
  auto promise
    = make_response_promise<caf::typed_response_promise<config_changes>>();
  change.answer = [promise](caf::error reason, config_changes changes) mutable {
    if (reason)
      promise.deliver(std::move(reason));
    else
      promise.deliver(std::move(changes));
  };
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
  changes_.push_back(std::move(change));
  if (changes_.size() == 1)
    start_change();
}

caf::result<config_changes>
overlay::apply_all(const node_config& wanted, std::vector<std::string> notes) {
  if (auto mistake = validate(wanted))
    return refused(to_error(std::move(*mistake)));
  waiting_change change;
  change.whole = wanted;
  change.changes.notes = std::move(notes);
  return schedule(std::move(change));
}

/// A whole configuration that is not taken leaves a line in the log: whoever
/// sent a signal gets no answer.
caf::error overlay::refused(caf::error reason) const {
  options_.log->error("the configuration stays as it was: {}",
                      error_message(reason));
  return reason;
}

caf::result<config_changes> overlay::reload() {
  if (!options_.read_config)
    return refused(make_error(
      ENOTSUP, "this overlay was not started from a file: send it the "
               "configuration itself (weft apply FILE)"));
  auto wanted = options_.read_config();
  if (!wanted) {
    std::istringstream mistakes(wanted.error());
    for (std::string line; std::getline(mistakes, line);)
      options_.log->error("the configuration stays as it was: {}", line);
    return make_error(EINVAL, std::move(wanted.error()), "file");
  }
  std::vector<std::string> notes;
  if (wanted->control != options_.config.control)
    notes.emplace_back("control: stays as it is until weftd is restarted");
  if (wanted->reload != options_.config.reload)
    notes.emplace_back("reload: stays as it is until weftd is restarted");
  return apply_all(*wanted, std::move(notes));
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
    change_sockets();
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
  change_sockets();
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
  port_ = port;
  change_rest();
}

void overlay::take_back_sockets(caf::error reason) {
  const auto& former = changes_.front().former_sockets;
  if (!former) {
    finish_change(std::move(reason));
    return;
  }
  options_.config.interface.listen = changes_.front().former_listen;
  fwmark_ = former->fwmark;
  request(socket_, caf::infinite, *former)
    .then(
      [this, reason](std::uint16_t port) {
        port_ = port;
        finish_change(reason);
      },
      [this, reason](const caf::error&) { finish_change(reason); });
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
  change_peers();
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

void overlay::finish_change(caf::error reason, const config_changes& peers) {
  auto change = std::move(changes_.front());
  changes_.pop_front();
  change.changes.peers_added = peers.peers_added;
  change.changes.peers_changed = peers.peers_changed;
  change.changes.peers_removed = peers.peers_removed;
  change.changes.notes.insert(change.changes.notes.end(), peers.notes.begin(),
                              peers.notes.end());
  if (change.whole) {
    change.whole->interface.private_key.wipe();
    if (reason) {
      reason = refused(std::move(reason));
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
  if (!key)
    return;
  const auto same = self_ ? self_->private_static() == *key : key->is_zero();
  if (same)
    return;
  self_ = key->is_zero() ? nullptr : std::make_shared<const identity>(*key);
  tell_identity();
}

void overlay::tell_event(event_kind kind, std::string reason) {
  overlay_event event;
  event.kind = kind;
  event.reason = std::move(reason);
  send(events_, std::move(event));
}

// -- status ------------------------------------------------------------------

caf::result<device_status> overlay::status(const report_request& asked) {
  struct collection {
    device_status status;
    drop_counters drops;
    std::size_t missing = 4;
  };
  auto promise
    = make_response_promise<caf::typed_response_promise<device_status>>();
  auto all = std::make_shared<collection>();
  auto& status = all->status;
  status.interface = resources_->interface;
  if (self_) {
    status.public_key = self_->public_static();
    if (asked.secrets)
      status.private_key = self_->private_static();
  }
  status.listen = options_.config.interface.listen;
  status.listen_port = port_;
  status.fwmark = fwmark_;
  if (resources_->tun && !resources_->link) {
    if (const auto mtu = resources_->tun->mtu())
      set_mtu(*mtu);
  }
  status.mtu = mtu_;
  auto collected = [all, promise]() mutable {
    if (--all->missing > 0)
      return;
    all->status.drops = to_counts(all->drops, true);
    promise.deliver(std::move(all->status));
  };
  auto failed = [promise](caf::error& reason) mutable {
    promise.deliver(std::move(reason));
  };
  auto add_drops = [all, collected](const drop_report& report) mutable {
    all->drops.add(report.drops);
    collected();
  };
  request(reader_, caf::infinite, asked).then(add_drops, failed);
  request(socket_, caf::infinite, asked).then(add_drops, failed);
  request(gate_, caf::infinite, asked).then(add_drops, failed);
  request(registry_, caf::infinite, asked)
    .then(
      [all, collected](registry_report& report) mutable {
        all->drops.add(report.drops);
        all->status.peers = std::move(report.peers);
        all->status.next_peer = report.next_peer;
        collected();
      },
      failed);
  return promise;
}

} // namespace weft
