// The file behind a SQLite store: who holds it, what marks it, its schema, and
// copies of it.  Private to platform/store/.
#pragma once

#include "platform/file_descriptor.hpp"
#include "platform/store/sqlite_database.hpp"

#include <functional>
#include <string>

namespace weft {

/// What a file is for; its `application_id`.
enum class sqlite_mark : std::uint32_t {
  store = 0x77656674,          // "weft"
  backup = 0x77656662,         // "wefb"
  journal = 0x7765666a,        // "wefj"
  journal_backup = 0x77656f6a, // "weoj"
};

/// One kind of file.
struct sqlite_kind {
  sqlite_mark mark;
  sqlite_mark backup;
  /// Raised with every change of the tables, which then needs statements that
  /// bring an older file there.
  std::uint64_t version;
  const char* schema;      ///< statements that make its tables
  const char* keeper;      ///< `directory` or `issuer`: whose it is
  const char* what;        ///< `store` or `journal`
  const char* restored_by; ///< the command that puts a backup in its place
};

/// Makes the folder, and keeps other processes out of it as long as the
/// descriptor lives.
store_result<file_descriptor>
hold_store_folder(const std::string& folder, const sqlite_kind& kind);

/// Opens a file of this kind, whole and of a schema that this program knows,
/// for this connection alone.  For one that is missing `first` makes what its
/// tables begin with, in the transaction that makes them.
store_result<sqlite_database> open_store_file(
  const std::string& path, const sqlite_kind& kind,
  const std::function<store_result<void>(const sqlite_database&)>& first = {});

/// Opens a backup for reading, whole and of a known schema.
store_result<sqlite_database>
open_backup_file(const std::string& path, const sqlite_kind& kind);

/// Copies what `from` has now into a new file (0600) with `mark`, and with what
/// `change` makes of it.  At `path` there is all of it, on the disk, or
/// nothing; what is there already is left alone, which is an error.
store_result<void> copy_store_file(
  const sqlite_database& from, const std::string& path, sqlite_mark mark,
  const std::function<store_result<void>(const sqlite_database&)>& change = {});

} // namespace weft
