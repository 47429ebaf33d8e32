#include "platform/linux/netlink.hpp"
#include "platform/network.hpp"
#include "platform/tun_device.hpp"

#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace weft {

namespace {

/// Room for the longest message, so that none is cut short.
struct alignas(nlmsghdr) message_memory {
  std::array<std::byte, 32768> bytes;
};

/// Receives once: the bytes, 0 if nothing waits, or -errno.
ssize_t receive(int fd, message_memory& memory) {
  for (;;) {
    const auto got
      = ::recv(fd, memory.bytes.data(), memory.bytes.size(), MSG_DONTWAIT);
    if (got >= 0)
      return got;
    if (errno == EAGAIN)
      return 0;
    if (errno != EINTR)
      return -errno;
  }
}

} // namespace

result<route_monitor> route_monitor::open() {
  auto fd = netlink::open(RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE
                            | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR
                            | RTMGRP_IPV4_RULE | (1U << (RTNLGRP_IPV6_RULE - 1))
                            | (1U << (RTNLGRP_IPV4_NETCONF - 1)),
                          false);
  if (!fd)
    return tl::unexpected(fd.error());
  route_monitor made;
  made.fd_ = std::move(*fd);
  return made;
}

bool route_monitor::read() const {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
  message_memory memory;
  bool changed = false;
  for (;;) {
    const auto got = receive(fd_.get(), memory);
    // Lost messages (ENOBUFS) are changes as well.
    if (got == 0 || (got < 0 && got != -ENOBUFS))
      return changed;
    changed = true;
  }
}

result<link_monitor> link_monitor::open(int interface_index) {
  return watch([](auto open_socket) { return open_socket(); }, {},
               interface_index);
}

result<link_monitor> link_monitor::open(const tun_device& device) {
  auto where = device.current_namespace();
  if (!where)
    return tl::unexpected(where.error());
  auto name = device.current_name();
  if (!name)
    return tl::unexpected(name.error());
  return watch(
    [&](auto open_socket) {
      return netlink::open_in_namespace(where->get(), open_socket);
    },
    *name, 0);
}

template <class Place>
result<link_monitor>
link_monitor::watch(Place&& in_place, const std::string& name, int index) {
  // First the subscription, then the state: nothing falls in between.
  auto events = in_place([] { return netlink::open(RTMGRP_LINK, false); });
  if (!events)
    return tl::unexpected(events.error());
  auto query = in_place([] { return netlink::open(0, true); });
  if (!query)
    return tl::unexpected(query.error());
  auto link = netlink::find_link(query->get(), name, index);
  if (!link)
    return tl::unexpected(link.error());
  link_monitor made;
  made.fd_ = std::move(*events);
  made.query_ = std::move(*query);
  made.index_ = link->index;
  made.mtu_ = link->mtu;
  made.up_ = (link->flags & IFF_UP) != 0;
  return made;
}

std::vector<link_event> link_monitor::read() {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
  message_memory memory;
  std::vector<link_event> events;
  bool lost = false;
  for (;;) {
    const auto got = receive(fd_.get(), memory);
    if (got > 0)
      handle(memory.bytes.data(), static_cast<std::size_t>(got), events);
    else if (got == -ENOBUFS)
      lost = true;
    else
      break;
  }
  // Not before what was queued is read, which is older.
  if (lost)
    catch_up(events);
  return events;
}

void link_monitor::handle(const void* messages, std::size_t size,
                          std::vector<link_event>& events) {
  auto left = static_cast<int>(size);
  for (const auto* message = static_cast<const nlmsghdr*>(messages);
       mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
    if (message->nlmsg_type != RTM_NEWLINK
        && message->nlmsg_type != RTM_DELLINK)
      continue;
    const auto* info
      = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    // Bridges report the links that leave them as deleted, too.
    if (info->ifi_index != index_ || info->ifi_family != AF_UNSPEC)
      continue;
    if (message->nlmsg_type == RTM_DELLINK) {
      note_removed(events);
    } else {
      const auto link = netlink::parse_link(*message);
      note((link.flags & IFF_UP) != 0, link.mtu, events);
    }
  }
}

void link_monitor::catch_up(std::vector<link_event>& events) {
  auto link = netlink::find_link(query_.get(), {}, index_);
  if (link)
    note((link->flags & IFF_UP) != 0, link->mtu, events);
  else if (link.error().code == ENODEV)
    note_removed(events);
}

void link_monitor::note(bool up, std::uint32_t mtu,
                        std::vector<link_event>& events) {
  if (removed_)
    return;
  if (mtu != 0 && mtu != mtu_) {
    mtu_ = mtu;
    events.push_back({link_event::kind::mtu_changed, mtu_});
  }
  if (up != up_) {
    up_ = up;
    events.push_back(
      {up ? link_event::kind::up : link_event::kind::down, mtu_});
  }
}

void link_monitor::note_removed(std::vector<link_event>& events) {
  if (!std::exchange(removed_, true))
    events.push_back({link_event::kind::removed, mtu_});
}

} // namespace weft
