// Which processors this process may keep busy, and how many.
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

/// The number of the one that the calling thread runs on just now.
int present_processor();

/// Has a thread of this process run on any that the calling thread may run on,
/// but for `processor`.  False: there is no such thread, or nothing is left,
/// or it is forbidden; the thread runs where it did.
bool keep_off_processor(int thread, int processor);

/// The lowest quota of a process's cgroups, in processors (0.5: half of one);
/// nothing: it has none.  `memberships` is the text of its /proc/PID/cgroup,
/// and `root` the folder where cgroups are, /sys/fs/cgroup.  Of both versions.
std::optional<double>
cgroup_quota(std::string_view memberships, const std::string& root);

} // namespace weft
