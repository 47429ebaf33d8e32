// Requests over rtnetlink and to the packet filter.  Only for the sources in
// this folder.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "protocol/base/ip.hpp"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace weft::netlink {

/// A socket of this thread's network namespace that is told of `groups` (for
/// NETLINK_ROUTE: RTMGRP_*).
result<file_descriptor>
open(std::uint32_t groups, bool blocking, int protocol = NETLINK_ROUTE);

/// A request of fixed size, to which libmnl's mnl_attr_put_* may be applied.
class request {
public:
  /// `flags` besides NLM_F_REQUEST and NLM_F_ACK.
  request(std::uint16_t type, std::uint16_t flags);

  nlmsghdr* header() {
    return header_;
  }
  /// Of a dump that was executed: what it tells of was changed meanwhile.
  bool was_interrupted() const {
    return interrupted_;
  }
  /// Adds the fixed part of the message, zeroed.
  template <class T>
  T& payload() {
    return *static_cast<T*>(mnl_nlmsg_put_extra_header(header_, sizeof(T)));
  }

private:
  friend result<void>
  execute(int fd, request& what_to_do, const std::function<std::string()>& what,
          const std::function<void(const nlmsghdr&)>& on_reply);

  alignas(nlmsghdr) std::array<std::byte, 1024> memory_{};
  nlmsghdr* header_;
  bool interrupted_ = false;
};

/// Sends one request over a blocking socket and waits for its end.  `on_reply`
/// sees each message of the answer.  The error's message is what `what` says,
/// which is asked only then, the reason, and the kernel's own explanation
/// where it gives one.
result<void>
execute(int fd, request& what_to_do, const std::function<std::string()>& what,
        const std::function<void(const nlmsghdr&)>& on_reply = {});

/// What the kernel says of a link.
struct link_state {
  int index = 0;
  unsigned flags = 0; ///< IFF_*
  std::uint32_t mtu = 0;
  std::string name;
  std::string kind;    ///< "tun", "dummy", "wireguard" ...; empty for hardware
  bool is_tun = false; ///< of kind "tun", and no TAP
  bool persistent = false;
  bool packet_information = false; ///< of a TUN device: not IFF_NO_PI
  bool carrier = false;  ///< of a TUN device: a program is attached to it
  bool has_ipv6 = false; ///< it is there, and not disabled
};

link_state parse_link(const nlmsghdr& message);

/// Looks a link up by its name, or by its index if the name is empty.  No
/// such link: the error's code is ENODEV.
result<link_state> find_link(int fd, const std::string& name, int index);

/// AF_*
std::uint8_t system_family(ip_family family);

void put_address(nlmsghdr* header, std::uint16_t type,
                 const ip_address& address);

/// The address in an attribute of a message of that family (AF_*).
ip_address to_address(const nlattr* from, std::uint8_t family);

/// What the kernel says of a route.
struct route_state {
  std::optional<ip_address> destination;
  std::optional<ip_address> source;  ///< that packets get which have none
  std::uint32_t interface_index = 0; ///< 0: there are several ways
  std::uint32_t first_way = 0;       ///< the interface of the first of those
  std::uint32_t table = 0;
  std::uint32_t metric = 0;
  std::uint32_t mtu = 0; ///< its own; 0: the link's
};

route_state parse_route(const nlmsghdr& message);

/// A packet whose way is asked for.
struct route_question {
  ip_address destination;
  ip_address source{}; ///< unspecified: the host chooses it
  std::uint32_t fwmark = 0;
  unsigned flags = 0; ///< RTM_F_*
};

result<route_state> ask_route(int fd, const route_question& about);

/// Whether `namespace_fd` refers to the calling thread's network namespace.
bool is_own_namespace(int namespace_fd);

/// Opens a socket in the network namespace that `namespace_fd` refers to.
/// Needs CAP_SYS_ADMIN unless that is the calling thread's own namespace.
result<file_descriptor>
open_in_namespace(int namespace_fd,
                  const std::function<result<file_descriptor>()>& open_here);

} // namespace weft::netlink
