#include "platform/store/sqlite_file.hpp"

#include "platform/error.hpp"
#include "platform/files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace weft {

namespace {

tl::unexpected<store_error> failed(store_failure failure, std::string message) {
  return tl::unexpected(store_error{failure, std::move(message)});
}

tl::unexpected<store_error>
failed(int code, const std::string& what, std::string remedy = {}) {
  const auto failure = code == ENOSPC || code == EDQUOT ? store_failure::full
                       : code == EACCES || code == EPERM
                         ? store_failure::refused
                         : store_failure::unavailable;
  return failed(failure,
                make_system_error(code, what, std::move(remedy)).message);
}

std::string pragma(const char* name, std::uint64_t value) {
  return std::string{"PRAGMA "} + name + "=" + std::to_string(value);
}

store_result<void>
check_whole(const sqlite_database& database, const std::string& path,
            const sqlite_kind& kind) {
  auto check = database.prepare("PRAGMA quick_check(1)");
  if (!check)
    return tl::unexpected(std::move(check.error()));
  const auto row = check->step();
  if (!row)
    return tl::unexpected(row.error());
  if (const auto verdict = check->bytes(0); verdict != "ok")
    return failed(store_failure::damaged,
                  path + " is damaged (" + verdict + "). "
                    + remedy_for_damage(kind.restored_by));
  return {};
}

store_result<void>
check_mark(const sqlite_database& database, const std::string& path,
           const sqlite_kind& kind, sqlite_mark wanted) {
  const auto mark = database.number("PRAGMA application_id");
  if (!mark)
    return tl::unexpected(mark.error());
  if (*mark == static_cast<std::uint64_t>(wanted))
    return {};
  if (*mark == static_cast<std::uint64_t>(kind.backup))
    return failed(store_failure::damaged,
                  path + " is a backup, and the " + kind.keeper
                    + " that went on from it would give things out twice. "
                      "Move it away, and restore it by '"
                    + kind.restored_by + "'");
  if (*mark == static_cast<std::uint64_t>(kind.mark))
    return failed(store_failure::damaged,
                  path + " is no backup but a " + kind.what
                    + " that is in use. Write a backup of it by 'weft network "
                      "backup'");
  return failed(store_failure::damaged,
                path
                  + " is another program's. Name another file, or move this "
                    "one away");
}

store_result<void>
check_schema(const sqlite_database& database, const std::string& path,
             const sqlite_kind& kind) {
  const auto version = database.number("PRAGMA user_version");
  if (!version)
    return tl::unexpected(version.error());
  if (*version == kind.version)
    return {};
  return failed(store_failure::damaged,
                path + " was written by another version of weft (schema "
                  + std::to_string(*version) + ", this one knows "
                  + std::to_string(kind.version)
                  + "). Use that version, or a newer one");
}

store_result<void>
check_file(const sqlite_database& database, const std::string& path,
           const sqlite_kind& kind, sqlite_mark mark) {
  if (auto checked = check_mark(database, path, kind, mark); !checked)
    return checked;
  if (auto checked = check_schema(database, path, kind); !checked)
    return checked;
  return check_whole(database, path, kind);
}

/// An empty file, so that SQLite makes none with the umask's mode.
store_result<void> make_file(const std::string& path, int flags) {
  const file_descriptor file{::open(
    path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0600)};
  if (!file)
    return failed(errno, "Cannot make " + path);
  return {};
}

/// Nobody else reads or writes it, and what was confirmed is on the disk.
store_result<void>
settle_in(const sqlite_database& database, const sqlite_kind& kind) {
  auto log = database.prepare("PRAGMA journal_mode=WAL");
  if (!log)
    return tl::unexpected(std::move(log.error()));
  const auto row = log->step();
  if (!row)
    return tl::unexpected(row.error());
  if (log->bytes(0) != "wal")
    return failed(store_failure::unavailable,
                  std::string{"The file system of the "} + kind.keeper + "'s "
                    + kind.what
                    + " cannot keep a write-ahead log. Put it on a local one");
  return database.run("PRAGMA synchronous=FULL");
}

using change_function
  = std::function<store_result<void>(const sqlite_database&)>;

store_result<void>
make_tables(const sqlite_database& database, const sqlite_kind& kind,
            const change_function& first) {
  auto all = sqlite_transaction::begin(database);
  if (!all)
    return tl::unexpected(std::move(all.error()));
  const auto statements
    = kind.schema
      + pragma("application_id", static_cast<std::uint64_t>(kind.mark)) + ";"
      + pragma("user_version", kind.version);
  if (auto made = database.run(statements); !made)
    return made;
  if (first) {
    if (auto made = first(database); !made)
      return made;
  }
  return all->commit();
}

/// Of a copy that nobody sees yet.
store_result<void>
finish_copy(const sqlite_database& from, const std::string& path,
            sqlite_mark mark, const change_function& change) {
  auto copy = sqlite_database::open(path, from.restored_by());
  if (!copy)
    return tl::unexpected(std::move(copy.error()));
  if (auto marked
      = copy->run(pragma("application_id", static_cast<std::uint64_t>(mark)));
      !marked)
    return marked;
  return change ? change(*copy) : store_result<void>{};
}

store_result<void> sync(const std::string& path, int flags) {
  const file_descriptor opened{
    ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags)};
  if (!opened || ::fsync(opened.get()) != 0)
    return failed(errno, "Cannot write " + path + " to the disk");
  return {};
}

