#include "platform/route_mtu.hpp"

#include "platform/linux/netlink.hpp"

namespace weft {

result<route_mtu_finder> route_mtu_finder::open(std::uint32_t fwmark) {
  auto fd = netlink::open(0, true);
  if (!fd)
    return tl::unexpected(fd.error());
  route_mtu_finder made;
  made.fd_ = std::move(*fd);
  made.fwmark_ = fwmark;
  return made;
}

result<route_mtu_finder::answer>
route_mtu_finder::find(const ip_address& destination) {
  // The route itself: no path's exception.
  const auto route = netlink::ask_route(
    fd_.get(), {destination, {}, fwmark_, RTM_F_FIB_MATCH});
  if (!route)
    return tl::unexpected(route.error());
  answer found{static_cast<int>(route->interface_index != 0
                                  ? route->interface_index
                                  : route->first_way),
               route->mtu};
  if (found.mtu == 0) {
    auto mtu = link_mtu(found.interface_index);
    if (!mtu)
      return tl::unexpected(mtu.error());
    found.mtu = *mtu;
  }
  return found;
}

result<std::uint32_t> route_mtu_finder::link_mtu(int interface_index) {
  if (const auto known = links_.find(interface_index); known != links_.end())
    return known->second;
  auto link = netlink::find_link(fd_.get(), {}, interface_index);
  if (!link)
    return tl::unexpected(link.error());
  links_[interface_index] = link->mtu;
  return link->mtu;
}

} // namespace weft
