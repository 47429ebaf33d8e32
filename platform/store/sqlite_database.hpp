// SQLite's connections and statements as objects, and its failures as values.
#pragma once

#include "protocol/network/store.hpp"

#include <sqlite3.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

/// What to do about a file that is damaged, as a sentence.
std::string remedy_for_damage(const char* restored_by);

/// A statement with its arguments; steps through its rows.
class sqlite_statement {
public:
  /// Numbered from 1, as in the statement's text.  The bytes are copied.
  sqlite_statement& bind(int number, std::string_view bytes);
  sqlite_statement& bind(int number, const_byte_span bytes);
  sqlite_statement& bind(int number, std::uint64_t value);
  sqlite_statement& bind_nothing(int number);
  sqlite_statement& bind_text(int number, std::string_view text);

  /// Whether there is another row.
  store_result<bool> step();
  /// For statements without rows.
  store_result<void> run();
  /// For another run(), with other arguments.
  void reset() {
    sqlite3_reset(statement_.get());
  }

  /// Of the row, columns numbered from 0.
  std::uint64_t number(int column) const;
  std::string bytes(int column) const;
  bool is_nothing(int column) const;

private:
  friend class sqlite_database;
  struct finalizer {
    void operator()(sqlite3_stmt* statement) const {
      sqlite3_finalize(statement);
    }
  };
  sqlite_statement(sqlite3* database, sqlite3_stmt* statement,
                   const char* restored_by)
    : database_(database), restored_by_(restored_by), statement_(statement) {
  }
  void note(int code) {
    if (code != SQLITE_OK)
      bound_ = code;
  }

  sqlite3* database_;
  const char* restored_by_;
  std::unique_ptr<sqlite3_stmt, finalizer> statement_;
  int bound_ = SQLITE_OK; ///< what went wrong when arguments were bound
};

/// A connection.  One thread uses it at a time.
class sqlite_database {
public:
  /// `path` names a file that is there, never a URI.  `restored_by` is the
  /// command that puts a backup in its place, for who finds it damaged.
  static store_result<sqlite_database>
  open(const std::string& path, const char* restored_by);

  store_result<sqlite_statement> prepare(std::string_view text) const;
  /// One statement or several, without arguments and rows.
  store_result<void> run(const std::string& text) const;
  /// The first column of the first row; 0 if there is none.
  store_result<std::uint64_t> number(std::string_view text) const;
  const char* restored_by() const {
    return restored_by_;
  }
  /// Whether a transaction is open.
  bool in_transaction() const {
    return sqlite3_get_autocommit(handle_.get()) == 0;
  }

private:
  struct closer {
    void operator()(sqlite3* handle) const {
      sqlite3_close_v2(handle);
    }
  };
  sqlite_database(sqlite3* handle, const char* restored_by)
    : handle_(handle), restored_by_(restored_by) {
  }

  std::unique_ptr<sqlite3, closer> handle_;
  const char* restored_by_;
};

/// A transaction that is undone unless it was committed.
class sqlite_transaction {
public:
  static store_result<sqlite_transaction>
  begin(const sqlite_database& database);
  sqlite_transaction(sqlite_transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {
  }
  sqlite_transaction& operator=(sqlite_transaction&&) = delete;
  ~sqlite_transaction();

  /// `unknown_outcome`: the disk failed on the way, so that the transaction may
  /// be found there when the file is opened again.
  store_result<void> commit();

private:
  explicit sqlite_transaction(const sqlite_database& database)
    : database_(&database) {
  }

  const sqlite_database* database_; ///< nothing: it has ended
};

} // namespace weft
