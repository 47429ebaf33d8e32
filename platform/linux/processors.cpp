#include "platform/processors.hpp"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <vector>

namespace weft {

namespace {

std::optional<double>
lower(std::optional<double> one, std::optional<double> other) {
  return one && other ? std::min(*one, *other) : (one ? one : other);
}

/// Of a quota and its period, in us; without a limit the quota is no number
/// (`max`), or -1.
std::optional<double> share_of(std::istream& quota, std::istream& period) {
  double allowed = 0;
  double every = 0;
  if (!(quota >> allowed) || !(period >> every) || allowed <= 0 || every <= 0)
    return std::nullopt;
  return allowed / every;
}

/// Version 2: one file with both numbers.
std::optional<double> quota_of_unified(const std::string& folder) {
  std::ifstream file{folder + "/cpu.max"};
  return share_of(file, file);
}

std::optional<double> quota_of_controller(const std::string& folder) {
  std::ifstream quota{folder + "/cpu.cfs_quota_us"};
  std::ifstream period{folder + "/cpu.cfs_period_us"};
  return share_of(quota, period);
}

/// The lowest of a cgroup and those that it is in.  A container may see its
/// own as the root, whatever it is called outside.
template <class Read>
std::optional<double>
lowest_on_way(const std::string& root, std::string path, Read quota_of) {
  auto lowest = quota_of(root);
  while (path.size() > 1) {
    lowest = lower(lowest, quota_of(root + path));
    path.erase(path.rfind('/'));
  }
  return lowest;
}

bool names_controller(std::string_view list, std::string_view wanted) {
  std::istringstream names{std::string{list}};
  for (std::string name; std::getline(names, name, ',');) {
    if (name == wanted)
      return true;
  }
  return false;
}

/// Those that the calling thread may run on; empty: they cannot be told.
std::vector<cpu_set_t> own_affinity() {
  // The kernel refuses a mask that has no room for all of its processors.
  for (std::size_t parts = 1; parts <= 1024; parts *= 2) {
    std::vector<cpu_set_t> mask(parts);
    if (::sched_getaffinity(0, parts * sizeof(cpu_set_t), mask.data()) == 0)
      return mask;
  }
  return {};
}

std::size_t processors_by_affinity() {
  const auto mask = own_affinity();
  const auto size = mask.size() * sizeof(cpu_set_t);
  return static_cast<std::size_t>(
    std::max(mask.empty() ? 0 : CPU_COUNT_S(size, mask.data()), 1));
}

} // namespace

std::optional<double>
cgroup_quota(std::string_view memberships, const std::string& root) {
  std::optional<double> lowest;
  std::istringstream lines{std::string{memberships}};
  // `0::/a/b` of version 2, `4:cpu,cpuacct:/a/b` of version 1
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos)
      continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    const auto path = line.substr(second + 1);
    if (controllers.empty()) {
      for (const auto* place : {"", "/unified"})
        lowest
          = lower(lowest, lowest_on_way(root + place, path, quota_of_unified));
    } else if (names_controller(controllers, "cpu")) {
      for (const auto& place : {controllers, std::string{"cpu"}}) {
        auto folder = root;
        folder.append("/").append(place);
        lowest
          = lower(lowest, lowest_on_way(folder, path, quota_of_controller));
      }
    }
  }
  return lowest;
}

std::size_t usable_processors() {
  const auto may_run_on = processors_by_affinity();
  std::ifstream file{"/proc/self/cgroup"};
  std::ostringstream memberships;
  memberships << file.rdbuf();
  const auto quota = cgroup_quota(memberships.str(), "/sys/fs/cgroup");
  if (!quota || *quota >= static_cast<double>(may_run_on))
    return may_run_on;
  return std::max<std::size_t>(1, static_cast<std::size_t>(std::floor(*quota)));
}

int present_processor() {
  return ::sched_getcpu();
}

bool keep_off_processor(int thread, int processor) {
  // A number of another process's thread would be taken as well.
  if (processor < 0 || ::syscall(SYS_tgkill, ::getpid(), thread, 0) != 0)
    return false;
  auto mask = own_affinity();
  const auto size = mask.size() * sizeof(cpu_set_t);
  CPU_CLR_S(static_cast<std::size_t>(processor), size, mask.data());
  return CPU_COUNT_S(size, mask.data()) > 0
         && ::sched_setaffinity(thread, size, mask.data()) == 0;
}

} // namespace weft
