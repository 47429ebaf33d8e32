#include "platform/store/sqlite_database.hpp"

#include <tuple>

namespace weft {

namespace {

store_failure failure_of(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return store_failure::full;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_SCHEMA:
    case SQLITE_ERROR: // a table or column that is not there
    case SQLITE_CONSTRAINT:
      return store_failure::damaged;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return store_failure::refused;
    default:
      return store_failure::unavailable;
  }
}

std::string remedy_for(store_failure failure, const char* restored_by) {
  switch (failure) {
    case store_failure::full:
      return ". Make room on its file system: nothing that was confirmed is "
             "lost";
    case store_failure::damaged:
      return ". " + remedy_for_damage(restored_by);
    case store_failure::refused:
      return ". The file and its folder must belong to the user that works "
             "with it, and be writable for it";
    default:
      return "";
  }
}

store_error error_of(sqlite3* database, int code, const char* restored_by) {
  const auto failure = failure_of(code);
  const auto* path = sqlite3_db_filename(database, nullptr);
  return {failure, "The database " + std::string{path == nullptr ? "" : path}
                     + ": " + sqlite3_errmsg(database)
                     + remedy_for(failure, restored_by)};
}

} // namespace

std::string remedy_for_damage(const char* restored_by) {
  return "Keep it for whoever looks into it: move it away with all files whose "
         "names begin with its own, and restore the newest backup by '"
         + std::string{restored_by} + "'";
}

sqlite_statement& sqlite_statement::bind(int number, std::string_view bytes) {
  // No bytes are an empty value, where a null pointer would be none.
  const auto* from = bytes.data() == nullptr ? "" : bytes.data();
  note(sqlite3_bind_blob64(statement_.get(), number, from, bytes.size(),
                           SQLITE_TRANSIENT)); // NOLINT
  return *this;
}

sqlite_statement& sqlite_statement::bind(int number, const_byte_span bytes) {
  note(sqlite3_bind_blob64(statement_.get(), number, bytes.data(), bytes.size(),
                           SQLITE_TRANSIENT)); // NOLINT
  return *this;
}

sqlite_statement& sqlite_statement::bind(int number, std::uint64_t value) {
  note(sqlite3_bind_int64(statement_.get(), number,
                          static_cast<sqlite3_int64>(value)));
  return *this;
}

sqlite_statement& sqlite_statement::bind_nothing(int number) {
  note(sqlite3_bind_null(statement_.get(), number));
  return *this;
}

sqlite_statement&
sqlite_statement::bind_text(int number, std::string_view text) {
  note(sqlite3_bind_text64(statement_.get(), number, text.data(), text.size(),
                           SQLITE_TRANSIENT, SQLITE_UTF8)); // NOLINT
  return *this;
}

store_result<bool> sqlite_statement::step() {
  if (bound_ != SQLITE_OK)
    return tl::unexpected(error_of(database_, bound_, restored_by_));
  const auto code = sqlite3_step(statement_.get());
  if (code != SQLITE_ROW && code != SQLITE_DONE)
    return tl::unexpected(error_of(database_, code, restored_by_));
  return code == SQLITE_ROW;
}

store_result<void> sqlite_statement::run() {
  auto done = step();
  if (!done)
    return tl::unexpected(std::move(done.error()));
  return {};
}

std::uint64_t sqlite_statement::number(int column) const {
  return static_cast<std::uint64_t>(
    sqlite3_column_int64(statement_.get(), column));
}

std::string sqlite_statement::bytes(int column) const {
  const auto* from = sqlite3_column_blob(statement_.get(), column);
  const auto size = sqlite3_column_bytes(statement_.get(), column);
  if (from == nullptr)
    return {};
  return {static_cast<const char*>(from), static_cast<std::size_t>(size)};
}

bool sqlite_statement::is_nothing(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

store_result<sqlite_database>
sqlite_database::open(const std::string& path, const char* restored_by) {
  sqlite3* handle = nullptr;
  constexpr auto flags
    = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const auto code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  sqlite_database opened{handle, restored_by};
  if (code != SQLITE_OK)
    return tl::unexpected(
      handle != nullptr ? error_of(handle, code, restored_by)
                        : store_error{store_failure::unavailable,
                                      "There is no memory to open " + path});
  // Whoever writes to the file by hand shall not get programs of this one to
  // run what it says.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr); // NOLINT
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0,
                    nullptr); // NOLINT
  return opened;
}

store_result<sqlite_statement>
sqlite_database::prepare(std::string_view text) const {
  sqlite3_stmt* statement = nullptr;
  const auto code
    = sqlite3_prepare_v2(handle_.get(), text.data(),
                         static_cast<int>(text.size()), &statement, nullptr);
  if (code != SQLITE_OK)
    return tl::unexpected(error_of(handle_.get(), code, restored_by_));
  return sqlite_statement{handle_.get(), statement, restored_by_};
}

store_result<void> sqlite_database::run(const std::string& text) const {
  const auto code
    = sqlite3_exec(handle_.get(), text.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK)
    return tl::unexpected(error_of(handle_.get(), code, restored_by_));
  return {};
}

store_result<std::uint64_t>
sqlite_database::number(std::string_view text) const {
  auto statement = prepare(text);
  if (!statement)
    return tl::unexpected(std::move(statement.error()));
  const auto row = statement->step();
  if (!row)
    return tl::unexpected(row.error());
  return *row ? statement->number(0) : 0;
}

store_result<sqlite_transaction>
sqlite_transaction::begin(const sqlite_database& database) {
  if (auto begun = database.run("BEGIN IMMEDIATE"); !begun)
    return tl::unexpected(std::move(begun.error()));
  return sqlite_transaction{database};
}

sqlite_transaction::~sqlite_transaction() {
  // SQLite has undone it already where the disk was full or failed.
  if (database_ != nullptr && database_->in_transaction())
    std::ignore = database_->run("ROLLBACK");
}

store_result<void> sqlite_transaction::commit() {
  auto done = database_->run("COMMIT");
  if (!done) {
    if (done.error().failure == store_failure::unavailable)
      done.error().failure = store_failure::unknown_outcome;
    return done;
  }
  database_ = nullptr;
  return done;
}

} // namespace weft
