#include "platform/network.hpp"

#include "platform/linux/netlink.hpp"

#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace weft {

namespace {

/// A message about a route.
netlink::request route_request(std::uint16_t type, std::uint16_t flags,
                               int interface_index, const host_route& about) {
  netlink::request change{type, flags};
  auto& route = change.payload<rtmsg>();
  route.rtm_family = netlink::system_family(about.network.address.family);
  route.rtm_dst_len = about.network.length;
  route.rtm_protocol = RTPROT_STATIC;
  route.rtm_scope = about.unreachable ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  route.rtm_type = about.unreachable ? RTN_UNREACHABLE : RTN_UNICAST;
  auto* message = change.header();
  mnl_attr_put_u32(message, RTA_TABLE, about.table);
  netlink::put_address(message, RTA_DST, about.network.address);
  if (about.metric != 0)
    mnl_attr_put_u32(message, RTA_PRIORITY, about.metric);
  if (!about.unreachable)
    mnl_attr_put_u32(message, RTA_OIF,
                     static_cast<std::uint32_t>(interface_index));
  return change;
}

/// A message about an address of an interface.
netlink::request
address_request(std::uint16_t type, std::uint16_t flags, int interface_index,
                const ip_prefix& address) {
  netlink::request change{type, flags};
  auto& info = change.payload<ifaddrmsg>();
  info.ifa_family = netlink::system_family(address.address.family);
  info.ifa_prefixlen = address.length;
  info.ifa_index = static_cast<std::uint32_t>(interface_index);
  netlink::put_address(change.header(), IFA_LOCAL, address.address);
  netlink::put_address(change.header(), IFA_ADDRESS, address.address);
  // A tunnel has no neighbours to ask, and the address works at once.
  mnl_attr_put_u32(change.header(), IFA_FLAGS, IFA_F_NODAD);
  return change;
}

result<void> tolerate(result<void> done, int code) {
  if (!done && done.error().code == code)
    return {};
  return done;
}

/// The address that a message about one states, as the interface's own.
std::optional<ip_address> parse_address(const nlmsghdr& message) {
  const auto* info
    = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(&message));
  struct context {
    std::optional<ip_address> local; ///< of IPv4; of IPv6 there may be none
    std::optional<ip_address> other; ///< of IPv4 it may be a peer's
    std::uint8_t family = 0;
  } state{{}, {}, info->ifa_family};
  mnl_attr_parse(
    &message, sizeof(ifaddrmsg),
    [](const nlattr* attribute, void* data) -> int {
      auto& to = *static_cast<context*>(data);
      if (mnl_attr_get_type(attribute) == IFA_LOCAL)
        to.local = netlink::to_address(attribute, to.family);
      else if (mnl_attr_get_type(attribute) == IFA_ADDRESS)
        to.other = netlink::to_address(attribute, to.family);
      return MNL_CB_OK;
    },
    &state);
  return state.local ? state.local : state.other;
}

} // namespace

result<network_configurator> network_configurator::open() {
  auto fd = netlink::open(0, true);
  if (!fd)
    return tl::unexpected(fd.error());
  network_configurator made;
  made.fd_ = std::move(*fd);
  return made;
}

std::string network_configurator::name_of(int interface_index) {
  auto link = netlink::find_link(fd_.get(), {}, interface_index);
  return link ? link->name
              : "the interface number " + std::to_string(interface_index);
}

result<void>
network_configurator::set_mtu(int interface_index, std::uint32_t mtu) {
  netlink::request change{RTM_NEWLINK, 0};
  auto& info = change.payload<ifinfomsg>();
  info.ifi_family = AF_UNSPEC;
  info.ifi_index = interface_index;
  mnl_attr_put_u32(change.header(), IFLA_MTU, mtu);
  return netlink::execute(fd_.get(), change, [&] {
    return "Cannot set the MTU of " + name_of(interface_index) + " to "
           + std::to_string(mtu);
  });
}