/// Gives a finished file its name, unless another one has it.
store_result<void>
put_in_place(const std::string& from, const std::string& to) {
  if (auto synced = sync(from, 0); !synced)
    return synced;
  if (::link(from.c_str(), to.c_str()) != 0)
    return failed(errno, "Cannot make " + to,
                  errno == EEXIST ? "Move that one away before" : "");
  const auto slash = to.rfind('/');
  return sync(slash == std::string::npos ? "." : to.substr(0, slash + 1),
              O_DIRECTORY);
}

/// SQLite would bring what such a log says into any file of its name.
store_result<void> check_no_log(const std::string& path) {
  for (const auto* suffix : {"-wal", "-journal"}) {
    const auto log = path + suffix;
    if (::access(log.c_str(), F_OK) == 0)
      return failed(store_failure::refused,
                    log
                      + " is left of another store, of which it is a part: "
                        "move it to where that one is");
    if (errno != ENOENT)
      return failed(errno, "Cannot look for " + log);
  }
  return {};
}

} // namespace

store_result<file_descriptor>
hold_store_folder(const std::string& folder, const sqlite_kind& kind) {
  if (auto made = make_private_folder(folder); !made)
    return failed(made.error().code == ENOSPC ? store_failure::full
                                              : store_failure::refused,
                  made.error().message);
  const auto path = folder + '/' + kind.keeper + ".lock";
  file_descriptor lock{
    ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!lock)
    return failed(errno, "Cannot open " + path);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return failed(store_failure::unavailable,
                  make_system_error(
                    errno,
                    std::string{"Cannot use the "} + kind.keeper + "'s "
                      + kind.what + " in " + folder,
                    errno == EWOULDBLOCK
                      ? std::string{"Another process keeps it: speak to the "}
                          + kind.keeper + " that runs, or stop it"
                      : "")
                    .message);
  return lock;
}

store_result<sqlite_database>
open_store_file(const std::string& path, const sqlite_kind& kind,
                const change_function& first) {
  if (auto made = make_file(path, 0); !made)
    return tl::unexpected(std::move(made.error()));
  auto database = sqlite_database::open(path, kind.restored_by);
  if (!database)
    return database;
  if (auto alone = database->run("PRAGMA locking_mode=EXCLUSIVE"); !alone)
    return tl::unexpected(std::move(alone.error()));
  // Of a new file, and of one that a crash kept from getting its tables.
  const auto pages = database->number("PRAGMA page_count");
  if (!pages)
    return tl::unexpected(pages.error());
  if (*pages == 0) {
    if (auto settled = settle_in(*database, kind); !settled)
      return tl::unexpected(std::move(settled.error()));
  }
  const auto tables = database->number("SELECT count(*) FROM sqlite_schema");
  if (!tables)
    return tl::unexpected(tables.error());
  const auto mark = database->number("PRAGMA application_id");
  if (!mark)
    return tl::unexpected(mark.error());
  if (*tables == 0 && *mark == 0) {
    if (auto made = make_tables(*database, kind, first); !made)
      return tl::unexpected(std::move(made.error()));
  }
  if (auto checked = check_file(*database, path, kind, kind.mark); !checked)
    return tl::unexpected(std::move(checked.error()));
  if (auto settled = settle_in(*database, kind); !settled)
    return tl::unexpected(std::move(settled.error()));
  return database;
}

store_result<sqlite_database>
open_backup_file(const std::string& path, const sqlite_kind& kind) {
  auto database = sqlite_database::open(path, kind.restored_by);
  if (!database)
    return database;
  if (auto checked = check_file(*database, path, kind, kind.backup); !checked)
    return tl::unexpected(std::move(checked.error()));
  return database;
}

store_result<void>
copy_store_file(const sqlite_database& from, const std::string& path,
                sqlite_mark mark, const change_function& change) {
  if (auto checked = check_no_log(path); !checked)
    return checked;
  const auto partial = path + ".partial";
  for (const auto* left_by_a_crash : {"", "-journal"})
    ::unlink((partial + left_by_a_crash).c_str());
  if (auto made = make_file(partial, O_EXCL); !made)
    return made;
  auto copied = [&]() -> store_result<void> {
    auto vacuum = from.prepare("VACUUM INTO ?1");
    if (!vacuum)
      return tl::unexpected(std::move(vacuum.error()));
    if (auto done = vacuum->bind_text(1, partial).run(); !done)
      return done;
    if (auto done = finish_copy(from, partial, mark, change); !done)
      return done;
    return put_in_place(partial, path);
  }();
  ::unlink(partial.c_str());
  return copied;
}

} // namespace weft
