#include "actors/start_overlay.hpp"

#include "actors/overlay.hpp"
#include "config/difference.hpp"
#include "messages/errors.hpp"

#include <algorithm>

namespace weft {

namespace {

/// Interface name as wg(8) looks for its socket.
std::string uapi_path(const interface_config& config, const std::string& name) {
  return config.socket_folder + '/' + name + ".sock";
}

result<void>
configure_link(const interface_config& config, const tun_device& tun) {
  auto network = network_configurator::open();
  if (!network)
    return tl::unexpected(network.error());
  const auto index = tun.interface_index();
  if (auto done = network->set_mtu(index, config.mtu); !done)
    return done;
  for (const auto& address : config.addresses) {
    if (auto done = network->add_address(index, address); !done)
      return done;
  }
  if (auto done = network->set_up(index, true); !done)
    return done;
  for (const auto& prefix : config.cluster_networks) {
    if (auto done = network->add_route(index, prefix); !done)
      return done;
  }
  return {};
}

result<std::shared_ptr<overlay_resources>>
open_resources(caf::actor_system& system, const overlay_options& options) {
  const auto& config = options.config.interface;
  auto tun = tun_device::create(config.name, {options.offload});
  if (!tun)
    return tl::unexpected(tun.error());
  auto sockets
    = open_udp_sockets(config.listen, config.fwmark, options.offload);
  if (!sockets)
    return tl::unexpected(sockets.error());
  auto uapi = unix_listener::open(uapi_path(config, tun->name()), 0600);
  if (!uapi)
    return tl::unexpected(uapi.error());
  if (options.configure_link) {
    if (auto done = configure_link(config, *tun); !done)
      return tl::unexpected(done.error());
  }
  auto link = link_monitor::open(*tun);
  auto routes = route_monitor::open();
  auto control = io_loop::start(system, "weft-control");
  if (!control)
    return tl::unexpected(control.error());
  auto handshakes = io_loop::start(system, "weft-handshake");
  if (!handshakes) {
    (*control)->stop();
    return tl::unexpected(handshakes.error());
  }
  std::vector<io_loop_ptr> packet_loops;
  const auto wanted = std::max<std::size_t>(options.packet_loops, 1);
  for (std::size_t i = 0; i < wanted; ++i) {
    auto loop = io_loop::start(system, "weft-packets-" + std::to_string(i));
    if (!loop) {
      for (const auto& started : packet_loops)
        started->stop();
      (*handshakes)->stop();
      (*control)->stop();
      return tl::unexpected(loop.error());
    }
    packet_loops.push_back(std::move(*loop));
  }
  return std::make_shared<overlay_resources>(overlay_resources{
    std::make_shared<const tun_device>(std::move(*tun)), std::move(*sockets),
    std::move(*uapi), link ? std::optional(std::move(*link)) : std::nullopt,
    routes ? std::optional(std::move(*routes)) : std::nullopt,
    std::move(*control), std::move(*handshakes), std::move(packet_loops)});
}

} // namespace

result<running_overlay>
start_overlay(caf::actor_system& system, overlay_options options) {
  auto resources = open_resources(system, options);
  if (!resources)
    return tl::unexpected(resources.error());
  running_overlay running;
  running.interface = (*resources)->tun->name();
  running.port = (*resources)->sockets.port();

  // The peers are what differs from a node without any.
  node_config bare;
  bare.interface = options.config.interface;
  auto peers = difference(bare, options.config);
  options.config.peers.clear();

  auto control = (*resources)->control_loop;
  running.actor
    = system.spawn<overlay>(control, std::move(options), std::move(*resources));
  caf::scoped_actor self{system};
  std::optional<system_error> failure;
  self->request(running.actor, caf::infinite, std::move(peers))
    .receive(
      [] {},
      [&](const caf::error& reason) {
        failure = system_error{error_code(reason), error_message(reason)};
      });
  if (failure)
    return tl::unexpected(*failure);
  return running;
}

} // namespace weft
