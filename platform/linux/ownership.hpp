// Whose a file is.  Private to platform/.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

namespace weft {

/// Root's, or this process's user's.
inline bool is_own(const struct stat& info) {
  return info.st_uid == 0 || info.st_uid == ::geteuid();
}

/// Others than its owner may write to it, by way of its group too.
inline bool is_writable_for_others(const struct stat& info) {
  return (info.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

} // namespace weft
