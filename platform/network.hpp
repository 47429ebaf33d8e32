// Links, addresses, routes and rules (rtnetlink), and what happens to them.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/links.hpp"
#include "platform/routing.hpp"
#include "protocol/base/ip.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weft {

class tun_device;

/// Changes links, addresses, routes and rules of the network namespace that it
/// was opened in.  To add what exists already (false: it did), or to remove
/// what is gone already, is no error.  Errors name the address and the
/// interface.
class network_configurator {
public:
  static result<network_configurator> open();

  result<void> set_mtu(int interface_index, std::uint32_t mtu);
  result<void> set_up(int interface_index, bool up);
  /// Adds an address with its prefix length (and so the connected route).
  result<bool> add_address(int interface_index, const ip_prefix& address);
  result<void> remove_address(int interface_index, const ip_prefix& address);
  /// Adds a route that leads into the interface (link-scope), or nowhere.  The
  /// same one through another interface is an error (EEXIST).
  result<bool> add_route(int interface_index, const host_route& route);
  /// Removes a route that add_route() made; the one that comes with an address
  /// stays.
  result<void> remove_route(int interface_index, const host_route& route);
  /// False: the same rule was there, whoever made it.
  result<bool> add_rule(const routing_rule& rule);
  /// Removes a rule that has the same protocol, too.
  result<void> remove_rule(const routing_rule& rule);
  result<link_info> link(int interface_index);
  /// Its addresses, with their host bits.
  result<std::vector<ip_prefix>> addresses(int interface_index);
  /// Those of a table that lead into the interface.
  result<std::vector<host_route>>
  routes(int interface_index, std::uint32_t table = main_table);
  /// Those of a table that lead nowhere.
  result<std::vector<host_route>> unreachable_routes(std::uint32_t table);
  /// Of both families, whoever made them.
  result<std::vector<routing_rule>> rules();

private:
  network_configurator() = default;
  std::string name_of(int interface_index);
  /// Of both families; those that lead nowhere if there is no interface.
  result<std::vector<host_route>>
  list_routes(std::uint32_t table, std::optional<int> interface_index);
  file_descriptor fd_;
};

/// How the host would send to an address.
struct route {
  int interface_index = 0;
  ip_address source; ///< unspecified if the route has none
};

/// The route of packets with `fwmark` to `destination`.  `source` may be
/// unspecified, to have the host choose it.
result<route>
find_route(const ip_address& destination, const ip_address& source = {},
           std::uint32_t fwmark = 0);

/// Whether packets with `fwmark` to `destination` go into a TUN device or into
/// a tunnel of the kernel's WireGuard.  Nothing: the kernel could not be asked,
/// for want of descriptors or memory.
std::optional<bool>
leads_into_tunnel(const ip_address& destination, const ip_address& source,
                  std::uint32_t fwmark);

/// Whether the local address of a path, which has one, is still right: it is an
/// address of this host (of IPv6 only a send finds that out), and datagrams
/// with `fwmark` leave by the interface that the peer's came in by.  False also
/// if the kernel could not be asked.
bool source_holds(const network_path& path, std::uint32_t fwmark);

/// Tells that routes, rules, addresses or links' settings (rp_filter) changed:
/// what find_route() said, and sticky source addresses, may be out of date.
/// Non-blocking.
class route_monitor {
public:
  static result<route_monitor> open();
  int descriptor() const {
    return fd_.get();
  }
  /// Whether anything changed since the last call.
  bool read() const;

private:
  route_monitor() = default;
  file_descriptor fd_;
};

/// What happened to one link.  `removed` means that it is no longer in this
/// network namespace: it may have been moved to another one, which
/// tun_device::still_exists() tells.
struct link_event {
  enum class kind { removed, mtu_changed, up, down };
  kind what = kind::removed;
  std::uint32_t mtu = 0;
};

/// Watches one link.  Non-blocking; readable when something happened.
class link_monitor {
public:
  /// Watches a link of this network namespace.
  static result<link_monitor> open(int interface_index);
  /// Watches the device's link in the network namespace that it is in now, so
  /// it can be followed after a move.  Needs CAP_SYS_ADMIN for another
  /// namespace than this thread's.
  static result<link_monitor> open(const tun_device& device);
  int descriptor() const {
    return fd_.get();
  }
  /// The events since the last call.  Lost messages (ENOBUFS) are made up for
  /// by reading the link's present state.
  std::vector<link_event> read();

  /// The MTU and whether the link is up, as of the last read().
  std::uint32_t mtu() const {
    return mtu_;
  }
  bool is_up() const {
    return up_;
  }

private:
  link_monitor() = default;
  /// Watches a link by name or index; `in_place` opens sockets in its
  /// namespace.
  template <class Place>
  static result<link_monitor>
  watch(Place&& in_place, const std::string& name, int index);
  void note(bool up, std::uint32_t mtu, std::vector<link_event>& events);
  void note_removed(std::vector<link_event>& events);
  void handle(const void* messages, std::size_t size,
              std::vector<link_event>& events);
  void catch_up(std::vector<link_event>& events);
  file_descriptor fd_;
  file_descriptor query_; ///< for questions, in the link's namespace
  int index_ = 0;
  std::uint32_t mtu_ = 0;
  bool up_ = false;
  bool removed_ = false;
};

} // namespace weft
