// An issuer's journal in one SQLite file, for the one process that keeps it:
// its entries by number, what others must see of them (items), and the secret
// of the newest epoch.
//
// What append() has confirmed is on the disk (write-ahead log, synchronous):
// after SIGKILL, or a power failure, at any moment there is all of a batch or
// nothing.  A secret that is replaced is written over with zeros, and the log
// that had it is emptied.
#pragma once

#include "platform/file_descriptor.hpp"
#include "platform/store/sqlite_database.hpp"
#include "protocol/network/buckets.hpp"
#include "protocol/network/preshared.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// Where it is in the folder.
inline constexpr auto journal_file_name = "journal.sqlite";

/// What is written together.
struct journal_batch {
  struct changed_item {
    std::uint64_t entry = 0; ///< that changed it, by number
    byte_vector key;
    std::optional<byte_vector> content; ///< none: it is no more
  };

  std::vector<byte_vector> entries; ///< numbered on from the last one
  std::vector<changed_item> items;
  std::optional<epoch_secret> secret; ///< in the place of the one before
  bool ends_recovery = false;

  bool empty() const {
    return entries.empty() && items.empty() && !secret && !ends_recovery;
  }
};

/// Items in the order of the entries that changed them last.  A place is the
/// number of an entry above a base, which rises when a journal is restored: a
/// place of before is behind none of its entries.
struct journal_page {
  std::vector<bucket_table::item> items;
  std::vector<byte_vector> gone;
  std::uint64_t through = 0; ///< all up to this place has been told
  bool more = false;
};

class journal_file {
public:
  /// Makes folder (0700) and file (0600) if they are missing.  `unavailable`
  /// while another process keeps it.  A backup is not opened: journal_backup
  /// does that.
  static store_result<journal_file> open(const std::string& folder);

  /// Of entries, which are numbered from 1.
  std::uint64_t length() const {
    return length_;
  }
  /// It was restored, and waits for what was signed since.
  bool is_recovering() const {
    return recovering_;
  }

  /// All entries in order, until `take` says no.
  store_result<void>
  read(const std::function<bool(const_byte_span entry)>& take) const;

  /// On the disk when it returns.  After an error the file is to be opened
  /// again: it tells whether the batch is there.
  store_result<void> append(const journal_batch& batch);

  /// The last entry's.
  std::uint64_t place() const {
    return base_ + length_;
  }
  /// What has changed behind a place, which may be one of another history: then
  /// that is everything.  In pages of about `most_bytes` and
  /// `most_items`; what one entry changed is never divided.
  store_result<journal_page>
  items_after(std::uint64_t place, std::size_t most_bytes,
              std::size_t most_items) const;
  /// Nothing: there is none.
  store_result<std::optional<byte_vector>>
  find_item(const byte_vector& key) const;

  /// Of the newest epoch; nothing: none has begun.
  store_result<std::optional<epoch_secret>> secret() const;

  /// Writes what is there now to a new file (0600), which is marked as a
  /// backup; at `path` there is all of it or nothing.  It is as secret as the
  /// journal itself.
  store_result<void> back_up(const std::string& path) const;

private:
  journal_file(file_descriptor lock, sqlite_database database)
    : lock_(std::move(lock)), database_(std::move(database)) {
  }
  store_result<void> read_state();
  store_result<void> write(const journal_batch& batch) const;

  file_descriptor lock_; ///< outlives the database
  sqlite_database database_;
  std::uint64_t length_ = 0;
  std::uint64_t base_ = 0;
  bool recovering_ = false;
};

/// A backup of a journal, open for reading.
class journal_backup {
public:
  static store_result<journal_backup> open(const std::string& path);

  /// Nothing: it has none.
  store_result<std::optional<byte_vector>> first_entry() const;

  /// Makes a journal of it, in a folder that has none.
  store_result<void>
  restore_to(const std::string& folder, network_time now) const;

private:
  explicit journal_backup(sqlite_database database)
    : database_(std::move(database)) {
  }

  sqlite_database database_;
};

} // namespace weft
