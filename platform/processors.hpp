// How many processors this process may keep busy.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

/// As many as the calling thread may run on, or fewer where the quota of its
/// cgroup, or of one above, comes to less (half a processor counts as one);
/// 1 at least.  It may change while the process runs.
std::size_t usable_processors();

/// The lowest quota of a process's cgroups, in processors (0.5: half of one);
/// nothing: it has none.  `memberships` is the text of its /proc/PID/cgroup,
/// and `root` the folder where cgroups are, /sys/fs/cgroup.  Of both versions.
std::optional<double>
cgroup_quota(std::string_view memberships, const std::string& root);

} // namespace weft
