#include "platform/route_mtu.hpp"

#include "platform/linux/netlink.hpp"

#include <sys/socket.h>

namespace weft {

namespace {

int read_metrics(const nlattr* attribute, void* data) {
  if (mnl_attr_get_type(attribute) == RTAX_MTU)
    static_cast<route_mtu_finder::answer*>(data)->mtu
      = mnl_attr_get_u32(attribute);
  return MNL_CB_OK;
}

/// Of several ways the first.
int first_interface(const nlattr* ways) {
  if (mnl_attr_get_payload_len(ways) < sizeof(rtnexthop))
    return 0;
  return static_cast<const rtnexthop*>(mnl_attr_get_payload(ways))
    ->rtnh_ifindex;
}

int read_route(const nlattr* attribute, void* data) {
  auto& found = *static_cast<route_mtu_finder::answer*>(data);
  if (mnl_attr_get_type(attribute) == RTA_OIF)
    found.interface_index = static_cast<int>(mnl_attr_get_u32(attribute));
  else if (mnl_attr_get_type(attribute) == RTA_MULTIPATH)
    found.interface_index = first_interface(attribute);
  else if (mnl_attr_get_type(attribute) == RTA_METRICS)
    mnl_attr_parse_nested(attribute, read_metrics, data);
  return MNL_CB_OK;
}

} // namespace

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
  netlink::request query{RTM_GETROUTE, 0};
  auto& info = query.payload<rtmsg>();
  info.rtm_family = destination.is_v4() ? AF_INET : AF_INET6;
  info.rtm_dst_len = static_cast<std::uint8_t>(destination.bits());
  info.rtm_flags = RTM_F_FIB_MATCH; // the route itself: no path's exception
  mnl_attr_put(query.header(), RTA_DST, destination.size(),
               destination.bytes.data());
  if (fwmark_ != 0)
    mnl_attr_put_u32(query.header(), RTA_MARK, fwmark_);
  answer found;
  auto done = netlink::execute(
    fd_.get(), query,
    [&] { return "There is no route to " + to_string(destination); },
    [&](const nlmsghdr& message) {
      if (message.nlmsg_type == RTM_NEWROUTE)
        mnl_attr_parse(&message, sizeof(rtmsg), read_route, &found);
    });
  if (!done)
    return tl::unexpected(done.error());
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
