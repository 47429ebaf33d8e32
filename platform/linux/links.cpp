#include "platform/links.hpp"

#include "platform/linux/netlink.hpp"

#include <net/if.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

namespace weft {

namespace {

result<link_info> look_up(const std::string& name, int index) {
  auto fd = netlink::open(0, true);
  if (!fd)
    return tl::unexpected(fd.error());
  auto found = netlink::find_link(fd->get(), name, index);
  if (!found)
    return tl::unexpected(found.error());
  return link_info{found->index, std::move(found->name), found->mtu,
                   (found->flags & IFF_UP) != 0};
}

} // namespace

result<link_info> find_link(const std::string& name) {
  return look_up(name, 0);
}

result<link_info> find_link(int index) {
  return look_up({}, index);
}

result<std::vector<std::string>> link_names() {
  const std::unique_ptr<struct if_nameindex, decltype(&::if_freenameindex)> all{
    ::if_nameindex(), &::if_freenameindex};
  if (!all)
    return tl::unexpected(make_system_error(errno, "Cannot list the links"));
  std::vector<std::string> names;
  for (const auto* link = all.get(); link->if_name != nullptr; ++link)
    names.emplace_back(link->if_name);
  return names;
}

std::uint64_t own_network_namespace() {
  struct stat own {};
  return ::stat("/proc/thread-self/ns/net", &own) == 0 ? own.st_ino : 0;
}

} // namespace weft
