#include "platform/linux/netlink.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

// It has an in6_addr of its own, unless the C library's is there.
#include <linux/ipv6.h>

namespace weft::netlink {

namespace {

/// Attributes by type, the unknown ones left out.
template <std::size_t Max>
using attributes = std::array<const nlattr*, Max + 1>;

template <std::size_t Max>
int store_attribute(const nlattr* attribute, void* data) {
  auto& table = *static_cast<attributes<Max>*>(data);
  const auto type = mnl_attr_get_type(attribute);
  if (type <= Max)
    table[type] = attribute;
  return MNL_CB_OK;
}

template <std::size_t Max>
attributes<Max> nested(const nlattr* from) {
  attributes<Max> table{};
  if (from != nullptr)
    mnl_attr_parse_nested(from, store_attribute<Max>, &table);
  return table;
}

std::string text(const nlattr* from) {
  return from != nullptr ? mnl_attr_get_str(from) : "";
}

bool truth(const nlattr* from) {
  return from != nullptr && mnl_attr_get_u8(from) != 0;
}

/// Whether an interface with these settings by family has IPv6.
bool has_ipv6(const nlattr* families) {
  const auto of_ipv6 = nested<AF_INET6>(families)[AF_INET6];
  const auto* settings = nested<IFLA_INET6_MAX>(of_ipv6)[IFLA_INET6_CONF];
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

/// Of several ways the first.
std::uint32_t first_interface(const nlattr* ways) {
  if (ways == nullptr || mnl_attr_get_payload_len(ways) < sizeof(rtnexthop))
    return 0;
  rtnexthop first{};
  std::memcpy(&first, mnl_attr_get_payload(ways), sizeof first);
  return static_cast<std::uint32_t>(first.rtnh_ifindex);
}

std::uint32_t to_number(const nlattr* from) {
  return from != nullptr ? mnl_attr_get_u32(from) : 0;
}

/// The explanation that the kernel adds to an error (NLMSGERR_ATTR_MSG).
std::string explanation(const nlmsghdr& message) {
  constexpr unsigned has_attributes = 0x200; // NLM_F_ACK_TLVS
  constexpr unsigned is_capped = 0x100;      // NLM_F_CAPPED
  if ((message.nlmsg_flags & has_attributes) == 0)
    return {};
  const auto* error
    = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(&message));
  std::size_t offset = sizeof(nlmsgerr);
  if ((message.nlmsg_flags & is_capped) == 0)
    offset += error->msg.nlmsg_len - sizeof(nlmsghdr);
  attributes<NLMSGERR_ATTR_MAX> table{};
  if (offset < mnl_nlmsg_get_payload_len(&message))
    mnl_attr_parse(&message, static_cast<unsigned>(offset),
                   store_attribute<NLMSGERR_ATTR_MAX>, &table);
  return text(table[NLMSGERR_ATTR_MSG]);
}

struct outcome {
  bool ended = false;
  int code = 0;
  std::string explanation;
};

/// Handles one received message; `number` is the request's.
void handle(const nlmsghdr& message, std::uint32_t number, outcome& end,
            const std::function<void(const nlmsghdr&)>& on_reply) {
  if (message.nlmsg_seq != number)
    return;
  if (message.nlmsg_type == NLMSG_ERROR) {
    const auto* error
      = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(&message));
    end = {true, -error->error, explanation(message)};
  } else if (message.nlmsg_type == NLMSG_DONE) {
    // A dump that failed half-way ends so, too: with its errno.
    int code = 0;
    if (mnl_nlmsg_get_payload_len(&message) >= sizeof code)
      std::memcpy(&code, mnl_nlmsg_get_payload(&message), sizeof code);
    end = {true, code < 0 ? -code : 0, {}};
  } else if (on_reply) {
    on_reply(message);
  }
}

} // namespace

