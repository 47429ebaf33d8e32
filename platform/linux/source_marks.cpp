#include "platform/source_marks.hpp"

#include "platform/file_descriptor.hpp"
#include "platform/linux/netlink.hpp"

#include <fcntl.h>
#include <linux/netconf.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <map>

namespace weft {

namespace {

/// Of each link, of `all`, and of `default`.
constexpr auto settings = "/proc/sys/net/ipv4/conf";
constexpr auto accepted_path = "/proc/sys/net/ipv4/tcp_fwmark_accept";

std::string path_of(const std::string& link, const char* key) {
  return std::string{settings} + '/' + link + '/' + key;
}

int read_number(const std::string& path) {
  std::ifstream in(path);
  int value = 0;
  return in >> value ? value : 0;
}

int read_setting(const std::string& link, const char* key) {
  return read_number(path_of(link, key));
}

/// Nothing to be set is no error.  `remedy`: where it is read-only.
result<void>
write_switch(const std::string& path, bool on, const std::string& remedy) {
  const file_descriptor fd{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if ((fd && ::write(fd.get(), on ? "1" : "0", 1) == 1)
      || (!fd && errno == ENOENT))
    return {};
  const int code = errno;
  return tl::unexpected(make_system_error(
    code, "Cannot write " + path,
    code == EROFS ? "In a container /proc/sys is read-only: start it with "
                    "--sysctl "
                      + remedy
                  : ""));
}

constexpr auto mark_key = "src_valid_mark";

/// One setting of a link.
struct filter_setting {
  int index = 0; ///< the link's, or NETCONFA_IFINDEX_ALL, ...DEFAULT
  int value = 0;
};

int read_attribute(const nlattr* attribute, void* data) {
  auto& setting = *static_cast<filter_setting*>(data);
  const auto number
    = [&] { return static_cast<int>(mnl_attr_get_u32(attribute)); };
  switch (mnl_attr_get_type(attribute)) {
    case NETCONFA_IFINDEX:
      setting.index = number();
      break;
    case NETCONFA_RP_FILTER:
      setting.value = number();
      break;
    default:
      break;
  }
  return MNL_CB_OK;
}

/// `rp_filter` by the links' indices.  Of the kernel itself, as /proc/sys may
/// be hidden.
std::map<int, int> read_filters() {
  std::map<int, int> filters;
  const auto fd = netlink::open(0, true);
  if (!fd)
    return filters;
  netlink::request query{RTM_GETNETCONF, NLM_F_DUMP};
  query.payload<netconfmsg>().ncm_family = AF_INET;
  std::ignore = netlink::execute(
    fd->get(), query,
    [] { return std::string{"Cannot list the settings of links"}; },
    [&](const nlmsghdr& message) {
      if (message.nlmsg_type != RTM_NEWNETCONF)
        return;
      filter_setting setting;
      mnl_attr_parse(&message, sizeof(netconfmsg), read_attribute, &setting);
      filters[setting.index] = setting.value;
    });
  return filters;
}

} // namespace

std::vector<std::string> find_strict_links(const std::string& device) {
  // The kernel takes the larger value of the one, and either of the other.
  constexpr int strict = 1;
  std::vector<std::string> links;
  if (read_setting("all", mark_key) != 0)
    return links;
  auto filters = read_filters();
  const auto for_all = filters[NETCONFA_IFINDEX_ALL];
  for (const auto& [index, own] : filters) {
    std::array<char, IF_NAMESIZE> name{};
    if (index <= 0 || std::max(for_all, own) != strict
        || ::if_indextoname(static_cast<unsigned>(index), name.data())
             == nullptr)
      continue;
    const std::string link{name.data()};
    if (link != "lo" && link != device)
      links.push_back(link);
  }
  std::sort(links.begin(), links.end());
  return links;
}

result<void> set_source_mark(const std::string& link, bool on) {
  return write_switch(path_of(link, mark_key), on,
                      "net.ipv4.conf.all.src_valid_mark=1, or make rp_filter "
                      "of "
                        + link + " loose (2)");
}

bool has_source_mark(const std::string& link) {
  return read_setting(link, mark_key) != 0;
}

bool sees_source_marks() {
  return ::access(path_of("all", mark_key).c_str(), R_OK) == 0;
}

result<void> set_accepted_marks(bool on) {
  return write_switch(accepted_path, on, "net.ipv4.tcp_fwmark_accept=1");
}

bool has_accepted_marks() {
  return read_number(accepted_path) != 0;
}

} // namespace weft
