#include "actors/host/link_setup.hpp"

#include "platform/network.hpp"

#include <algorithm>
#include <cerrno>
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

result<void> only_error(result<bool> done) {
  if (!done)
    return tl::unexpected(std::move(done.error()));
  return {};
}

/// What is in `a` and not in `b`.
std::vector<ip_prefix>
without(const std::vector<ip_prefix>& a, std::vector<ip_prefix> b) {
  std::sort(b.begin(), b.end());
  std::vector<ip_prefix> result;
  std::copy_if(a.begin(), a.end(), std::back_inserter(result),
               [&](const ip_prefix& prefix) {
                 return !std::binary_search(b.begin(), b.end(), prefix);
               });
  return result;
}

} // namespace

link_repair repair_link(const interface_config& config, const tun_device& tun) {
  link_repair repair;
  const auto failed = [&](system_error& error) {
    if (error.code != ENETDOWN) // of routes: their time will come
      repair.failures.push_back(std::move(error.message));
  };
  const auto note = [&](result<bool> added, const std::string& what) {
    if (!added)
      failed(added.error());
    else if (*added)
      repair.put_back.push_back(what);
  };
  auto network = network_configurator::open();
  if (!network) {
    failed(network.error());
    return repair;
  }
  // Most of the time nothing is missing, and there may be many.
  const auto index = tun.interface_index();
  auto addresses = network->addresses(index);
  if (!addresses) {
    failed(addresses.error());
    return repair;
  }
  for (const auto& address : without(config.addresses, *addresses))
    note(network->add_address(index, address), "address " + to_string(address));
  auto routes = network->routes(index); // some come with an address
  if (!routes) {
    failed(routes.error());
    return repair;
  }
  for (const auto& prefix : without(config.cluster_networks, *routes))
    note(network->add_route(index, prefix), "route " + to_string(prefix));
  return repair;
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
      return tl::unexpected(std::move(done.error()));
  }
  if (auto done = network->set_up(index, true); !done)
    return done;
  for (const auto& prefix : config.cluster_networks) {
    if (auto done = network->add_route(index, prefix); !done)
      return tl::unexpected(std::move(done.error()));
  }
  return {};
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
      [&host, index, address] {
        return only_error(host.add_address(index, address));
      },
      [&host, index, address] { return host.remove_address(index, address); });
  for (const auto& prefix : without(to.cluster_networks, from.cluster_networks))
    add(
      "cluster_networks", to_string(prefix) + " added",
      [&host, index, prefix] {
        return only_error(host.add_route(index, prefix));
      },
      [&host, index, prefix] { return host.remove_route(index, prefix); });
  for (const auto& prefix : without(from.cluster_networks, to.cluster_networks))
    add(
      "cluster_networks", to_string(prefix) + " removed",
      [&host, index, prefix] { return host.remove_route(index, prefix); },
      [&host, index, prefix] {
        return only_error(host.add_route(index, prefix));
      });
  for (const auto& address : without(from.addresses, to.addresses))
    add(
      "addresses", to_string(address) + " removed",
      [&host, index, address] { return host.remove_address(index, address); },
      [&host, index, address] {
        return only_error(host.add_address(index, address));
      });
  auto notes = changes.run();
  // With an address the kernel removes those of the same network that were
  // added after it, and the routes that came with it.
  if (!notes) {
    repair_link(from, tun);
    return notes;
  }
  for (auto& failure : repair_link(to, tun).failures)
    notes->push_back("interface: " + std::move(failure));
  return notes;
}

} // namespace weft
