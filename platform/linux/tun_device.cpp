#include "platform/tun_device.hpp"

#include "platform/linux/netlink.hpp"
#include "protocol/base/text.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace weft {

namespace {

// Linux 6.2; missing in older headers.
constexpr unsigned offload_uso4 = 0x20; // TUN_F_USO4
constexpr unsigned offload_uso6 = 0x40; // TUN_F_USO6
constexpr unsigned offload_tcp
  = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

constexpr auto device_path = "/dev/net/tun";

result<file_descriptor> open_clone_device() {
  file_descriptor fd{::open(device_path, O_RDWR | O_NONBLOCK | O_CLOEXEC)};
  if (fd)
    return fd;
  const int code = errno;
  std::string remedy;
  if (code == ENOENT || code == ENODEV || code == ENXIO)
    remedy = "Load the module (modprobe tun); a container needs --device "
             "/dev/net/tun --cap-add NET_ADMIN";
  else if (code == EACCES)
    remedy = "Run as root, or give the user access to /dev/net/tun";
  return tl::unexpected(make_system_error(
    code, std::string{"Cannot open "} + device_path, std::move(remedy)));
}

ifreq request_for(std::string_view name) {
  ifreq request{};
  name.copy(&request.ifr_name[0], IFNAMSIZ - 1);
  return request;
}

/// Attaches `fd` to the device of that name, and makes it unless `existing`.
/// Returns 0 and sets the name, or returns errno.
int attach(int fd, std::string& name, bool existing, bool several) {
  auto request = request_for(name);
  // The header also without offloads: they may be wanted later.
  unsigned flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  if (!existing)
    flags |= IFF_TUN_EXCL;
  if (several)
    flags |= IFF_MULTI_QUEUE;
  request.ifr_flags = static_cast<short>(flags);
  if (::ioctl(fd, TUNSETIFF, &request) != 0)
    return errno;
  name = &request.ifr_name[0];
  return 0;
}

/// How to say what a link is: "a dummy link".
std::string describe(const netlink::link_state& link) {
  if (link.kind.empty())
    return (link.flags & IFF_LOOPBACK) != 0 ? "the loopback link"
                                            : "a network card";
  if (link.kind != "tun")
    return "a link of kind " + link.kind;
  if (!link.is_tun)
    return "a TAP device";
  return "a TUN device that another program serves";
}

system_error refusal(const netlink::link_state& link) {
  std::string remedy = "Choose another name";
  if (link.is_tun)
    remedy = "Stop the program that serves it (perhaps another weft), or "
             "choose another name";
  else if (link.kind == "wireguard")
    remedy += ", or remove it (wg-quick down " + link.name + ", or ip link del "
              + link.name + ")";
  else if (!link.kind.empty())
    remedy += ", or remove it (ip link del " + link.name + ")";
  return {EBUSY, "Cannot make the TUN device " + link.name
                   + ": the name belongs to " + describe(link) + ". " + remedy};
}

/// A persistent TUN device without a carrier: its program left it behind.
bool is_left_behind(const netlink::link_state& link) {
  return link.is_tun && link.persistent && !link.carrier;
}

/// Attaches to one that was left behind.  From now on it ends with this
/// program.
result<void> take_over(int fd, std::string& name, bool& several) {
  auto socket = netlink::open(0, true);
  if (!socket)
    return tl::unexpected(socket.error());
  auto link = netlink::find_link(socket->get(), name, 0);
  if (!link)
    return tl::unexpected(link.error());
  if (!is_left_behind(*link))
    return tl::unexpected(refusal(*link));
  int code = attach(fd, name, true, several);
  if (code == EINVAL) { // it was made for one queue, or for several
    several = !several;
    code = attach(fd, name, true, several);
  }
  if (code == EBUSY)
    return tl::unexpected(refusal(*link));
  if (code != 0)
    return tl::unexpected(make_system_error(
      code, "Cannot take over the TUN device " + name,
      code == EINVAL ? "Remove it (ip link del " + name + ")" : ""));
  if (::ioctl(fd, TUNSETPERSIST, 0) != 0)
    return tl::unexpected(
      make_system_error(errno, "Cannot take over the TUN device " + name));
  return {};
}

/// Has room for what comes while other programs have the processor; the kernel
/// drops the rest, and knows no peers.  The default is 500 packets.
void lengthen_queue(int netlink_fd, int index) {
  constexpr std::uint32_t packets = 2000;
  netlink::request change{RTM_NEWLINK, 0};
  auto& info = change.payload<ifinfomsg>();
  info.ifi_family = AF_UNSPEC;
  info.ifi_index = index;
  mnl_attr_put_u32(change.header(), IFLA_TXQLEN, packets);
  static_cast<void>(
    netlink::execute(netlink_fd, change, [] { return std::string{}; }));
}

/// Keeps the host from sending router solicitations and multicast reports into
/// the tunnel.  Without IPv6 there is nothing to do, so errors do not matter.
void silence(int netlink_fd, int index) {
  netlink::request change{RTM_NEWLINK, 0};
  auto& info = change.payload<ifinfomsg>();
  info.ifi_family = AF_UNSPEC;
  info.ifi_index = index;
  info.ifi_change = IFF_MULTICAST;
  auto* header = change.header();
  auto* families = mnl_attr_nest_start(header, IFLA_AF_SPEC);
  auto* v6 = mnl_attr_nest_start(header, AF_INET6);
  mnl_attr_put_u8(header, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
  mnl_attr_nest_end(header, v6);
  mnl_attr_nest_end(header, families);
  static_cast<void>(
    netlink::execute(netlink_fd, change, [] { return std::string{}; }));
}

} // namespace

std::optional<std::string> check_device_name(std::string_view name) {
  // The kernel puts a number in the place of "%d".
  std::string example{name.substr(0, longest_interface_name + 1)};
  if (const auto at = example.find("%d"); at != std::string::npos)
    example.replace(at, 2, "00");
  if (is_interface_name(example))
    return std::nullopt;
  return "an interface has a name of 1 to 15 characters without white space, "
         "control characters, '/' and ':', and with '%' in one %d only";
}

result<tun_device>
tun_device::create(const std::string& name, const options& wanted) {
  return make(name, wanted, false);
}

bool tun_device::is_taken(const std::string& name) {
  auto socket = netlink::open(0, true);
  if (!socket)
    return false;
  const auto link = netlink::find_link(socket->get(), name, 0);
  return link && !is_left_behind(*link);
}

result<std::vector<tun_device>>
tun_device::create_queues(const std::string& name, const options& wanted,
                          std::size_t count) {
  auto first = make(name, wanted, count > 1);
  if (!first)
    return tl::unexpected(first.error());
  std::vector<tun_device> queues;
  queues.reserve(count);
  queues.push_back(std::move(*first));
  if (count < 2 || !queues.front().several_)
    return queues;
  auto writing = queues.front().open_queue();
  if (!writing)
    return queues;
  ifreq request{};
  request.ifr_flags = IFF_DETACH_QUEUE;
  if (::ioctl(writing->get(), TUNSETQUEUE, &request) != 0)
    return queues;
  const auto shared
    = std::make_shared<const file_descriptor>(std::move(*writing));
  queues.front().writing_ = shared;
  while (queues.size() < count) {
    const auto& all = queues.front();
    auto opened = all.open_queue();
    if (!opened)
      break;
    tun_device made;
    made.fd_ = std::move(*opened);
    made.writing_ = shared;
    made.name_ = all.name_;
    made.index_ = all.index_;
    made.has_header_ = all.has_header_;
    made.several_ = true;
    queues.push_back(std::move(made));
  }
  return queues;
}

result<file_descriptor> tun_device::open_queue() const {
  auto fd = open_clone_device();
  if (!fd)
    return fd;
  auto name = name_;
  if (const int code = attach(fd->get(), name, true, true); code != 0)
    return tl::unexpected(
      make_system_error(code, "Cannot add a queue to " + name_));
  return fd;
}

result<tun_device>
tun_device::make(const std::string& name, const options& wanted, bool several) {
  if (auto reason = check_device_name(name))
    return tl::unexpected(make_system_error(0, "Cannot make the TUN device '"
                                                 + name + "': " + *reason));
  auto fd = open_clone_device();
  if (!fd)
    return tl::unexpected(fd.error());
  tun_device made;
  made.fd_ = std::move(*fd);
  made.name_ = name;
  made.has_header_ = true;
  made.several_ = several;
  const int code = attach(made.fd_.get(), made.name_, false, several);
  if (code == EBUSY) {
    auto taken = take_over(made.fd_.get(), made.name_, made.several_);
    if (!taken)
      return tl::unexpected(taken.error());
  } else if (code != 0) {
    return tl::unexpected(
      make_system_error(code, "Cannot make the TUN device " + name));
  }
  auto socket = netlink::open(0, true);
  if (!socket)
    return tl::unexpected(socket.error());
  auto link = netlink::find_link(socket->get(), made.name_, 0);
  if (!link)
    return tl::unexpected(link.error());
  made.index_ = link->index;
  lengthen_queue(socket->get(), made.index_);
  silence(socket->get(), made.index_);
  if (auto done = made.set_header_size(); !done)
    return tl::unexpected(done.error());
  made.set_offloads(wanted.offload);
  return made;
}

result<void> tun_device::set_header_size() const {
  int size = sizeof(offload_header);
  if (::ioctl(fd_.get(), TUNSETVNETHDRSZ, &size) != 0)
    return tl::unexpected(make_system_error(
      errno, "Cannot set the header size of the TUN device " + name_));
  return {};
}

void tun_device::set_offloads(bool wanted) {
  const auto accepts = [this](unsigned offloads) {
    return ::ioctl(fd_.get(), TUNSETOFFLOAD,
                   static_cast<unsigned long>(offloads))
           == 0;
  };
  wanted = wanted && has_header_;
  udp_offload_ = wanted && accepts(offload_tcp | offload_uso4 | offload_uso6);
  tcp_offload_ = udp_offload_ || (wanted && accepts(offload_tcp));
  if (!tcp_offload_)
    accepts(wanted ? TUN_F_CSUM : 0);
}

tun_device::io_status
tun_device::write(const offload_header& header,
                  std::span<const const_byte_span> fragments) const {
  if (fragments.size() > max_fragments)
    return io_status::rejected;
  if (!has_header_
      && (header.flags != 0 || header.gso_type != offload_header::gso_none))
    return io_status::rejected; // no way to tell the kernel
  // Left uninitialised: only what is filled in is read.
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
  std::array<iovec, max_fragments + 1> vectors;
  std::size_t used = 0;
  // writev() does not write to what an iovec points to.
  if (has_header_)
    vectors[used++] = {const_cast<offload_header*>(&header), sizeof header};
  for (const auto fragment : fragments)
    vectors[used++]
      = {const_cast<std::byte*>(fragment.data()), fragment.size()};
  ssize_t count = 0;
  do
    count = ::writev(writing_ ? writing_->get() : fd_.get(), vectors.data(),
                     static_cast<int>(used));
  while (count < 0 && errno == EINTR);
  if (count >= 0)
    return io_status::ok;
  switch (errno) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return io_status::would_block;
    case EIO:
      return io_status::not_up;
    case EBADFD:
    case ENODEV:
      return io_status::lost;
    default:
      return io_status::rejected;
  }
}

