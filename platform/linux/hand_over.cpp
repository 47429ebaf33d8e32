#include "platform/hand_over.hpp"

#include "platform/clock.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <thread>

namespace weft {

namespace {

/// Whether nobody has it any more.
using is_free = std::function<bool()>;

/// Of a UDP socket; null: it is none that is bound to a port.
is_free port_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  int type = 0;
  socklen_t type_size = sizeof type;
  auto* const where = reinterpret_cast<sockaddr*>(&address);
  if (::getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &type_size) != 0
      || type != SOCK_DGRAM || ::getsockname(socket, where, &size) != 0
      || (address.ss_family != AF_INET && address.ss_family != AF_INET6))
    return nullptr;
  // The port of both families stands at the same place.
  if (reinterpret_cast<const sockaddr_in*>(&address)->sin_port == 0)
    return nullptr;
  return [address, size] {
    const file_descriptor other{
      ::socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    constexpr int only_v6 = 1;
    if (address.ss_family == AF_INET6)
      ::setsockopt(other.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only_v6,
                   sizeof only_v6);
    return ::bind(other.get(), reinterpret_cast<const sockaddr*>(&address),
                  size)
             == 0
           || errno != EADDRINUSE;
  };
}

/// Of a TUN device of this network namespace that goes with its last
/// descriptor; null: it is none.
is_free interface_of(int device) {
  ifreq request{};
  if (::ioctl(device, TUNGETIFF, &request) != 0
      || (static_cast<unsigned short>(request.ifr_flags) & IFF_PERSIST) != 0)
    return nullptr;
  const auto index = ::if_nametoindex(&request.ifr_name[0]);
  if (index == 0)
    return nullptr;
  return [index] {
    std::array<char, IF_NAMESIZE> name{};
    return ::if_indextoname(index, name.data()) == nullptr;
  };
}

} // namespace

result<file_descriptor> duplicate(int fd) {
  file_descriptor made{::fcntl(fd, F_DUPFD_CLOEXEC, 0)};
  if (!made)
    return tl::unexpected(
      make_system_error(errno, "Cannot duplicate a descriptor"));
  return made;
}

bool close_everywhere(std::vector<named_descriptor> descriptors,
                      time_point until) {
  constexpr std::chrono::milliseconds pause{2};
  std::vector<is_free> all;
  for (const auto& each : descriptors)
    for (auto what :
         {port_of(each.descriptor.get()), interface_of(each.descriptor.get())})
      if (what)
        all.push_back(std::move(what));
  descriptors.clear();
  for (;;) {
    std::erase_if(all, [](const is_free& each) { return each(); });
    if (all.empty() || boot_now() >= until)
      return all.empty();
    std::this_thread::sleep_for(pause);
  }
}

} // namespace weft
