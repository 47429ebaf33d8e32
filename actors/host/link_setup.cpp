#include "actors/host/link_setup.hpp"

#include "platform/network.hpp"

#include <algorithm>
#include <functional>

namespace weft {

namespace {

/// Steps that are taken back if a later one fails.
class transaction {
public:
  using step = std::function<result<void>()>;

  void add(std::string note, step forward, step back) {
    steps_.push_back({std::move(note), std::move(forward), std::move(back)});
  }

  result<std::vector<std::string>> run() const {
    std::vector<std::string> notes;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (auto done = steps_[i].forward(); !done) {
        while (i-- > 0)
          std::ignore = steps_[i].back();
        return tl::unexpected(done.error());
      }
      notes.push_back(steps_[i].note);
    }
    return notes;
  }

private:
  struct entry {
    std::string note;
    step forward;
    step back;
  };
  std::vector<entry> steps_;
};

/// What is in `a` and not in `b`.
std::vector<ip_prefix>
without(const std::vector<ip_prefix>& a, const std::vector<ip_prefix>& b) {
  std::vector<ip_prefix> result;
  std::copy_if(a.begin(), a.end(), std::back_inserter(result),
               [&](const ip_prefix& prefix) {
                 return std::find(b.begin(), b.end(), prefix) == b.end();
               });
  return result;
}

} // namespace

result<void>
add_cluster_routes(const interface_config& config, const tun_device& tun) {
  if (config.cluster_networks.empty())
    return {};
  auto network = network_configurator::open();
  if (!network)
    return tl::unexpected(network.error());
  for (const auto& prefix : config.cluster_networks) {
    if (auto done = network->add_route(tun.interface_index(), prefix); !done)
      return done;
  }
  return {};
}

result<void>
set_up_link(const interface_config& config, const tun_device& tun) {
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
  return add_cluster_routes(config, tun);
}

result<std::vector<std::string>>
change_link(const interface_config& from, const interface_config& to,
            const tun_device& tun) {
  auto network = network_configurator::open();
  if (!network)
    return tl::unexpected(network.error());
  const auto index = tun.interface_index();
  transaction changes;
  const auto add = [&](const char* field, const std::string& what,
                       transaction::step forward, transaction::step back) {
    changes.add(std::string{"interface."} + field + ": " + what,
                std::move(forward), std::move(back));
  };
  auto& host = *network;
  if (from.mtu != to.mtu)
    add(
      "mtu", std::to_string(from.mtu) + " -> " + std::to_string(to.mtu),
      [&] { return host.set_mtu(index, to.mtu); },
      [&] { return host.set_mtu(index, from.mtu); });
  // What is new comes first, so that there is always an address.
  for (const auto& address : without(to.addresses, from.addresses))
    add(
      "addresses", to_string(address) + " added",
      [&host, index, address] { return host.add_address(index, address); },
      [&host, index, address] { return host.remove_address(index, address); });
  for (const auto& prefix : without(to.cluster_networks, from.cluster_networks))
    add(
      "cluster_networks", to_string(prefix) + " added",
      [&host, index, prefix] { return host.add_route(index, prefix); },
      [&host, index, prefix] { return host.remove_route(index, prefix); });
  for (const auto& prefix : without(from.cluster_networks, to.cluster_networks))
    add(
      "cluster_networks", to_string(prefix) + " removed",
      [&host, index, prefix] { return host.remove_route(index, prefix); },
      [&host, index, prefix] { return host.add_route(index, prefix); });
  const auto removed = without(from.addresses, to.addresses);
  for (const auto& address : removed)
    add(
      "addresses", to_string(address) + " removed",
      [&host, index, address] { return host.remove_address(index, address); },
      [&host, index, address] { return host.add_address(index, address); });
  auto notes = changes.run();
  // With an address the kernel removes those of the same network that were
  // added after it.
  if (removed.empty() && notes)
    return notes;
  for (const auto& address : notes ? to.addresses : from.addresses) {
    if (auto kept = host.add_address(index, address); notes && !kept)
      notes->push_back("interface.addresses: " + kept.error().message);
  }
  return notes;
}

} // namespace weft
