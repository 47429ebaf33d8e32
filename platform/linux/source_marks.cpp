#include "platform/source_marks.hpp"

#include "platform/file_descriptor.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

namespace weft {

namespace {

namespace fs = std::filesystem;

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

} // namespace

std::vector<std::string> find_strict_links(const std::string& device) {
  // The kernel takes the larger value of the one, and either of the other.
  constexpr int strict = 1;
  constexpr auto filter_key = "rp_filter";
  const auto for_all = read_setting("all", filter_key);
  std::vector<std::string> links;
  if (read_setting("all", mark_key) != 0)
    return links;
  std::error_code failed;
  for (const auto& folder : fs::directory_iterator(settings, failed)) {
    auto link = folder.path().filename().string();
    if (link == "all" || link == "default" || link == "lo" || link == device)
      continue;
    if (std::max(for_all, read_setting(link, filter_key)) == strict)
      links.push_back(std::move(link));
  }
  std::sort(links.begin(), links.end());
  return links;
}

bool may_have_strict_links(const std::string& device) {
  std::error_code failed;
  return !fs::exists(settings, failed) || !find_strict_links(device).empty();
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

result<void> set_accepted_marks(bool on) {
  return write_switch(accepted_path, on, "net.ipv4.tcp_fwmark_accept=1");
}

bool has_accepted_marks() {
  return read_number(accepted_path) != 0;
}

} // namespace weft