bool tun_device::still_exists() const {
  return current_name().has_value();
}

result<std::string> tun_device::current_name() const {
  ifreq request{};
  if (::ioctl(fd_.get(), TUNGETIFF, &request) != 0)
    return tl::unexpected(
      make_system_error(errno, "The TUN device " + name_ + " is gone"));
  return std::string{&request.ifr_name[0]};
}

result<file_descriptor> tun_device::current_namespace() const {
  file_descriptor fd{::ioctl(fd_.get(), TUNGETDEVNETNS)};
  if (!fd)
    return tl::unexpected(make_system_error(
      errno, "Cannot tell which network namespace holds " + name_));
  return fd;
}

result<std::uint32_t> tun_device::mtu() const {
  auto present_name = current_name();
  if (!present_name)
    return tl::unexpected(present_name.error());
  const auto open_here = [] { return netlink::open(0, true); };
  auto where = current_namespace();
  if (!where && where.error().code != EPERM)
    return tl::unexpected(where.error());
  // Without privileges, an adopted device's MTU is that of its link here.
  auto socket
    = where ? netlink::open_in_namespace(where->get(), open_here) : open_here();
  if (!socket)
    return tl::unexpected(socket.error());
  auto link = netlink::find_link(socket->get(), *present_name, 0);
  if (!link)
    return tl::unexpected(link.error());
  if (!where && link->index != index_)
    return tl::unexpected(where.error());
  return link->mtu;
}

} // namespace weft
