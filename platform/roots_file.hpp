// Files whose word root may follow.
#pragma once

#include "platform/error.hpp"

#include <string>

namespace weft {

/// What is wrong with a file that names commands for root to run, or nothing:
/// it, its folder and those above belong to root, and nobody else may write to
/// them; also where `path` is a link.  (Of a folder above, in which everybody
/// can put files, none of them can take away those of others: /tmp is no
/// objection.)
result<void> check_roots_file(const std::string& path);

} // namespace weft
