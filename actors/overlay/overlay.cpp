#include "actors/overlay/overlay.hpp"

#include "actors/loop/timer.hpp"
#include "actors/overlay/event_hub.hpp"
#include "actors/overlay/log_level.hpp"
#include "actors/overlay/offloads.hpp"
#include "actors/overlay/state_keeper.hpp"
#include "actors/overlay/uapi_server.hpp"
#include "actors/packets/host_writer.hpp"
#include "actors/packets/stranger_port.hpp"
#include "actors/packets/tun_reader.hpp"
#include "actors/packets/udp_port.hpp"
#include "actors/peers/handshake_gate.hpp"
#include "actors/peers/resolver.hpp"
#include "messages/errors.hpp"
#include "platform/checksum_errors.hpp"
#include "platform/kernel_release.hpp"
#include "platform/source_marks.hpp"

#include <algorithm>
#include <cerrno>

namespace weft {

using namespace std::chrono_literals;

overlay::overlay(caf::actor_config& config, io_loop_ptr loop,
                 overlay_options options,
                 std::shared_ptr<overlay_resources> resources)
  : hosted(config, std::move(loop)), options_(std::move(options)),
    resources_(std::move(resources)), port_(resources_->sockets.port()),
    fwmark_(resources_->fwmark),
    probe_mark_(std::make_shared<std::uint32_t>(fwmark_)),
    networks_(std::move(resources_->networks)), mtu_(resources_->mtu),
    automatic_mtu_(mtu_), started_(this->loop().moment().wall),
    link_up_(!resources_->link || resources_->link->is_up()),
    helper_(resources_->interface, options_.ask_helper),
    checksums_(count_checksum_errors()),
    locks_(can_lock()
           && (options_.config.interface.kill_switch || options_.keep_lock)),
    lock_stays_(options_.keep_lock && !options_.config.interface.kill_switch) {
  const auto& inherited = options_.inherited;
  const auto* before = inherited ? inherited->state.get() : nullptr;
  indices_
    = before != nullptr
        ? std::make_shared<const receiver_index_codec>(before->indices)
        : std::make_shared<const receiver_index_codec>(this->loop().random());
  const auto& key = options_.config.interface.private_key;
  if (!key.is_zero())
    self_ = std::make_shared<const identity>(key);
  options_.config.interface.private_key.wipe();
  set_down_handler([this](const caf::down_msg& down) { part_ended(down); });
}

namespace {

key_pair draw_keys(random_source& random) {
  key_pair keys;
  keys.secret = generate_private_key(random);
  keys.shared = derive_public_key(keys.secret);
  return keys;
}

void forget_monitors(io_loop& loop, const overlay_resources& all) {
  if (all.link)
    loop.forget(all.link->descriptor());
  if (all.routes)
    loop.forget(all.routes->descriptor());
  if (all.machine)
    loop.forget(all.machine->descriptor());
}

} // namespace

// NOLINTNEXTLINE(readability-function-size): an entry for each message
overlay::behavior_type overlay::make_behavior() {
  spawn_actors();
  watch_link();
  options_.inherited.reset();
  watch_firewall();
  if (leads_all_v4())
    helper_.expect_marked(find_strict_links(resources_->interface));
  look_around_later();
  return {
    [this](const device_update& update) { return apply(update); },
    [this](const report_request& request) { return status(request); },
    [this](const get_status& asked) {
      return status({false, asked.first_peer,
                     std::min(asked.max_peers, get_status::most),
                     get_status::most_prefixes});
    },
    [this](const apply_config& asked) { return apply_all(asked); },
    [this](const reload_config& asked) { return reload(asked); },
    [this](const add_peer& asked) { return add(asked); },
    [this](const update_peer& asked) { return change(asked); },
    [this](const remove_peer& asked) { return remove(asked.peer); },
    [this](const set_endpoint& asked) {
      patch<peer_config> update;
      update.public_key = asked.peer;
      update.set(&peer_config::endpoint, asked.where);
      return change({std::move(update)});
    },
    [this](const add_allowed_ip& asked) {
      return change_allowed_ip(asked.peer, asked.prefix, false);
    },
    [this](const remove_allowed_ip& asked) {
      return change_allowed_ip(asked.peer, asked.prefix, true);
    },
    [this](const check_handshake& asked) { return delegate(registry_, asked); },
    [this](const begin_handshake& asked) { return delegate(registry_, asked); },
    [this](const generate_keys&) { return draw_keys(loop().random()); },
    [this](const set_log_level& asked) { return change_level(asked.level); },
    [this](const subscribe& asked) { return delegate(events_, asked); },
    [this](const unsubscribe& asked) { return delegate(events_, asked); },
    [this](const interface_lost& lost) { interface_ended(lost.reason); },
    [this](const remote_control_changed& news) {
      remote_control_changes(news.why_closed);
    },
    [this](access_changed& news) { access_ = std::move(news.report); },
    [this](network_changed& news) { network_ = std::move(news.status); },
    [this](overlay_event& event) { send(events_, std::move(event)); },
    [this](const get_foreign_peers&) { return foreign(); },
    [this](config_read& read) { config_was_read(read); },
    [this](const machine_cloned&) { begin_sessions_anew(); },
    [this](const prepare_to_leave&) { return prepare_to_end(); },
    [this](const hand_over&) { return stand_still(); },
    [this](const thaw&) { thaw_all(); },
    [this](const leave& asked) {
      return end_for_successor(asked.process_ends);
    },
    [this](const inherit_node& asked) { return begin_with(asked); },
    [this](const shut_down&) -> caf::result<void> {
      quit(caf::exit_reason::user_shutdown);
      return caf::unit;
    },
    [this](const get_configuration& asked) { return configuration(asked); },
    [this](const expect_file& asked) { return expect(asked); },
    [this](const confirm_config&) { return confirm(); },
    [this](const reset_peer& asked) { return reset(asked); },
    [this](const set_offloads& asked) {
      return change_offloads(asked.offloads);
    },
  };
}

// -- start -------------------------------------------------------------------

void overlay::spawn_actors() {
  auto& home = system();
  const auto& control = resources_->control_loop;
  auto supervise = [this](const auto& part, std::string name) {
    monitor(part);
    parts_.emplace_back(part.address(), std::move(name));
  };

  spawn_lane();
  for (const auto& each : lanes_) {
    supervise(each.timer, "timer");
    supervise(each.socket, "udp_port");
    for (const auto& reader : each.readers)
      supervise(reader, resources_->tun ? "tun_reader" : "packet_port");
    if (resources_->tun)
      supervise(each.writer, "host_writer");
    for (const auto& writer : helping_writers_)
      supervise(writer, "host_writer");
  }
  for (const auto& thread : resources_->cipher_threads)
    monitor(thread.worker);
  strangers_ = home.spawn<stranger_port>(
    resources_->handshake_loop, lanes_.front().socket,
    std::make_shared<detail_log>(options_.log, resources_->handshake_loop),
    has_predecessor());
  supervise(strangers_, "stranger_port");
  std::vector<handshake_source_actor> sources{strangers_};
  for (const auto& each : lanes_)
    sources.emplace_back(each.socket);
  gate_
    = home.spawn<handshake_gate>(resources_->handshake_loop, std::move(sources),
                                 indices_, change_identity{self_, link_up_},
                                 options_.log, inherited_cookies());
  supervise(gate_, "handshake_gate");
  events_ = home.spawn<event_hub>(control, resources_->interface, options_.log);
  supervise(events_, "event_hub");
  resolver_ = home.spawn<resolver>(control);
  supervise(resolver_, "resolver");
  for (auto& found : std::exchange(resources_->names, {}))
    send(resolver_, std::move(found));
  choose_way_of_names();
  auto& state = options_.state;
  auto remembered = state.remembered;
  if (state.write) {
    keeper_ = home.spawn<state_keeper>(control, std::move(state), options_.log);
    supervise(keeper_, "state_keeper");
  }
  registry_ = home.spawn<registry>(
    control, lanes_,
    registry_neighbours{gate_, resolver_, events_, keeper_,
                        std::move(remembered), own_tunnel_probe()},
    indices_, change_identity{self_, link_up_}, options_.log);
  supervise(registry_, "registry");
  if (resources_->uapi) {
    const auto me = caf::actor_cast<overlay_root_actor>(this);
    uapi_ = home.spawn<uapi_server>(control, std::move(*resources_->uapi), me);
    supervise(uapi_, "uapi_server");
  }
}

void overlay::spawn_lane() {
  const auto probe = [](const network_path& path, std::uint32_t fwmark) {
    return leads_into_tunnel(path.remote.address,
                             path.local ? path.local->address : ip_address{},
                             fwmark);
  };
  lane made;
  made.loop = resources_->packet_loop;
  made.space = std::make_shared<workspace>(indices_, probe, source_holds);
  made.space->lines = std::make_shared<detail_log>(options_.log, made.loop);
  made.space->desk = resources_->desk;
  made.timer = system().spawn<timer>(made.loop);
  made.socket = system().spawn<udp_port>(
    made.loop, made.space, std::move(resources_->sockets),
    options_.config.interface.listen, fwmark_,
    features_for(options_.config, kernel_release()),
    std::move(resources_->strangers), inherited_endpoints());
  if (resources_->tun) {
    spawn_device_actors(made);
  } else {
    made.readers = {resources_->port};
    made.writer = resources_->port;
  }
  lanes_.push_back(std::move(made));
}

/// Without device loops each queue has one reader, and the lane all of them.
void overlay::spawn_device_actors(lane& made) {
  const auto& others = resources_->device_loops;
  std::vector<std::shared_ptr<const tun_device>> queues{resources_->tun};
  queues.insert(queues.end(), resources_->more_queues.begin(),
                resources_->more_queues.end());
  made.space->readers = queues.size();
  const auto batches = packet_router::pool_size_of(
    others.empty() ? queues.size() : 2 * queues.size());
  std::vector<device_relief::queue> in_turns;
  for (std::size_t i = 0; i < queues.size(); ++i) {
    auto own = spawn_reader(made.loop, queues[i], made.space->lines,
                            made.space->desk, {i, true, batches});
    made.readers.emplace_back(own);
    if (others.empty())
      continue;
    const auto& loop = others[i % others.size()];
    auto relief = spawn_reader(loop, queues[i],
                               std::make_shared<detail_log>(options_.log, loop),
                               nullptr, {i, false, batches});
    made.readers.emplace_back(relief);
    in_turns.push_back({std::move(own), std::move(relief)});
  }
  for (const auto& loop : others)
    helping_writers_.emplace_back(
      system().spawn<host_writer>(loop, sink_into(resources_->tun)));
  const helped_writer_actor writer = system().spawn<host_writer>(
    made.loop, sink_into(resources_->tun), helping_writers_);
  made.writer = writer;
  if (!others.empty())
    send(made.socket,
         relieve{std::make_shared<device_relief>(
           made.loop, others, std::move(in_turns), writer, made.space->desk)});
}

queue_reader_actor
overlay::spawn_reader(const io_loop_ptr& loop,
                      std::shared_ptr<const tun_device> queue,
                      std::shared_ptr<detail_log> lines,
                      std::shared_ptr<cipher_desk> desk,
                      const reader_place& place) {
  const auto me = caf::actor_cast<overlay_root_actor>(this);
  queue_reader_actor reader = system().spawn<tun_reader>(
    loop, std::move(queue), mtu_,
    [weak = caf::actor_cast<caf::weak_actor_ptr>(me)] {
      if (auto self = weak.lock())
        caf::anon_send(caf::actor_cast<overlay_root_actor>(self),
                       interface_lost{"its device is gone"});
    },
    std::move(lines), has_predecessor(), std::move(desk), place);
  read_in_groups(reader);
  return reader;
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
  machine_handler_.changed = [this] {
    enter_loop_context();
    if (resources_->machine->read())
      begin_sessions_anew();
  };
  machine_handler_.broken = [this] { fail(); };
  // What an earlier process has not seen is for begin_with().
  auto& machine = resources_->machine;
  if (machine && !has_predecessor())
    std::ignore
      = loop().watch(machine->descriptor(), interest::read, &machine_handler_);
}

// -- the host ----------------------------------------------------------------

void overlay::link_changed() {
  enter_loop_context();
  for (const auto& event : resources_->link->read()) {
    switch (event.what) {
      case link_event::kind::removed:
        loop().forget(resources_->link->descriptor());
        if (!resources_->tun->still_exists()) {
          send(caf::actor_cast<overlay_root_actor>(this),
               interface_lost{"it was deleted"});
          return;
        }
        // It was moved to another network namespace.  A monitor there would
        // keep that namespace alive, so from now on the link counts as up.
        resources_->link.reset();
        if (resources_->host)
          resources_->host->let_go();
        link_up_ = true;
        tell_identity();
        return;
      case link_event::kind::mtu_changed:
        set_mtu(event.mtu);
        repair_host_soon();
        break;
      case link_event::kind::up:
      case link_event::kind::down:
        set_link_up(event.what == link_event::kind::up);
        break;
    }
  }
}

void overlay::set_link_up(bool up) {
  link_up_ = up;
  if (up) {
    // The kernel has forgotten routes, and what is of IPv6.
    repair_limits_.reset();
    repair_host(false);
  } else if (resources_->host) {
    const bool leaks = is_full_tunnel_now() && !is_locked();
    options_.log->warn(
      "{} was set down: {} until it is set up again (ip link set {} up, or "
      "weft reload)",
      resources_->interface,
      leaks ? "as it has no lock (kill_switch), all traffic of this host "
              "leaves beside the tunnel"
            : "nothing passes through it",
      resources_->interface);
  }
  tell_identity();
}

void overlay::set_mtu(std::uint32_t mtu) {
  if (mtu == mtu_)
    return;
  mtu_ = mtu;
  for (const auto& each : lanes_)
    for (const auto& reader : each.readers)
      send(reader, mtu_changed{mtu});
}

void overlay::routes_changed_somehow() {
  enter_loop_context();
  if (!resources_->routes->read())
    return;
  repair_host_soon();
  if (routes_settle_)
    return;
  // Changes come in groups: deal with a group at once.
  routes_settle_ = call_at(loop().now() + 100ms, [this] {
    routes_settle_ = {};
    follow_routes();
    send(registry_, host_routes_changed{});
  });
}

void overlay::interface_ended(const std::string& why) {
  options_.log->error("interface {} was lost: {}; shutting down",
                      resources_->interface, why);
  tell_event(event_kind::interface_lost, why);
  quit(make_error(ENODEV, "interface lost: " + why));
}

// -- end ---------------------------------------------------------------------

void overlay::part_ended(const caf::down_msg& down) {
  if (cipher_worker_ended(down))
    return;
  for (const auto& [address, name] : parts_) {
    if (address != down.source)
      continue;
    options_.log->critical("{} failed ({}); shutting down", name,
                           caf::to_string(down.reason));
    quit(make_error(EIO, name + " failed"));
    return;
  }
}

/// The others do its work.
bool overlay::cipher_worker_ended(const caf::down_msg& down) {
  auto& threads = resources_->cipher_threads;
  const auto ended
    = std::find_if(threads.begin(), threads.end(), [&](const auto& thread) {
        return thread.worker == down.source;
      });
  if (ended == threads.end())
    return false;
  options_.log->error("a thread that seals packets failed ({}): {} are left",
                      caf::to_string(down.reason), threads.size() - 1);
  ended->loop->stop();
  threads.erase(ended);
  return true;
}

void overlay::on_exit() {
  forget_monitors(loop(), *resources_);
  if (is_left_ && resources_->host)
    resources_->host->leave_as_is();
  resources_->host.reset();
  if (!is_left_)
    leave_source_marks();
  if (resources_->lock) {
    loop().forget(resources_->lock->descriptor());
    if (lock_is_on_trial())
      std::ignore = resources_->lock->lift();
  }
  threads_.close();
  parts_.clear();
  const auto stop = [this](auto& part) {
    if (part)
      send_exit(part, caf::exit_reason::user_shutdown);
    part = nullptr;
  };
  stop(uapi_);
  stop(resolver_);
  stop(gate_);
  stop(strangers_);
  for (auto& each : lanes_)
    for (auto& reader : each.readers)
      stop(reader);
  if (!process_ends_)
    stop(registry_);
  for (auto& each : lanes_) {
    stop(each.writer);
    stop(each.socket);
    stop(each.timer);
  }
  lanes_.clear();
  for (auto& writer : helping_writers_)
    stop(writer);
  for (const auto& loop : resources_->device_loops)
    loop->stop();
  // The peers may still have jobs there: what is not begun comes back to them.
  for (auto& thread : resources_->cipher_threads) {
    stop(thread.worker);
    thread.loop->stop();
  }
  stop(events_);
  stop(keeper_);
  reload_.wanted = reload_state::aim::nothing;
  answer_waiting(make_error(ESHUTDOWN, "the overlay has ended"));
  // The registry stops the lanes' loops: it may still have peers to end there.
  resources_->handshake_loop->stop();
  resources_->control_loop->stop();
  resources_.reset();
  self_.reset();
}

void overlay::answer_waiting(const caf::error& ended) {
  if (preparing_.pending())
    preparing_.deliver(ended);
  if (const auto given = std::exchange(hand_over_, nullptr)) {
    if (given->promise.pending())
      given->promise.deliver(ended);
    if (given->leaves.pending())
      given->leaves.deliver(ended);
  }
  for (auto& change : std::exchange(changes_, {}))
    change.answer(ended, {});
  for (auto* asked : {&reload_.present, &reload_.next}) {
    for (auto& each : std::exchange(*asked, {}))
      each.answer(ended, {});
  }
  for (const auto& round : std::exchange(rounds_, {})) {
    for (auto* asked : {&round->present, &round->waiting}) {
      for (auto& promise : std::exchange(*asked, {}))
        promise.deliver(ended);
    }
  }
}

void overlay::tell_identity() {
  caf::anon_send(registry_, change_identity{self_, link_up_});
}

void overlay::begin_sessions_anew() {
  if (hand_over_)
    hand_over_->is_void = true;
  options_.log->warn("this machine was restored from a snapshot or cloned: all "
                     "sessions end, and begin anew with other keys");
  tell_identity();
}

} // namespace weft
