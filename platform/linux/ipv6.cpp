#include "platform/ipv6.hpp"

#include "platform/linux/netlink.hpp"

#include <sys/socket.h>

namespace weft {

result<ipv6_state> ipv6_of(int interface_index) {
  if (!file_descriptor{::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)})
    return ipv6_state::absent;
  auto fd = netlink::open(0, true);
  if (!fd)
    return tl::unexpected(fd.error());
  const auto link = netlink::find_link(fd->get(), {}, interface_index);
  if (!link)
    return tl::unexpected(link.error());
  return link->has_ipv6 ? ipv6_state::on : ipv6_state::off;
}

} // namespace weft
