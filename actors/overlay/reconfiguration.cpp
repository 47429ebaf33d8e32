#include "actors/overlay/reconfiguration.hpp"

#include <utility>

namespace weft {

namespace {

/// The port that is configured is looked at only when it is asked for: one that
/// the kernel chose stays, unless it shall choose again.
bool needs_sockets(const device_settings& from, const device_settings& to,
                   bool port_asked) {
  if (to.interface.listen.address != from.interface.listen.address)
    return true;
  return port_asked && (to.port != from.port || to.port == 0);
}

bool same_on_host(const device_settings& a, const device_settings& b) {
  const auto host_part = [](const device_settings& settings) {
    interface_config part;
    copy_host_part(settings.interface, part);
    part.kill_switch
      = settings.interface.kill_switch; // its routes lead nowhere
    // The rules of a full tunnel look for the mark.
    if (is_full_tunnel(part, settings.networks))
      part.fwmark = settings.interface.fwmark;
    return part;
  };
  return a.networks == b.networks && host_part(a) == host_part(b);
}

} // namespace

void copy_host_part(const interface_config& from, interface_config& to) {
  to.mtu = from.mtu;
  to.addresses = from.addresses;
  to.cluster_networks = from.cluster_networks;
  to.routes = from.routes;
  to.table = from.table;
  to.metric = from.metric;
}

bool same_lock(const interface_config& a, const interface_config& b) {
  return a.kill_switch == b.kill_switch
         && a.kill_switch_allow == b.kill_switch_allow
         && a.keep_inbound == b.keep_inbound;
}

void copy_lock_part(const interface_config& from, interface_config& to) {
  to.kill_switch = from.kill_switch;
  to.kill_switch_allow = from.kill_switch_allow;
  to.keep_inbound = from.keep_inbound;
}

reconfiguration::reconfiguration(device_settings former,
                                 const device_update& update,
                                 const interface_config* whole, bool sets_link,
                                 peer_networks networks)
  : former_(std::move(former)), wanted_(former_), in_force_(former_) {
  auto& wanted = wanted_.interface;
  const auto port_asked = update.listen_port.has_value();
  if (whole) {
    wanted.listen = whole->listen;
    if (sets_link) {
      copy_host_part(*whole, wanted);
      copy_lock_part(*whole, wanted);
      wanted_.networks = std::move(networks);
    }
  } else if (port_asked) {
    wanted.listen.port = *update.listen_port;
  }
  if (port_asked)
    wanted_.port = wanted.listen.port;
  wanted.fwmark = update.fwmark.value_or(wanted.fwmark);
  if (update.private_key)
    wanted.private_key = *update.private_key;

  const auto& now = former_.interface;
  const auto sockets = needs_sockets(former_, wanted_, port_asked);
  const auto mark = !sockets && wanted.fwmark != now.fwmark;
  const auto lock = !same_lock(now, wanted);
  const auto host = !same_on_host(former_, wanted_);
  const auto key = wanted.private_key != now.private_key;
  const auto peers = !update.peers.empty() || update.replace_peers;
  const auto add = [this](step what, bool is_needed) {
    if (is_needed)
      steps_.push_back(what);
  };
  // The registry looks for itself when it is the only one.
  add(step::check_peers, peers && (sockets || mark || lock || host || key));
  add(step::sockets, sockets);
  add(step::mark, mark);
  add(step::lock, lock);
  add(step::host, host);
  add(step::identity, key);
  add(step::peers, peers);
  over_ = steps_.empty();
  // What takes no step is in force at once.
  if (over_)
    in_force_ = wanted_;
}

std::optional<reconfiguration::step> reconfiguration::next() const {
  if (over_)
    return std::nullopt;
  return steps_[position_];
}

void reconfiguration::done() {
  switch (steps_[position_]) {
    case step::sockets:
      in_force_.interface.listen = to().interface.listen;
      in_force_.port = to().port;
      in_force_.interface.fwmark = to().interface.fwmark;
      break;
    case step::mark:
      in_force_.interface.fwmark = to().interface.fwmark;
      break;
    case step::lock:
      copy_lock_part(to().interface, in_force_.interface);
      break;
    case step::host:
      copy_host_part(to().interface, in_force_.interface);
      in_force_.networks = to().networks;
      break;
    case step::identity:
      in_force_.interface.private_key = to().interface.private_key;
      break;
    case step::check_peers:
    case step::peers:
      break;
  }
  if (takes_back_) {
    step_back();
  } else if (++position_ == steps_.size()) {
    in_force_ = wanted_;
    over_ = true;
  }
}

void reconfiguration::bound(std::uint16_t port) {
  (takes_back_ ? former_ : wanted_).port = port;
  done();
}

void reconfiguration::failed(failure why) {
  if (!takes_back_) {
    reason_ = std::move(why);
    takes_back_ = true;
  } else {
    half_done_ = true;
    reason_->message += "; and " + what_stays(why.message);
  }
  step_back();
}

/// To the one before that has something to be taken back.
void reconfiguration::step_back() {
  do {
    if (position_ == 0) {
      over_ = true;
      return;
    }
    --position_;
  } while (steps_[position_] == step::check_peers);
}

std::string reconfiguration::what_stays(const std::string& why) const {
  switch (steps_[position_]) {
    case step::sockets:
      return "the former socket cannot be opened again, so port "
             + std::to_string(in_force_.port) + " stays in use: " + why;
    case step::mark:
      return "the mark " + std::to_string(in_force_.interface.fwmark)
             + " stays: " + why;
    case step::lock:
      return "what may leave beside the tunnel stays as it was changed: " + why;
    case step::host:
      return "what was changed on the host stays: " + why;
    case step::identity:
      return "the new private key stays in use: " + why;
    case step::check_peers:
    case step::peers:
      break;
  }
  return why;
}

} // namespace weft