result<file_descriptor>
open(std::uint32_t groups, bool blocking, int protocol) {
  constexpr auto what = "Cannot open a netlink socket";
  file_descriptor fd{::socket(
    AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK),
    protocol)};
  if (!fd)
    return tl::unexpected(make_system_error(errno, what));
  // All three only make errors clearer and dumps shorter.
  const int on = 1;
  for (const int option :
       {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK})
    ::setsockopt(fd.get(), SOL_NETLINK, option, &on, sizeof on);
  sockaddr_nl self{};
  self.nl_family = AF_NETLINK;
  self.nl_groups = groups;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&self), sizeof self)
      != 0)
    return tl::unexpected(make_system_error(errno, what));
  return fd;
}

request::request(std::uint16_t type, std::uint16_t flags)
  : header_(mnl_nlmsg_put_header(memory_.data())) {
  header_->nlmsg_type = type;
  header_->nlmsg_flags
    = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
}

result<void>
execute(int fd, request& what_to_do, const std::function<std::string()>& what,
        const std::function<void(const nlmsghdr&)>& on_reply) {
  static thread_local std::uint32_t last_number = 0;
  const auto number = ++last_number;
  auto* header = what_to_do.header();
  header->nlmsg_seq = number;
  if (::send(fd, header, header->nlmsg_len, 0) < 0)
    return tl::unexpected(make_system_error(errno, what()));
  std::vector<std::byte> memory(32768);
  what_to_do.interrupted_ = false;
  outcome end;
  while (!end.ended) {
    const auto got = ::recv(fd, memory.data(), memory.size(), 0);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return tl::unexpected(make_system_error(got < 0 ? errno : EIO, what()));
    auto left = static_cast<int>(got);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(memory.data());
         mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
      if ((message->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
        what_to_do.interrupted_ = true;
      handle(*message, number, end, on_reply);
    }
  }
  if (end.code == 0)
    return {};
  auto error = make_system_error(end.code, what());
  if (!end.explanation.empty())
    error.message += " (" + end.explanation + ")";
  return tl::unexpected(std::move(error));
}

link_state parse_link(const nlmsghdr& message) {
  const auto* info
    = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&message));
  attributes<IFLA_MAX> table{};
  mnl_attr_parse(&message, sizeof(ifinfomsg), store_attribute<IFLA_MAX>,
                 &table);
  link_state link;
  link.index = info->ifi_index;
  link.flags = info->ifi_flags;
  link.name = text(table[IFLA_IFNAME]);
  if (table[IFLA_MTU] != nullptr)
    link.mtu = mnl_attr_get_u32(table[IFLA_MTU]);
  link.carrier = truth(table[IFLA_CARRIER]);
  const auto details = nested<IFLA_INFO_MAX>(table[IFLA_LINKINFO]);
  link.kind = text(details[IFLA_INFO_KIND]);
  if (link.kind == "tun") {
    const auto tun = nested<IFLA_TUN_MAX>(details[IFLA_INFO_DATA]);
    link.is_tun = tun[IFLA_TUN_TYPE] != nullptr
                  && mnl_attr_get_u8(tun[IFLA_TUN_TYPE]) == IFF_TUN;
    link.persistent = truth(tun[IFLA_TUN_PERSIST]);
    link.packet_information = truth(tun[IFLA_TUN_PI]);
  }
  link.has_ipv6 = has_ipv6(table[IFLA_AF_SPEC]);
  return link;
}

result<link_state> find_link(int fd, const std::string& name, int index) {
  request query{RTM_GETLINK, 0};
  auto& info = query.payload<ifinfomsg>();
  info.ifi_family = AF_UNSPEC;
  if (name.empty())
    info.ifi_index = index;
  else
    mnl_attr_put_strz(query.header(), IFLA_IFNAME, name.c_str());
  std::optional<link_state> found;
  const auto what = [&] {
    return "Cannot look up the link "
           + (name.empty() ? std::to_string(index) : name);
  };
  auto done = execute(fd, query, what, [&](const nlmsghdr& message) {
    if (message.nlmsg_type == RTM_NEWLINK)
      found = parse_link(message);
  });
  if (!done)
    return tl::unexpected(done.error());
  if (!found)
    return tl::unexpected(make_system_error(ENODEV, what()));
  return *std::move(found);
}

