#include "actors/overlay/start_overlay.hpp"

#include "actors/host/automatic_mtu.hpp"
#include "actors/overlay/log_level.hpp"
#include "actors/overlay/offloads.hpp"
#include "actors/overlay/overlay.hpp"
#include "actors/overlay/overlay_loops.hpp"
#include "actors/packets/packet_port.hpp"
#include "actors/peers/resolver.hpp"
#include "config/assurance.hpp"
#include "config/difference.hpp"
#include "config/fields.hpp"
#include "config/validate.hpp"
#include "messages/errors.hpp"
#include "platform/kernel_release.hpp"
#include "platform/memory.hpp"
#include "platform/tun_device.hpp"
#include "platform/tun_name.hpp"
#include "protocol/tunnel/noise.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>

namespace weft {

namespace {

/// Interface name as wg(8) looks for its socket.
std::string uapi_path(const interface_config& config) {
  return config.socket_folder + '/' + config.name + ".sock";
}

/// Whoever has taken another's place goes on without what it cannot have, for
/// nobody else would be there.
bool goes_on_without(const overlay_options& options, const system_error& what) {
  if (!options.inherited || !options.inherited->state)
    return false;
  options.log->error("{}: it goes on without this until weftd is restarted: {}",
                     options.config.interface.name, what.message);
  return true;
}

/// Before anything is made anew that the process before may still have.
void await_former(const overlay_options& options) {
  if (options.inherited && options.inherited->await_end)
    options.inherited->await_end();
}

/// All queues that an earlier overlay has left: what waits in one that is
/// closed would be lost.
std::vector<file_descriptor> take_queues(std::vector<named_descriptor>& from) {
  std::vector<file_descriptor> queues;
  while (queues.size() < most_device_queues) {
    auto next = take(from, name_of_queue(queues.size()));
    if (!next)
      break;
    queues.push_back(std::move(next));
  }
  return queues;
}

/// The device, and its further queues: one for each core that reads it.
result<std::vector<tun_device>> open_tun(overlay_options& options) {
  const tun_device::options wanted{options.config.offloads.tun
                                   != offload_mode::off};
  if (options.inherited) {
    auto& all = options.inherited->descriptors;
    if (auto left = take_queues(all); !left.empty())
      return tun_device::adopt_queues(std::move(left),
                                      take(all, name_of_writing), wanted);
  }
  auto& config = options.config.interface;
  auto* given = std::get_if<adopt_tun_device>(&options.device);
  if (given == nullptr) {
    await_former(options);
    auto made = tun_device::create_queues(
      config.name, wanted,
      std::max<std::size_t>(device_cores(options.cores), 1));
    if (made)
      config.name = made->front().name();
    return made;
  }
  auto tun = tun_device::adopt(std::move(given->opened), wanted);
  if (!tun)
    return tl::unexpected(tun.error());
  config.name = tun->name();
  if (!options.configure_link) {
    if (const auto mtu = tun->mtu())
      config.mtu = *mtu;
  }
  std::vector<tun_device> made;
  made.push_back(std::move(*tun));
  return made;
}

/// What is to be known before the host is set for a TUN device.
result<void>
prepare_host(const overlay_options& options, overlay_resources& opened) {
  const auto& config = options.config.interface;
  const auto& tun = *opened.tun;
  if (tun.interface_index() == 0)
    return tl::unexpected(system_error{
      ENODEV, "Cannot configure " + tun.name()
                + ": it is in another network namespace. Configure it "
                  "there, and have weft leave it as it is"});
  const auto* before
    = options.inherited ? options.inherited->state.get() : nullptr;
  opened.networks = networks_of(config, options.config.peers);
  const bool wants_mark
    = options.keep_lock || needs_mark(config, opened.networks);
  // Also without a keeper: the rules for it are there, and would lead the
  // tunnel's own packets into it.
  if (config.fwmark == 0 && wants_mark && before != nullptr)
    opened.fwmark = before->fwmark;
  auto host
    = host_keeper::open(tun.interface_index(), config.name, before != nullptr);
  if (!host)
    return tl::unexpected(host.error());
  opened.host = std::move(*host);
  for (const auto& what : opened.host->leftovers())
    options.log->info("{} was killed before: {} is removed", config.name, what);
  // With a lock it is too late.
  if (before == nullptr && is_full_tunnel(config, opened.networks)
      && !config.kill_switch && !options.keep_lock)
    opened.names = resolver::look_up_before_tunnel(options.config.peers);
  for (const auto& name : opened.names)
    if (name.found.empty())
      options.log->warn("{}: {}:{} is not found before all goes into the "
                        "tunnel ({}); this and names after it are looked up "
                        "then",
                        config.name, name.host.host, name.host.port,
                        name.error);
  if (opened.fwmark != 0 || !wants_mark)
    return {};
  const auto mark = opened.host->find_mark();
  if (!mark)
    return tl::unexpected(mark.error());
  opened.fwmark = *mark;
  return {};
}

/// What concerns the link of a TUN device.
result<void>
take_link(const overlay_options& options, overlay_resources& opened) {
  const auto& tun = *opened.tun;
  if (opened.host) {
    const auto& config = options.config.interface;
    const plan_facts facts{opened.host->place(), opened.mtu, opened.fwmark};
    auto done
      = opened.host->change(make_plan(config, opened.networks, facts), true);
    if (!done && !goes_on_without(options, done.error()))
      return tl::unexpected(done.error());
    for (const auto& note : done.value_or(std::vector<std::string>{}))
      if (note.starts_with(host_keeper::trouble))
        options.log->warn("{}", note);
  }
  auto link = link_monitor::open(tun);
  if (!link && tun.interface_index() != 0)
    link = link_monitor::open(tun.interface_index()); // without privileges
  if (link)
    opened.link.emplace(std::move(*link));
  if (auto routes = route_monitor::open())
    opened.routes.emplace(std::move(*routes));
  return {};
}

/// Those that an earlier overlay has left.
result<void> adopt_sockets(const overlay_options& options,
                           left_udp_sockets left, overlay_resources& opened) {
  auto adopted
    = adopt_udp_sockets(std::move(left), options.config.interface.listen,
                        opened.fwmark,
                        features_for(options.config, kernel_release()));
  if (!adopted)
    return tl::unexpected(adopted.error());
  const auto& before = options.inherited->state;
  if (before && adopted->peers.port() != before->port)
    return tl::unexpected(
      system_error{EINVAL, "What was left is bound to another port than "
                             + std::to_string(before->port)});
  opened.sockets = std::move(adopted->peers);
  if (adopted->strangers.port() != 0)
    opened.strangers
      = std::make_shared<udp_sockets>(std::move(adopted->strangers));
  return {};
}

/// Opens the sockets, or goes on with those that an earlier overlay has left.
result<void> open_sockets(overlay_options& options, overlay_resources& opened) {
  auto listen = options.config.interface.listen;
  if (options.inherited) {
    const auto& before = options.inherited->state;
    auto& all = options.inherited->descriptors;
    left_udp_sockets left{take(all, "udp4"), take(all, "udp6"),
                          take(all, "strangers4"), take(all, "strangers6")};
    // Without a state the file says which port; one of the kernel's choice
    // stays.
    const bool fit = before || listen.port == 0;
    if (fit && (left.v4 || left.v6)) {
      const auto adopted = adopt_sockets(options, std::move(left), opened);
      if (adopted)
        return {};
      options.log->error("{}: sockets are opened anew: {}", opened.interface,
                         adopted.error().message);
    }
    if (before)
      listen.port = before->port; // where peers send to
  }
  await_former(options);
  const auto features = features_for(options.config, kernel_release());
  auto sockets = open_udp_sockets(listen, opened.fwmark, features);
  if (!sockets)
    return tl::unexpected(sockets.error());
  opened.sockets = std::move(*sockets);
  if (auto strangers = open_stranger_sockets(opened.sockets))
    opened.strangers = std::make_shared<udp_sockets>(std::move(*strangers));
  else
    options.log->warn("{}: handshakes of strangers share the queue of packets, "
                      "which a flood can fill: {}",
                      opened.interface, strangers.error().message);
  return {};
}

/// With what an earlier overlay has not seen: the machine may have been cloned
/// since that stood still.
void watch_machine(overlay_options& options, overlay_resources& opened) {
  if (options.inherited) {
    if (auto left = take(options.inherited->descriptors, "machine")) {
      opened.machine.emplace(vm_generation_watch::adopt(std::move(left)));
      return;
    }
  }
  if (auto machine = vm_generation_watch::open()) // else nobody can tell
    opened.machine.emplace(std::move(*machine));
}

/// What an earlier overlay was takes the place of what is configured, but for
/// what a start alone can change.
void go_on_as(const saved_node& before, node_config& config) {
  auto interface = before.interface;
  for_each_field<interface_config>([&](const auto& row, auto) {
    if (!row.while_running)
      interface.*row.member = config.interface.*row.member;
  });
  interface.name = before.interface.name;
  interface.socket_folder = before.interface.socket_folder;
  config.interface = std::move(interface);
  config.log.level = before.log.level;
  config.offloads = before.offloads;
  config.peers.clear();
}

/// The peers are what differs from a node without any.
device_update peers_of(const node_config& config) {
  node_config bare;
  bare.interface = config.interface;
  auto peers = difference(bare, config);
  peers.origin = peer_origin::file;
  return peers;
}

/// The peers that the host has to be set for.
void add_peers(const saved_node& before, node_config& config) {
  config.peers.reserve(before.peers.size());
  for (const auto& peer : before.peers)
    config.peers.push_back(peer.config);
}

/// Before anything is looked for on the network: nothing may leave meanwhile.
result<void>
lock_host(const overlay_options& options, overlay_resources& opened) {
  const auto& config = options.config.interface;
  if (!config.kill_switch || !options.configure_link
      || std::holds_alternative<use_packet_port>(options.device))
    return {};
  auto keeper = lock_keeper::open();
  if (!keeper)
    return tl::unexpected(keeper.error());
  opened.lock = std::make_unique<lock_keeper>(std::move(*keeper));
  return opened.lock->lock(lock_of(config, {}));
}

result<void>
open_uapi(const overlay_options& options, overlay_resources& opened) {
  if (!options.uapi.value_or(
        std::holds_alternative<make_tun_device>(options.device)))
    return {};
  const auto path = uapi_path(options.config.interface);
  auto uapi = unix_listener::open(path, 0600);
  if (!uapi && options.inherited) {
    await_former(options);
    uapi = unix_listener::open(path, 0600);
  }
  if (uapi)
    opened.uapi.emplace(std::move(*uapi));
  else if (!goes_on_without(options, uapi.error()))
    return tl::unexpected(uapi.error());
  return {};
}

/// Everything but the loops.
result<void> open_rest(overlay_options& options, overlay_resources& opened) {
  const auto& config = options.config.interface;
  opened.cores
    = core_budget::take(options.budget, config.cores == automatic_cores
                                          ? options.cores
                                          : config.cores);
  options.cores = opened.cores.count();
  if (!std::holds_alternative<use_packet_port>(options.device)) {
    auto queues = open_tun(options);
    if (!queues) {
      // Who has the name may be this file's node: a lock that is there is its
      // own, and stays as it is.
      if (config.kill_switch
          && (queues.error().code != EBUSY
              || !is_locked(config.name).value_or(false)))
        std::ignore = lock_host(options, opened);
      return tl::unexpected(queues.error());
    }
    for (auto& queue : *queues)
      opened.more_queues.push_back(
        std::make_shared<tun_device>(std::move(queue)));
    opened.tun = opened.more_queues.front();
    opened.more_queues.erase(opened.more_queues.begin());
  }
  if (auto done = lock_host(options, opened);
      !done && !goes_on_without(options, done.error()))
    return tl::unexpected(done.error());
  opened.interface = config.name;
  opened.fwmark = config.fwmark;
  if (opened.tun && options.configure_link) {
    if (auto done = prepare_host(options, opened);
        !done && !goes_on_without(options, done.error()))
      return tl::unexpected(done.error());
  }
  opened.mtu = config.mtu;
  if (config.mtu == automatic_mtu)
    opened.mtu
      = choose_mtu(configured_addresses(options.config),
                   carries_ipv6(config, opened.networks), opened.fwmark, 0)
          .value_or(chosen_mtu{})
          .mtu;
  if (auto done = open_sockets(options, opened); !done)
    return tl::unexpected(done.error());
  if (auto done = open_uapi(options, opened); !done)
    return tl::unexpected(done.error());
  if (opened.tun) {
    if (auto done = take_link(options, opened); !done)
      return tl::unexpected(done.error());
  }
  watch_machine(options, opened);
  return {};
}

result<std::shared_ptr<overlay_resources>>
open_resources(caf::actor_system& system, overlay_options& options) {
  auto opened = std::make_shared<overlay_resources>();
  auto loops = std::exchange(options.prepared, nullptr);
  if (!loops || loops->are_taken()) {
    auto made = prepared_loops::make(system, options.sources);
    if (!made) {
      std::ignore = lock_host(options, *opened);
      return tl::unexpected(made.error());
    }
    loops = std::move(*made);
  }
  if (options.inherited && options.inherited->state) {
    loops->set_memory_aside(system, options.inherited->state->peers.size());
    loops->back_with_memory();
  } else {
    loops->let_go_of_memory();
  }
  if (auto done = open_rest(options, *opened); !done)
    return tl::unexpected(done.error());
  loops->give_to(*opened);
  start_further_loops(system, options, *opened);
  return opened;
}

/// The kernel completes the name of a device that it makes: `weft%d`.
std::optional<field_error> find_mistake(overlay_options& options) {
  auto& name = options.config.interface.name;
  const auto template_at
    = std::holds_alternative<make_tun_device>(options.device) ? name.find("%d")
                                                              : name.npos;
  const auto given = name;
  if (template_at != name.npos) {
    name.erase(template_at, 1);
    name[template_at] = '0';
  }
  auto mistake = validate(options.config);
  name = given;
  return mistake;
}

/// What has packets travel one by one, a line each.
void log_missing_offloads(spdlog::logger& log, const overlay_resources& opened,
                          const offload_config& wanted) {
  constexpr auto off = offload_mode::off;
  if (wanted.tun == off && wanted.udp == off) {
    log.info("{}: offloads are switched off", opened.interface);
    return;
  }
  const auto missing = [&](std::string_view what, std::string_view remedy) {
    log.info("{}: slower without {}: {}", opened.interface, what, remedy);
  };
  if (const auto& tun = opened.tun; tun && wanted.tun != off) {
    if (!tun->has_tcp_offload())
      missing("segmentation offload of the TUN device",
              "a descriptor that was opened with IFF_VNET_HDR has it");
    else if (!tun->has_udp_offload())
      missing("UDP segmentation offload (USO) of the TUN device",
              "Linux 6.2 has it");
  }
  if (wanted.udp == off)
    return;
  if (const auto doubt = why_not_joined(wanted.udp, kernel_release());
      !doubt.empty()) {
    log.warn("{}: datagrams are sent one by one, which is slower: {}",
             opened.interface, doubt);
    return;
  }
  const auto& [v4, v6] = opened.sockets;
  const auto& socket = v4 ? v4 : v6;
  if (socket && !socket->has_gso())
    missing("UDP segmentation offload (GSO)", "Linux 4.18 has it");
  if (socket && !socket->has_gro())
    missing("UDP receive offload (GRO)", "Linux 5.0 has it");
}

/// Whether all that open_tun() would take are of one device, and can be gone on
/// with.
result<void> check_queues(const std::vector<named_descriptor>& left) {
  const auto names = names_of_device();
  std::optional<std::string> device;
  for (const auto& [name, descriptor] : left) {
    if (!names.contains(name))
      continue;
    if (auto fine = tun_device::check_adoptable(descriptor.get()); !fine)
      return fine;
    const auto present = tun_name(descriptor.get());
    if (device.value_or(present) != present)
      return tl::unexpected(
        system_error{EINVAL, "what was left are queues of two devices, "
                               + *device + " and " + present});
    device = present;
  }
  return {};
}

} // namespace

result<void>
check_inherited(const overlay_options& options, const inherited_overlay& left) {
  auto config = options.config;
  if (left.state)
    go_on_as(*left.state, config);
  if (auto mistake = validate(config))
    return tl::unexpected(
      system_error{EINVAL, mistake->field + ": " + mistake->message});
  const bool is_own
    = options.configure_link
      || std::holds_alternative<make_tun_device>(options.device);
  return is_own ? check_queues(left.descriptors) : result<void>{};
}

result<void>
prepare_to_import(caf::actor_system& system, overlay_options& options) {
  prepare_handshakes();
  auto made = prepared_loops::make(system, options.sources);
  if (!made)
    return tl::unexpected(made.error());
  options.prepared = std::move(*made);
  options.prepared->prepare_for_state(system, options.config.peers.size());
  return {};
}

result<running_overlay>
start_overlay(caf::actor_system& system, overlay_options options) {
  if (!options.log)
    options.log = std::make_shared<spdlog::logger>("weft");
  auto before = options.inherited ? options.inherited->state : nullptr;
  if (before) {
    go_on_as(*before, options.config);
    options.file_digest = before->file_digest;
    options.log->set_level(to_spdlog(before->log.level));
  }
  if (auto mistake = find_mistake(options))
    return tl::unexpected(
      system_error{EINVAL, mistake->field + ": " + mistake->message});
  if (before)
    add_peers(*before, options.config);
  const auto prepared_for = options.prepared ? options.prepared->peers() : 0;
  auto resources = open_resources(system, options);
  if (!resources)
    return tl::unexpected(resources.error());
  log_missing_offloads(*options.log, **resources, options.config.offloads);
  running_overlay running;
  running.interface = (*resources)->interface;
  running.port = (*resources)->sockets.port();
  if (auto* wanted = std::get_if<use_packet_port>(&options.device)) {
    const auto port
      = system.spawn<packet_port>((*resources)->packet_loop, (*resources)->mtu,
                                  std::move(wanted->consumer),
                                  (*resources)->desk);
    (*resources)->port = port;
    running.packets = port;
  }
  options.device = {};

  auto peers = before ? device_update{} : peers_of(options.config);
  options.config.peers.clear();

  auto control = (*resources)->control_loop;
  const overlay_root_actor root
    = system.spawn<overlay>(control, std::move(options), std::move(*resources));
  caf::scoped_actor self{system};
  std::optional<system_error> failure;
  const auto fail = [&](const caf::error& reason) {
    failure = system_error{error_code(reason), error_message(reason)};
  };
  if (before)
    self->request(root, caf::infinite, inherit_node{before})
      .receive([] {}, fail);
  else
    self->request(root, caf::infinite, std::move(peers)).receive([] {}, fail);
  if (failure) {
    self->send_exit(root, caf::exit_reason::user_shutdown);
    self->wait_for(root);
    return tl::unexpected(*failure);
  }
  running.actor = root;
  const auto most_peers
    = std::max(before ? before->peers.size() : 0, prepared_for);
  before.reset();
  if (most_peers > many_peers)
    release_memory_aside(); // what they were as values, or were thought to take
  return running;
}

} // namespace weft