result<void> network_configurator::set_up(int interface_index, bool up) {
  netlink::request change{RTM_NEWLINK, 0};
  auto& info = change.payload<ifinfomsg>();
  info.ifi_family = AF_UNSPEC;
  info.ifi_index = interface_index;
  info.ifi_change = IFF_UP;
  info.ifi_flags = up ? IFF_UP : 0;
  return netlink::execute(fd_.get(), change, [&] {
    return "Cannot set " + name_of(interface_index) + (up ? " up" : " down");
  });
}

result<bool> network_configurator::add_address(int interface_index,
                                               const ip_prefix& address) {
  auto change = address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL,
                                interface_index, address);
  auto done = netlink::execute(fd_.get(), change, [&] {
    return "Cannot add the address " + to_string(address) + " to "
           + name_of(interface_index);
  });
  if (!done && done.error().code != EEXIST)
    return tl::unexpected(std::move(done.error()));
  return done.has_value();
}

result<void> network_configurator::remove_address(int interface_index,
                                                  const ip_prefix& address) {
  auto change = address_request(RTM_DELADDR, 0, interface_index, address);
  return tolerate(netlink::execute(fd_.get(), change,
                                   [&] {
                                     return "Cannot remove the address "
                                            + to_string(address) + " from "
                                            + name_of(interface_index);
                                   }),
                  EADDRNOTAVAIL);
}

result<bool>
network_configurator::add_route(int interface_index, const host_route& route) {
  auto change = route_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL,
                              interface_index, route);
  auto done = netlink::execute(fd_.get(), change, [&] {
    return "Cannot add the route " + to_string(route)
           + (route.unreachable ? "" : " through " + name_of(interface_index));
  });
  if (done)
    return true;
  if (done.error().code != EEXIST || route.unreachable)
    return tl::unexpected(std::move(done.error()));
  // Fine if it leads here already, perhaps together with an address.
  auto here = routes(interface_index, route.table);
  if (!here)
    return tl::unexpected(here.error());
  if (std::ranges::find(*here, route.network, &host_route::network)
      != here->end())
    return false;
  done.error().message += ". It leads through another interface (ip route show "
                          "table "
                          + std::to_string(route.table) + " "
                          + to_string(route.network)
                          + "): remove that route, give the tunnel's another "
                            "interface.metric, or take the network out of "
                            "interface.cluster_networks and the peers' "
                            "allowed_ips";
  if (route.network.length == 0)
    done.error().message += ". For a default route set default_route: true at "
                            "the peer, and leave interface.table out";
  return tl::unexpected(std::move(done.error()));
}

result<std::vector<ip_prefix>>
network_configurator::addresses(int interface_index) {
  netlink::request query{RTM_GETADDR, NLM_F_DUMP};
  auto& filter = query.payload<ifaddrmsg>();
  filter.ifa_family = AF_UNSPEC;
  filter.ifa_index = static_cast<std::uint32_t>(interface_index);
  std::vector<ip_prefix> found;
  auto done = netlink::execute(
    fd_.get(), query, [] { return std::string{"Cannot list the addresses"}; },
    [&](const nlmsghdr& message) {
      if (message.nlmsg_type != RTM_NEWADDR)
        return;
      const auto* info
        = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(&message));
      // Kernels before 5.0 do not filter.
      if (info->ifa_index != static_cast<std::uint32_t>(interface_index))
        return;
      if (const auto address = parse_address(message))
        found.push_back({*address, info->ifa_prefixlen});
    });
  if (!done)
    return tl::unexpected(done.error());
  return found;
}

