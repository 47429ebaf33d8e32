#include "platform/ipv6.hpp"

#include "platform/linux/netlink.hpp"

#include <linux/ipv6.h>
#include <sys/socket.h>

#include <cstring>

namespace weft {

namespace {

/// Looks for an attribute of a message or of another attribute.
struct search {
  int type = 0;
  const nlattr* found = nullptr;
};

int look_at(const nlattr* attribute, void* data) {
  auto& wanted = *static_cast<search*>(data);
  if (mnl_attr_get_type(attribute) == wanted.type)
    wanted.found = attribute;
  return MNL_CB_OK;
}

const nlattr* find_in(const nlattr* nest, int type) {
  search wanted{type};
  if (nest != nullptr)
    mnl_attr_parse_nested(nest, look_at, &wanted);
  return wanted.found;
}

/// Whether the interface of the message has IPv6.
bool has_ipv6(const nlmsghdr& message) {
  search families{IFLA_AF_SPEC};
  mnl_attr_parse(&message, sizeof(ifinfomsg), look_at, &families);
  const auto* settings
    = find_in(find_in(families.found, AF_INET6), IFLA_INET6_CONF);
  constexpr std::size_t at = DEVCONF_DISABLE_IPV6 * sizeof(std::int32_t);
  if (settings == nullptr
      || mnl_attr_get_payload_len(settings) < at + sizeof(std::int32_t))
    return false;
  std::int32_t is_off = 1;
  std::memcpy(&is_off,
              static_cast<const char*>(mnl_attr_get_payload(settings)) + at,
              sizeof is_off);
  return is_off == 0;
}

} // namespace

result<ipv6_state> ipv6_of(int interface_index) {
  if (!file_descriptor{::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)})
    return ipv6_state::absent;
  auto fd = netlink::open(0, true);
  if (!fd)
    return tl::unexpected(fd.error());
  netlink::request query{RTM_GETLINK, 0};
  query.payload<ifinfomsg>().ifi_index = interface_index;
  bool is_on = false;
  auto done = netlink::execute(
    fd->get(), query, [] { return std::string{"Cannot look for IPv6"}; },
    [&](const nlmsghdr& message) {
      if (message.nlmsg_type == RTM_NEWLINK)
        is_on = has_ipv6(message);
    });
  if (!done)
    return tl::unexpected(done.error());
  return is_on ? ipv6_state::on : ipv6_state::off;
}

} // namespace weft
