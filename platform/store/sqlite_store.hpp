// A directory's store in one SQLite file, for the one process that keeps it.
//
// All versions of the entries stand in one table, so that pages of a list, and
// watches, tell of one history.  A change is a transaction, in the write-ahead
// log and on the disk when it is confirmed: after SIGKILL, or a power failure,
// at any moment there is all of it or nothing.
#pragma once

#include "protocol/base/random.hpp"
#include "protocol/base/time.hpp"
#include "protocol/network/store.hpp"

#include <memory>
#include <string>

namespace weft {

/// Where it is in the folder, unless another name is given.
inline constexpr auto sqlite_store_name = "directory.sqlite";

struct sqlite_settings {
  std::string folder; ///< of one store; made (0700) if it is missing
  std::string writer; ///< the directory's name
  std::string file = sqlite_store_name; ///< its name in the folder
};

/// A store that also writes backups of itself.
class sqlite_store : public directory_store {
public:
  /// Makes the file (0600) if it is missing.  `unavailable` while another
  /// process keeps it.  A backup is not opened: recover_sqlite_store() does.
  /// Clock and randomness must outlive the store.
  static store_result<std::unique_ptr<sqlite_store>>
  open(const sqlite_settings& settings, const time_source& clock,
       random_source& random);

  /// Writes what is there now to a new file (0600), which is marked as a
  /// backup; at `path` there is all of it or nothing.
  virtual store_result<void> back_up(const std::string& path) = 0;
};

/// Makes a store of a backup, in a folder that has none, under a new id; as the
/// folder's owner, who need not be able to read the backup.
store_result<void>
recover_sqlite_store(const std::string& backup, const std::string& folder,
                     random_source& random,
                     const std::string& file = sqlite_store_name);

} // namespace weft
