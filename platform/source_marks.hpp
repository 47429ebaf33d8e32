// Links that take a packet's mark into account when they ask whether its source
// is plausible (`src_valid_mark`), as full tunnels need it of links whose
// `rp_filter` is strict: what comes back to the tunnel's own marked packets
// would be dropped there, since without the mark the way back is the tunnel.
#pragma once

#include "platform/error.hpp"

#include <string>
#include <vector>

namespace weft {

/// The links of this network namespace, but for `device` and lo, that are
/// strict; none if all of them look at marks.  Known also where /proc/sys is
/// hidden, but for whether they do.
std::vector<std::string> find_strict_links(const std::string& device);

/// Sets `src_valid_mark` of a link.  One that is gone is no error.
result<void> set_source_mark(const std::string& link, bool on);

/// Whether it is set for the link itself; false also if the link is gone, or
/// /proc/sys is hidden.
bool has_source_mark(const std::string& link);

/// Whether it can be seen which links have it: /proc/sys is there.
bool sees_source_marks();

/// Whether TCP connections that come in keep the mark of their first packet, in
/// this network namespace (`tcp_fwmark_accept`; IPv6 as well).  Answers are
/// then routed by it from the beginning, also where all else leads nowhere.
result<void> set_accepted_marks(bool on);
bool has_accepted_marks();

} // namespace weft