result<std::vector<host_route>>
network_configurator::list_routes(std::uint32_t table,
                                  std::optional<int> interface_index) {
  const auto index = static_cast<std::uint32_t>(interface_index.value_or(0));
  std::vector<host_route> found;
  for (const auto family : {ip_family::v4, ip_family::v6}) {
    netlink::request query{RTM_GETROUTE, NLM_F_DUMP};
    auto& filter = query.payload<rtmsg>();
    filter.rtm_family = netlink::system_family(family);
    filter.rtm_type = interface_index ? RTN_UNSPEC : RTN_UNREACHABLE;
    mnl_attr_put_u32(query.header(), RTA_TABLE, table);
    if (interface_index)
      mnl_attr_put_u32(query.header(), RTA_OIF, index);
    auto done = netlink::execute(
      fd_.get(), query, [] { return std::string{"Cannot list the routes"}; },
      [&](const nlmsghdr& message) {
        if (message.nlmsg_type != RTM_NEWROUTE)
          return;
        const auto* info
          = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
        const auto route = netlink::parse_route(message);
        const bool unreachable = info->rtm_type == RTN_UNREACHABLE;
        // Kernels before 5.0 do not filter.
        if (route.table != table || unreachable == interface_index.has_value()
            || (interface_index && route.interface_index != index))
          return;
        const ip_prefix network{
          route.destination.value_or(ip_address{family, {}}),
          info->rtm_dst_len};
        found.push_back({network, table, route.metric, unreachable});
      });
    // There is no such table, or no IPv6.
    constexpr std::array none{ENOENT, EAFNOSUPPORT, EOPNOTSUPP};
    if (!done && std::ranges::find(none, done.error().code) == std::end(none))
      return tl::unexpected(done.error());
  }
  return found;
}

result<std::vector<host_route>>
network_configurator::routes(int interface_index, std::uint32_t table) {
  return list_routes(table, interface_index);
}

result<std::vector<host_route>>
network_configurator::unreachable_routes(std::uint32_t table) {
  return list_routes(table, std::nullopt);
}

result<void> network_configurator::remove_route(int interface_index,
                                                const host_route& route) {
  auto change = route_request(RTM_DELROUTE, 0, interface_index, route);
  return tolerate(netlink::execute(fd_.get(), change,
                                   [&] {
                                     return "Cannot remove the route "
                                            + to_string(route) + " through "
                                            + name_of(interface_index);
                                   }),
                  ESRCH);
}

result<link_info> network_configurator::link(int interface_index) {
  auto found = netlink::find_link(fd_.get(), {}, interface_index);
  if (!found)
    return tl::unexpected(found.error());
  return link_info{found->index, std::move(found->name), found->mtu,
                   (found->flags & IFF_UP) != 0};
}

result<route> find_route(const ip_address& destination,
                         const ip_address& source, std::uint32_t fwmark) {
  auto fd = netlink::open(0, true);
  if (!fd)
    return tl::unexpected(fd.error());
  const auto told
    = netlink::ask_route(fd->get(), {destination, source, fwmark});
  if (!told)
    return tl::unexpected(told.error());
  return route{static_cast<int>(told->interface_index),
               told->source.value_or(ip_address{destination.family, {}})};
}

std::optional<bool>
leads_into_tunnel(const ip_address& destination, const ip_address& source,
                  std::uint32_t fwmark) {
  const auto was_not_asked = [](int code) {
    return code == EMFILE || code == ENFILE || code == ENOMEM
           || code == ENOBUFS;
  };
  auto found = find_route(destination, source, fwmark);
  if (!found && !was_not_asked(found.error().code)) // the source may be gone
    found = find_route(destination, {}, fwmark);
  if (!found) {
    if (was_not_asked(found.error().code))
      return std::nullopt;
    return false; // they go nowhere
  }
  auto fd = netlink::open(0, true);
  if (!fd)
    return std::nullopt;
  const auto link = netlink::find_link(fd->get(), "", found->interface_index);
  if (!link)
    return std::nullopt;
  return link->is_tun || link->kind == "wireguard";
}

bool source_holds(const network_path& path, std::uint32_t fwmark) {
  const auto& from = *path.local;
  const auto leaves = find_route(path.remote.address, from.address, fwmark);
  return leaves
         && (from.interface_index == 0
             || leaves->interface_index
                  == static_cast<int>(from.interface_index));
}

} // namespace weft