std::uint8_t system_family(ip_family family) {
  return family == ip_family::v4 ? AF_INET : AF_INET6;
}

void put_address(nlmsghdr* header, std::uint16_t type,
                 const ip_address& address) {
  mnl_attr_put(header, type, address.size(), address.bytes.data());
}

ip_address to_address(const nlattr* from, std::uint8_t family) {
  const auto* bytes = static_cast<const std::byte*>(mnl_attr_get_payload(from));
  return family == AF_INET ? ip_address::from_v4(bytes)
                           : ip_address::from_v6(bytes);
}

route_state parse_route(const nlmsghdr& message) {
  const auto* info = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
  attributes<RTA_MAX> table{};
  mnl_attr_parse(&message, sizeof(rtmsg), store_attribute<RTA_MAX>, &table);
  route_state route;
  if (table[RTA_DST] != nullptr)
    route.destination = to_address(table[RTA_DST], info->rtm_family);
  if (table[RTA_PREFSRC] != nullptr)
    route.source = to_address(table[RTA_PREFSRC], info->rtm_family);
  route.interface_index = to_number(table[RTA_OIF]);
  route.first_way = first_interface(table[RTA_MULTIPATH]);
  route.table = table[RTA_TABLE] != nullptr ? to_number(table[RTA_TABLE])
                                            : info->rtm_table;
  route.metric = to_number(table[RTA_PRIORITY]);
  route.mtu = to_number(nested<RTAX_MAX>(table[RTA_METRICS])[RTAX_MTU]);
  return route;
}

result<route_state> ask_route(int fd, const route_question& about) {
  request query{RTM_GETROUTE, 0};
  auto& info = query.payload<rtmsg>();
  const auto& destination = about.destination;
  info.rtm_family = system_family(destination.family);
  info.rtm_dst_len = static_cast<std::uint8_t>(destination.bits());
  info.rtm_flags = about.flags;
  put_address(query.header(), RTA_DST, destination);
  if (!about.source.is_unspecified()
      && about.source.family == destination.family) {
    info.rtm_src_len = static_cast<std::uint8_t>(about.source.bits());
    put_address(query.header(), RTA_SRC, about.source);
  }
  if (about.fwmark != 0)
    mnl_attr_put_u32(query.header(), RTA_MARK, about.fwmark);
  route_state found;
  auto done = execute(
    fd, query, [&] { return "There is no route to " + to_string(destination); },
    [&](const nlmsghdr& message) {
      if (message.nlmsg_type == RTM_NEWROUTE)
        found = parse_route(message);
    });
  if (!done)
    return tl::unexpected(done.error());
  return found;
}

bool is_own_namespace(int namespace_fd) {
  struct stat own {};
  struct stat other {};
  return ::stat("/proc/thread-self/ns/net", &own) == 0
         && ::fstat(namespace_fd, &other) == 0 && own.st_dev == other.st_dev
         && own.st_ino == other.st_ino;
}

result<file_descriptor>
open_in_namespace(int namespace_fd,
                  const std::function<result<file_descriptor>()>& open_here) {
  if (is_own_namespace(namespace_fd))
    return open_here();
  // A thread of its own: it need not find the way back.
  result<file_descriptor> made = tl::unexpected(system_error{});
  std::thread visitor([&] {
    if (::setns(namespace_fd, CLONE_NEWNET) == 0)
      made = open_here();
    else
      made = tl::unexpected(make_system_error(
        errno, "Cannot enter the network namespace of the device",
        errno == EPERM ? "It needs CAP_SYS_ADMIN" : ""));
  });
  visitor.join();
  return made;
}

} // namespace weft::netlink
