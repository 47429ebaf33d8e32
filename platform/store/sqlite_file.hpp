// The file behind a SQLite store: who holds it, what marks it, its schema, and
// copies of it.  Private to platform/store/.
#pragma once

#include "platform/file_descriptor.hpp"
#include "platform/store/sqlite_database.hpp"

#include <string>

namespace weft {

/// What a file is for; its `application_id`.
enum class sqlite_mark : std::uint32_t {
  store = 0x77656674,  // "weft"
  backup = 0x77656662, // "wefb"
};

/// Makes the folder, and keeps other processes out of it as long as the
/// descriptor lives.
store_result<file_descriptor> hold_store_folder(const std::string& folder);

/// Opens a store's file, whole and of a schema that this program knows, for
/// this connection alone.  One that is missing is made with `id`.
store_result<sqlite_database>
open_store_file(const std::string& path, const store_id& id);

/// Opens a backup for reading, whole and of a known schema.
store_result<sqlite_database> open_backup_file(const std::string& path);

/// Copies what `from` has now into a new file (0600) with `mark`, and with `id`
/// unless it is null.  At `path` there is all of it, on the disk, or nothing;
/// what is there already is left alone, which is an error.
store_result<void>
copy_store_file(const sqlite_database& from, const std::string& path,
                sqlite_mark mark, const store_id* id);

} // namespace weft
