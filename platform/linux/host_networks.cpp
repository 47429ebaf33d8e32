#include "platform/host_networks.hpp"

#include "platform/links.hpp"
#include "platform/linux/netlink.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <map>

namespace weft {

namespace {

bool counts(const rtmsg& kind, std::uint32_t table) {
  return (table == RT_TABLE_MAIN && kind.rtm_type == RTN_UNICAST)
         || (table == RT_TABLE_LOCAL && kind.rtm_type == RTN_LOCAL);
}

} // namespace

result<std::vector<host_network>> list_host_networks() {
  auto fd = netlink::open(0, true);
  if (!fd)
    return tl::unexpected(fd.error());
  std::vector<std::pair<host_network, std::uint32_t>> found; // and the link
  for (const auto family : {ip_family::v4, ip_family::v6}) {
    netlink::request query{RTM_GETROUTE, NLM_F_DUMP};
    query.payload<rtmsg>().rtm_family = netlink::system_family(family);
    const auto done = netlink::execute(
      fd->get(), query, [] { return std::string{"Cannot list the routes"}; },
      [&](const nlmsghdr& message) {
        if (message.nlmsg_type != RTM_NEWROUTE)
          return;
        const auto* kind
          = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
        const auto route = netlink::parse_route(message);
        if (!counts(*kind, route.table))
          return;
        const ip_prefix network{
          route.destination.value_or(ip_address{family, {}}),
          kind->rtm_dst_len};
        found.push_back({{network, {}, kind->rtm_type == RTN_LOCAL},
                         route.interface_index != 0 ? route.interface_index
                                                    : route.first_way});
      });
    if (!done && done.error().code != EAFNOSUPPORT
        && done.error().code != EOPNOTSUPP) // there is no IPv6
      return tl::unexpected(done.error());
  }
  std::vector<host_network> all;
  std::map<std::uint32_t, std::string> names;
  for (auto& [network, link] : found) {
    const auto [name, is_new] = names.try_emplace(link);
    if (is_new)
      if (const auto known = find_link(static_cast<int>(link)))
        name->second = known->name;
    network.interface = name->second;
    all.push_back(std::move(network));
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

} // namespace weft
