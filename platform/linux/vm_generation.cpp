#include "platform/vm_generation.hpp"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace weft {

bool is_new_vm_generation(std::string_view event) {
  auto is_change = false;
  auto is_new = false;
  while (!event.empty()) {
    const auto end = event.find('\0');
    const auto property = event.substr(0, end);
    is_change = is_change || property == "ACTION=change";
    is_new = is_new || property == "NEW_VMGENID=1";
    event.remove_prefix(end == std::string_view::npos ? event.size() : end + 1);
  }
  return is_change && is_new;
}

result<vm_generation_watch> vm_generation_watch::open() {
  file_descriptor fd{::socket(AF_NETLINK,
                              SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                              NETLINK_KOBJECT_UEVENT)};
  if (!fd)
    return tl::unexpected(
      make_system_error(errno, "cannot watch the kernel's devices"));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1; // the kernel's own events
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
             sizeof address)
      != 0)
    return tl::unexpected(
      make_system_error(errno, "cannot watch the kernel's devices"));
  return adopt(std::move(fd));
}

vm_generation_watch vm_generation_watch::adopt(file_descriptor opened) {
  vm_generation_watch made;
  made.fd_ = std::move(opened);
  return made;
}

bool vm_generation_watch::read() const {
  std::array<char, 8192> memory{};
  auto changed = false;
  for (;;) {
    sockaddr_nl from{};
    socklen_t size = sizeof from;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    auto* sender = reinterpret_cast<sockaddr*>(&from);
    const auto got
      = ::recvfrom(fd_.get(), memory.data(), memory.size(), 0, sender, &size);
    if (got < 0 && (errno == EINTR || errno == ENOBUFS))
      continue; // events that are lost are hardly this one
    if (got <= 0)
      return changed;
    if (from.nl_pid == 0) // the kernel
      changed = changed
                || is_new_vm_generation(
                  {memory.data(), static_cast<std::size_t>(got)});
  }
}

} // namespace weft
