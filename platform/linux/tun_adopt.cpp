// TUN devices that somebody else has opened.
#include "platform/hand_over.hpp"
#include "platform/linux/netlink.hpp"
#include "platform/tun_device.hpp"
#include "platform/tun_name.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cerrno>

namespace weft {

namespace {

system_error refusal(int fd, int code, const std::string& why) {
  return {code, "Cannot adopt descriptor " + std::to_string(fd)
                  + " as a TUN device: " + why};
}

/// What the errno of TUNGETIFF means.
std::string explain(int code) {
  switch (code) {
    case EBADF:
      return "it is not open";
    case EBADFD:
      return "it is not attached to an interface yet. Attach it (TUNSETIFF) "
             "with IFF_TUN and IFF_NO_PI first";
    default:
      return "it is none. Open /dev/net/tun and attach it (TUNSETIFF) with "
             "IFF_TUN and IFF_NO_PI";
  }
}

} // namespace

result<tun_device>
tun_device::adopt(file_descriptor opened, const options& wanted) {
  tun_device made;
  made.fd_ = std::move(opened);
  if (auto fine = made.check_descriptor(); !fine)
    return tl::unexpected(fine.error());
  if (auto fine = made.check_link(); !fine)
    return tl::unexpected(fine.error());
  if (made.has_header_) {
    if (auto done = made.set_header_size(); !done)
      return tl::unexpected(done.error());
  }
  made.set_offloads(wanted.offload);
  return made;
}

result<std::vector<tun_device>>
tun_device::adopt_queues(std::vector<file_descriptor> opened,
                         file_descriptor writing, const options& wanted) {
  std::vector<tun_device> queues;
  for (auto& each : opened) {
    auto adopted = adopt(std::move(each), wanted);
    if (!adopted)
      return tl::unexpected(adopted.error());
    queues.push_back(std::move(*adopted));
  }
  if (writing) {
    const auto shared
      = std::make_shared<const file_descriptor>(std::move(writing));
    for (auto& each : queues)
      each.writing_ = shared;
  }
  return queues;
}

result<void> tun_device::check_adoptable(int opened) {
  auto copy = duplicate(opened);
  if (!copy)
    return tl::unexpected(copy.error());
  tun_device seen;
  seen.fd_ = std::move(*copy);
  if (auto fine = seen.check_descriptor(); !fine)
    return fine;
  if (const auto where = seen.current_namespace();
      !where && where.error().code == EPERM)
    return tl::unexpected(where.error());
  if (auto fine = seen.check_link(); !fine)
    return fine;
  if (seen.index_ == 0)
    return tl::unexpected(system_error{
      ENODEV,
      seen.name_ + " is in another network namespace than this process"});
  return {};
}

std::string tun_name(int opened) {
  ifreq request{};
  if (::ioctl(opened, TUNGETIFF, &request) != 0)
    return {};
  return &request.ifr_name[0];
}

result<void> tun_device::check_descriptor() {
  const auto fd = fd_.get();
  ifreq request{};
  if (::ioctl(fd, TUNGETIFF, &request) != 0)
    return tl::unexpected(refusal(fd, errno, explain(errno)));
  name_ = &request.ifr_name[0];
  const auto flags = static_cast<unsigned short>(request.ifr_flags);
  if ((flags & IFF_TUN) == 0)
    return tl::unexpected(
      refusal(fd, EINVAL, name_ + " is a TAP device. Attach it with IFF_TUN"));
  has_header_ = (flags & IFF_VNET_HDR) != 0;
  const int mode = ::fcntl(fd, F_GETFL);
  if (mode < 0 || (mode & O_ACCMODE) != O_RDWR)
    return tl::unexpected(
      refusal(fd, EINVAL, "it must be open for reading and writing"));
  if (::fcntl(fd, F_SETFL, mode | O_NONBLOCK) != 0
      || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
    return tl::unexpected(
      refusal(fd, errno, make_system_error(errno, "fcntl fails").message));
  return {};
}

result<void> tun_device::check_link() {
  const auto where = current_namespace();
  const auto is_here = !where || netlink::is_own_namespace(where->get());
  const auto open_here = [] { return netlink::open(0, true); };
  auto socket
    = where ? netlink::open_in_namespace(where->get(), open_here) : open_here();
  if (!socket && !is_here)
    return {}; // it may not look there
  if (!socket)
    return tl::unexpected(socket.error());
  const auto link = netlink::find_link(socket->get(), name_, 0);
  if (!link && link.error().code != ENODEV)
    return tl::unexpected(link.error());
  if (!link || !link->is_tun)
    return {};
  // TUNGETIFF cannot tell: it uses the bit of IFF_NO_PI for IFF_NOFILTER.
  if (link->packet_information)
    return tl::unexpected(
      refusal(fd_.get(), EINVAL,
              name_ + " adds packet information. Attach it with IFF_NO_PI"));
  if (is_here)
    index_ = link->index;
  return {};
}

} // namespace weft
