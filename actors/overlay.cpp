#include "actors/overlay.hpp"

#include "actors/handshake_gate.hpp"
#include "actors/resolver.hpp"
#include "actors/timer.hpp"
#include "actors/tun_reader.hpp"
#include "actors/uapi_server.hpp"
#include "actors/udp_port.hpp"
#include "messages/errors.hpp"

#include <cerrno>

namespace weft {

using namespace std::chrono_literals;

overlay::overlay(caf::actor_config& config, io_loop_ptr loop,
                 overlay_options options,
                 std::shared_ptr<overlay_resources> resources)
  : hosted(config, std::move(loop)), options_(std::move(options)),
    resources_(std::move(resources)), port_(resources_->sockets.port()),
    fwmark_(options_.config.interface.fwmark),
    mtu_(options_.config.interface.mtu),
    link_up_(!resources_->link || resources_->link->is_up()) {
  system_random random;
  indices_ = std::make_shared<const receiver_index_codec>(random);
  const auto& key = options_.config.interface.private_key;
  if (!key.is_zero())
    self_ = std::make_shared<const identity>(key);
  options_.config.interface.private_key.wipe();
  set_down_handler([this](const caf::down_msg& down) { part_ended(down); });
}

overlay::behavior_type overlay::make_behavior() {
  spawn_actors();
  watch_link();
  return {
    [this](const device_update& update) { return apply(update); },
    [this](const report_request& request) { return status(request); },
    [this](const interface_lost& lost) { interface_ended(lost.reason); },
    [this](const routes_settled&) {
      routes_check_due_ = false;
      send(registry_, source_lost{});
    },
    [this](const shut_down&) { quit(caf::exit_reason::user_shutdown); },
  };
}

// -- start -------------------------------------------------------------------

void overlay::spawn_actors() {
  auto& home = system();
  const auto& control = resources_->control_loop;
  const auto& tun = resources_->tun;
  auto supervise = [this](const auto& part, std::string name) {
    monitor(part);
    parts_.emplace_back(part.address(), std::move(name));
  };

  std::vector<packet_loop> placements;
  for (const auto& loop : resources_->packet_loops) {
    timers_.push_back(home.spawn<timer>(loop));
    supervise(timers_.back(), "timer");
    placements.push_back({loop,
                          std::make_shared<workspace>(sink_into(tun), indices_),
                          timers_.back()});
  }
  const auto& reading = resources_->packet_loops.front();
  socket_ = home.spawn<udp_port>(reading, std::move(resources_->sockets),
                                 options_.config.interface.listen, fwmark_,
                                 options_.offload);
  supervise(socket_, "udp_port");
  const auto me = caf::actor_cast<overlay_actor>(this);
  reader_ = home.spawn<tun_reader>(
    reading, tun, mtu_, [weak = caf::actor_cast<caf::weak_actor_ptr>(me)] {
      if (auto self = weak.lock())
        caf::anon_send(caf::actor_cast<overlay_actor>(self),
                       interface_lost{"its device is gone"});
    });
  supervise(reader_, "tun_reader");
  gate_
    = home.spawn<handshake_gate>(resources_->handshake_loop, socket_, indices_,
                                 change_identity{self_, link_up_});
  supervise(gate_, "handshake_gate");
  resolver_ = home.spawn<resolver>(control);
  supervise(resolver_, "resolver");
  registry_ = home.spawn<registry>(
    control, std::move(placements),
    registry_neighbours{reader_, socket_, gate_, resolver_}, indices_,
    change_identity{self_, link_up_}, options_.log);
  supervise(registry_, "registry");
  uapi_ = home.spawn<uapi_server>(control, std::move(resources_->uapi), me);
  supervise(uapi_, "uapi_server");
}

void overlay::watch_link() {
  link_handler_.changed = [this] { link_changed(); };
  link_handler_.broken = [this] { fail(); };
  route_handler_.changed = [this] { routes_changed_somehow(); };
  route_handler_.broken = [this] { fail(); };
  auto& link = resources_->link;
  if (link)
    std::ignore
      = loop().watch(link->descriptor(), interest::read, &link_handler_);
  auto& changes = resources_->routes;
  if (changes)
    std::ignore
      = loop().watch(changes->descriptor(), interest::read, &route_handler_);
}

// -- the host ----------------------------------------------------------------

void overlay::link_changed() {
  enter_loop_context();
  for (const auto& event : resources_->link->read()) {
    switch (event.what) {
      case link_event::kind::removed:
        loop().forget(resources_->link->descriptor());
        if (!resources_->tun->still_exists()) {
          send(caf::actor_cast<overlay_actor>(this),
               interface_lost{"it was deleted"});
          return;
        }
        // It was moved to another network namespace.  A monitor there would
        // keep that namespace alive, so from now on the link counts as up.
        resources_->link.reset();
        link_up_ = true;
        tell_identity();
        return;
      case link_event::kind::mtu_changed:
        set_mtu(event.mtu);
        break;
      case link_event::kind::up:
      case link_event::kind::down:
        link_up_ = event.what == link_event::kind::up;
        if (link_up_)
          restore_routes();
        tell_identity();
        break;
    }
  }
}

void overlay::restore_routes() {
  // The kernel forgets them when the link goes down.
  if (!options_.configure_link)
    return;
  auto network = network_configurator::open();
  for (const auto& prefix : options_.config.interface.cluster_networks) {
    const auto added
      = network ? network->add_route(resources_->tun->interface_index(), prefix)
                : result<void>(tl::unexpected(network.error()));
    if (!added)
      options_.log->warn("{}", added.error().message);
  }
}

void overlay::set_mtu(std::uint32_t mtu) {
  if (mtu == mtu_)
    return;
  mtu_ = mtu;
  send(reader_, mtu_changed{mtu});
}

void overlay::routes_changed_somehow() {
  enter_loop_context();
  if (!resources_->routes->read() || routes_check_due_)
    return;
  // Changes come in groups: deal with a group at once.
  routes_check_due_ = true;
  delayed_send(caf::actor_cast<overlay_actor>(this), 100ms, routes_settled{});
}

void overlay::interface_ended(const std::string& why) {
  options_.log->error("interface {} was lost: {}; shutting down",
                      resources_->tun->name(), why);
  quit(make_error(ENODEV, "interface lost: " + why));
}

// -- end ---------------------------------------------------------------------

void overlay::part_ended(const caf::down_msg& down) {
  for (const auto& [address, name] : parts_) {
    if (address != down.source)
      continue;
    options_.log->critical("{} failed ({}); shutting down", name,
                           caf::to_string(down.reason));
    quit(make_error(EIO, name + " failed"));
    return;
  }
}

void overlay::on_exit() {
  if (resources_->link)
    loop().forget(resources_->link->descriptor());
  if (resources_->routes)
    loop().forget(resources_->routes->descriptor());
  parts_.clear();
  const auto stop = [this](auto& part) {
    if (part)
      send_exit(part, caf::exit_reason::user_shutdown);
    part = nullptr;
  };
  stop(uapi_);
  stop(resolver_);
  stop(gate_);
  stop(reader_);
  stop(registry_);
  stop(socket_);
  for (auto& part : timers_)
    stop(part);
  // The registry stops the packet loops: it may still have peers to end there.
  resources_->handshake_loop->stop();
  resources_->control_loop->stop();
  resources_.reset();
  self_.reset();
}

// -- control -----------------------------------------------------------------

caf::result<void> overlay::apply(const device_update& update) {
  auto promise = make_response_promise();
  updates_.push_back({update, promise});
  if (updates_.size() == 1)
    apply_next();
  return promise;
}

void overlay::finish_update(caf::error reason) {
  auto promise = std::move(updates_.front().promise);
  updates_.pop_front();
  if (reason)
    promise.deliver(std::move(reason));
  else
    promise.deliver(caf::unit_t{});
  if (!updates_.empty())
    apply_next();
}

void overlay::apply_next() {
  const auto& update = updates_.front().update;
  const auto port = update.listen_port.value_or(port_);
  const auto mark = update.fwmark.value_or(fwmark_);
  auto failed
    = [this](caf::error& reason) { finish_update(std::move(reason)); };
  // The sockets come first: if they fail, nothing else has been changed.
  auto rest = [this, failed, mark] {
    fwmark_ = mark;
    apply_identity(updates_.front().update.private_key);
    request(registry_, caf::infinite, std::move(updates_.front().update))
      .then([this] { finish_update({}); }, failed);
  };
  if (update.listen_port && (port != port_ || port == 0)) {
    request(socket_, caf::infinite, rebind{port, mark})
      .then(
        [this, rest](std::uint16_t bound) {
          port_ = bound;
          rest();
        },
        failed);
  } else if (mark != fwmark_) {
    request(socket_, caf::infinite, change_fwmark{mark}).then(rest, failed);
  } else {
    rest();
  }
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

void overlay::tell_identity() {
  send(registry_, change_identity{self_, link_up_});
}

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
  status.interface = resources_->tun->name();
  if (self_) {
    status.public_key = self_->public_static();
    if (asked.secrets)
      status.private_key = self_->private_static();
  }
  status.listen_port = port_;
  status.fwmark = fwmark_;
  if (!resources_->link) {
    if (const auto mtu = resources_->tun->mtu())
      set_mtu(*mtu);
  }
  status.mtu = mtu_;
  auto collected = [all, promise]() mutable {
    if (--all->missing > 0)
      return;
    for (std::size_t i = 0; i < drop_reason_count; ++i) {
      const auto reason = static_cast<drop_reason>(i);
      all->status.drops.push_back(
        {std::string{to_string(reason)}, all->drops[reason]});
    }
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
        collected();
      },
      failed);
  return promise;
}

} // namespace weft
