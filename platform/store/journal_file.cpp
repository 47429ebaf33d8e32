#include "platform/store/journal_file.hpp"

#include "platform/store/sqlite_file.hpp"

#include <sodium.h>

#include <cstring>
#include <tuple>

namespace weft {

namespace {

constexpr auto schema = R"(
CREATE TABLE state (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  recovering INTEGER NOT NULL,
  base INTEGER NOT NULL,       -- of places
  epoch INTEGER NOT NULL,      -- the newest one; 0: none
  secret BLOB                  -- and its secret
);
INSERT INTO state VALUES (1, 0, 0, 0, NULL);
CREATE TABLE entries (
  number INTEGER PRIMARY KEY,
  bytes BLOB NOT NULL
);
CREATE TABLE items (           -- content: NULL where it is no more
  key BLOB NOT NULL PRIMARY KEY,
  entry INTEGER NOT NULL,      -- that changed it last
  content BLOB
);
CREATE INDEX items_by_entry ON items (entry, key);
)";

constexpr sqlite_kind issuer_file{sqlite_mark::journal,
                                  sqlite_mark::journal_backup,
                                  1,
                                  schema,
                                  "issuer",
                                  "journal",
                                  "weft-issuer FOLDER --recover BACKUP"};

std::string path_in(const std::string& folder) {
  return folder + '/' + journal_file_name;
}

byte_vector to_bytes(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

tl::unexpected<store_error> damaged(const std::string& what) {
  return tl::unexpected(store_error{
    store_failure::damaged, "The issuer's journal is damaged: " + what + ". "
                              + remedy_for_damage(issuer_file.restored_by)});
}

} // namespace

store_result<journal_file> journal_file::open(const std::string& folder) {
  auto lock = hold_store_folder(folder, issuer_file);
  if (!lock)
    return tl::unexpected(std::move(lock.error()));
  auto database = open_store_file(path_in(folder), issuer_file);
  if (!database)
    return tl::unexpected(std::move(database.error()));
  if (auto wiping = database->run("PRAGMA secure_delete=ON"); !wiping)
    return tl::unexpected(std::move(wiping.error()));
  journal_file opened(std::move(*lock), std::move(*database));
  if (auto read = opened.read_state(); !read)
    return tl::unexpected(std::move(read.error()));
  return opened;
}

store_result<void> journal_file::read_state() {
  const auto last = database_.number("SELECT max(number) FROM entries");
  if (!last)
    return tl::unexpected(last.error());
  const auto count = database_.number("SELECT count(*) FROM entries");
  if (!count)
    return tl::unexpected(count.error());
  if (*last != *count)
    return damaged("entries are missing");
  const auto recovering = database_.number("SELECT recovering FROM state");
  if (!recovering)
    return tl::unexpected(recovering.error());
  const auto base = database_.number("SELECT base FROM state");
  if (!base)
    return tl::unexpected(base.error());
  base_ = *base;
  length_ = *last;
  recovering_ = *recovering != 0;
  return {};
}

store_result<void> journal_file::read(
  const std::function<bool(const_byte_span entry)>& take) const {
  auto rows
    = database_.prepare("SELECT number, bytes FROM entries ORDER BY number");
  if (!rows)
    return tl::unexpected(std::move(rows.error()));
  for (;;) {
    const auto more = rows->step();
    if (!more)
      return tl::unexpected(more.error());
    if (!*more || !take(to_bytes(rows->bytes(1))))
      return {};
  }
}

store_result<void> journal_file::append(const journal_batch& batch) {
  auto all = sqlite_transaction::begin(database_);
  if (!all)
    return tl::unexpected(std::move(all.error()));
  if (auto written = write(batch); !written)
    return written;
  if (auto done = all->commit(); !done)
    return done;
  length_ += batch.entries.size();
  if (batch.ends_recovery)
    recovering_ = false;
  // The log has the former secret's page as well.  The batch is on the disk
  // whether it is emptied now or by the next one.
  if (batch.secret)
    std::ignore = database_.run("PRAGMA wal_checkpoint(TRUNCATE)");
  return {};
}

store_result<void> journal_file::write(const journal_batch& batch) const {
  auto entry = database_.prepare("INSERT INTO entries VALUES (?1, ?2)");
  if (!entry)
    return tl::unexpected(std::move(entry.error()));
  auto number = length_;
  for (const auto& each : batch.entries) {
    if (auto done = entry->bind(1, ++number).bind(2, each).run(); !done)
      return done;
    entry->reset();
  }
  auto item
    = database_.prepare("INSERT OR REPLACE INTO items VALUES (?1, ?2, ?3)");
  if (!item)
    return tl::unexpected(std::move(item.error()));
  for (const auto& each : batch.items) {
    item->bind(1, each.key).bind(2, each.entry);
    if (each.content)
      item->bind(3, *each.content);
    else
      item->bind_nothing(3);
    if (auto done = item->run(); !done)
      return done;
    item->reset();
  }
  if (batch.secret) {
    auto secret = database_.prepare("UPDATE state SET epoch = ?1, secret = ?2");
    if (!secret)
      return tl::unexpected(std::move(secret.error()));
    if (auto done = secret->bind(1, batch.secret->epoch)
                      .bind(2, const_byte_span(batch.secret->secret.bytes()))
                      .run();
        !done)
      return done;
  }
  return batch.ends_recovery ? database_.run("UPDATE state SET recovering = 0")
                             : store_result<void>{};
}

store_result<journal_page>
journal_file::items_after(std::uint64_t place, std::size_t most_bytes,
                          std::size_t most_items) const {
  const auto entry = place < base_ || place > this->place() ? 0 : place - base_;
  auto rows
    = database_.prepare("SELECT entry, key, content FROM items"
                        " WHERE entry > ?1 ORDER BY entry, key LIMIT ?2");
  if (!rows)
    return tl::unexpected(std::move(rows.error()));
  // One entry changes a few items, so that there is one beyond the page.
  constexpr std::size_t most_of_one_entry = 64;
  rows->bind(1, entry).bind(
    2, static_cast<std::uint64_t>(most_items + most_of_one_entry));
  journal_page page;
  auto through = entry;
  std::size_t bytes = 0;
  for (;;) {
    const auto more = rows->step();
    if (!more)
      return tl::unexpected(more.error());
    if (!*more)
      break;
    const auto changed_by = rows->number(0);
    const auto items = page.items.size() + page.gone.size();
    if (changed_by != through && (bytes >= most_bytes || items >= most_items)) {
      page.through = base_ + through;
      page.more = true;
      return page;
    }
    through = changed_by;
    auto key = to_bytes(rows->bytes(1));
    if (rows->is_nothing(2)) {
      page.gone.push_back(std::move(key));
    } else {
      page.items.push_back({std::move(key), to_bytes(rows->bytes(2))});
      bytes += page.items.back().content.size();
    }
  }
  page.through = this->place();
  return page;
}

store_result<std::optional<byte_vector>>
journal_file::find_item(const byte_vector& key) const {
  auto row = database_.prepare("SELECT content FROM items WHERE key = ?1");
  if (!row)
    return tl::unexpected(std::move(row.error()));
  const auto there = row->bind(1, key).step();
  if (!there)
    return tl::unexpected(there.error());
  if (!*there || row->is_nothing(0))
    return std::optional<byte_vector>{};
  return std::optional{to_bytes(row->bytes(0))};
}

store_result<std::optional<epoch_secret>> journal_file::secret() const {
  auto row = database_.prepare("SELECT epoch, secret FROM state");
  if (!row)
    return tl::unexpected(std::move(row.error()));
  const auto there = row->step();
  if (!there)
    return tl::unexpected(there.error());
  if (!*there || row->is_nothing(1))
    return std::optional<epoch_secret>{};
  auto bytes = row->bytes(1);
  if (bytes.size() != network_secret::size)
    return damaged("the secret of the epoch is none");
  epoch_secret result;
  result.epoch = row->number(0);
  std::memcpy(result.secret.data(), bytes.data(), bytes.size());
  sodium_memzero(bytes.data(), bytes.size());
  return std::optional{std::move(result)};
}

store_result<void> journal_file::back_up(const std::string& path) const {
  return copy_store_file(database_, path, sqlite_mark::journal_backup);
}

// -- backups ------------------------------------------------------------------

store_result<journal_backup> journal_backup::open(const std::string& path) {
  auto database = open_backup_file(path, issuer_file);
  if (!database)
    return tl::unexpected(std::move(database.error()));
  return journal_backup{std::move(*database)};
}

store_result<std::optional<byte_vector>> journal_backup::first_entry() const {
  auto row = database_.prepare("SELECT bytes FROM entries WHERE number = 1");
  if (!row)
    return tl::unexpected(std::move(row.error()));
  const auto there = row->step();
  if (!there)
    return tl::unexpected(there.error());
  return *there ? std::optional{to_bytes(row->bytes(0))} : std::nullopt;
}

store_result<void>
journal_backup::restore_to(const std::string& folder, network_time now) const {
  const auto lock = hold_store_folder(folder, issuer_file);
  if (!lock)
    return tl::unexpected(lock.error());
  // Above all places that there were: no journal has a million entries a
  // second.
  constexpr int places_a_second = 20; // as a power of two
  const auto base = static_cast<std::uint64_t>(now.time_since_epoch().count())
                    << places_a_second;
  return copy_store_file(
    database_, path_in(folder), sqlite_mark::journal, [&](const auto& copy) {
      return copy.run("UPDATE state SET recovering = 1, base = "
                      + std::to_string(base));
    });
}

} // namespace weft
