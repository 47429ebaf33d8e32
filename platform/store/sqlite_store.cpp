#include "platform/store/sqlite_store.hpp"

#include "platform/acting_user.hpp"
#include "platform/files.hpp"
#include "platform/store/sqlite_file.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>

namespace weft {

namespace {

/// A page ends here, and so do the news of a watch, both with what is on hand.
constexpr std::size_t largest_answer = std::size_t{4} * 1024 * 1024;
constexpr std::size_t most_events = 1000;

constexpr auto schema = R"(
CREATE TABLE state (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  store_id BLOB NOT NULL,
  revision INTEGER NOT NULL,   -- of the last change
  compacted INTEGER NOT NULL,  -- before this one the history is forgotten
  request BLOB,                -- of the last change
  request_at INTEGER NOT NULL  -- its revision
);
CREATE TABLE versions (        -- value: NULL where the entry was removed
  key BLOB NOT NULL,
  revision INTEGER NOT NULL,
  value BLOB,
  UNIQUE (key, revision)
);
CREATE INDEX versions_by_revision ON versions (revision);
)";

constexpr sqlite_kind directory_file{sqlite_mark::store,
                                     sqlite_mark::backup,
                                     1,
                                     schema,
                                     "directory",
                                     "store",
                                     "weft network recover --store BACKUP"};

store_result<void>
write_first_state(const sqlite_database& database, const store_id& id) {
  auto state
    = database.prepare("INSERT INTO state VALUES (1, ?1, 0, 0, NULL, 0)");
  if (!state)
    return tl::unexpected(std::move(state.error()));
  return state->bind(1, id).run();
}

/// Of a copy, which is to be another history.
store_result<void>
write_other_id(const sqlite_database& database, const store_id& id) {
  auto renamed
    = database.prepare("UPDATE state SET store_id = ?1, request = NULL");
  if (!renamed)
    return tl::unexpected(std::move(renamed.error()));
  return renamed->bind(1, id).run();
}

tl::unexpected<store_error> cancelled() {
  return tl::unexpected(store_error{store_failure::cancelled,
                                    "The directory's store is being closed"});
}

tl::unexpected<store_error> forgotten(store_revision revision) {
  return tl::unexpected(
    store_error{store_failure::history_lost,
                "The directory's store has forgotten what was at revision "
                  + std::to_string(revision) + ": list it anew"});
}

tl::unexpected<store_error> cannot_restore(const system_error& why) {
  return tl::unexpected(store_error{store_failure::refused, why.message});
}

/// What the store's only row says.
struct file_state {
  store_id id{};
  store_revision revision = 0;
  store_revision compacted = 0;
  std::string request{}; ///< of the last change
  store_revision request_at = 0;
};

store_result<file_state> read_state(const sqlite_database& database) {
  auto row = database.prepare(
    "SELECT store_id, revision, compacted, request, request_at FROM state");
  if (!row)
    return tl::unexpected(std::move(row.error()));
  const auto there = row->step();
  if (!there)
    return tl::unexpected(there.error());
  const auto id = *there ? row->bytes(0) : std::string{};
  file_state state;
  if (id.size() != state.id.size())
    return tl::unexpected(
      store_error{store_failure::damaged,
                  "The directory's store has lost its name. "
                    + remedy_for_damage(directory_file.restored_by)});
  std::memcpy(state.id.data(), id.data(), id.size());
  state.revision = row->number(1);
  state.compacted = row->number(2);
  state.request = row->bytes(3);
  state.request_at = row->number(4);
  return state;
}

std::string bytes_of(const request_id& request) {
  std::string bytes(request.size(), '\0');
  std::memcpy(bytes.data(), request.data(), request.size());
  return bytes;
}

/// Above all keys, which are shorter.
std::string end_of(const std::string& prefix) {
  auto end = end_of_prefix(prefix);
  return end.empty() ? std::string(longest_store_key + 1, '\xff') : end;
}

/// What store and watches share.
struct shared_file {
  shared_file(file_descriptor held, sqlite_database opened, file_state read)
    : lock(std::move(held)), database(std::move(opened)),
      state(std::move(read)) {
  }

  file_descriptor lock; ///< outlives the database
  sqlite_database database;
  std::mutex mutex; ///< of what is below, and of the database
  std::condition_variable changed;
  file_state state;
  bool closed = false;
};

class sqlite_watch final : public store_watch {
public:
  sqlite_watch(std::shared_ptr<shared_file> file, std::string prefix,
               store_revision from)
    : file_(std::move(file)), prefix_(std::move(prefix)),
      next_(std::max<store_revision>(from, 1)) {
  }

  store_result<store_news> wait(std::chrono::milliseconds patience) override {
    std::unique_lock guard(file_->mutex);
    const auto ended = [this] { return file_->closed || cancelled_; };
    file_->changed.wait_for(guard, patience, [&] {
      return ended() || next_ <= file_->state.revision;
    });
    if (ended())
      return cancelled();
    if (next_ <= file_->state.compacted)
      return forgotten(next_);
    if (next_ > file_->state.revision)
      return store_news{{}, next_ - 1};
    auto news = read();
    if (news)
      next_ = news->through + 1;
    return news;
  }

  void cancel() override {
    const std::lock_guard guard(file_->mutex);
    cancelled_ = true;
    file_->changed.notify_all();
  }

private:
  store_result<store_news> read() const {
    auto rows = file_->database.prepare(
      "SELECT revision, key, value FROM versions"
      " WHERE revision >= ?1 AND key >= ?2 AND key < ?3"
      " ORDER BY revision, key");
    if (!rows)
      return tl::unexpected(std::move(rows.error()));
    rows->bind(1, next_).bind(2, prefix_).bind(3, end_of(prefix_));
    store_news news;
    std::size_t size = 0;
    for (;;) {
      const auto more = rows->step();
      if (!more)
        return tl::unexpected(more.error());
      if (!*more) {
        news.through = file_->state.revision;
        return news;
      }
      store_event event{rows->number(0), rows->bytes(1), std::nullopt};
      const bool next_change
        = !news.events.empty() && news.events.back().at != event.at;
      if (next_change
          && (news.events.size() >= most_events || size >= largest_answer)) {
        news.through = news.events.back().at;
        return news;
      }
      if (!rows->is_nothing(2))
        event.value = rows->bytes(2);
      size += event.key.size() + (event.value ? event.value->size() : 0);
      news.events.push_back(std::move(event));
    }
  }

  std::shared_ptr<shared_file> file_;
  std::string prefix_;
  store_revision next_;
  bool cancelled_ = false; ///< under the file's mutex
};

class opened_store final : public sqlite_store {
public:
  opened_store(std::shared_ptr<shared_file> file, std::string writer,
               const time_source& clock, random_source& random)
    : file_(std::move(file)), writer_(std::move(writer)), clock_(clock),
      random_(random) {
  }

  ~opened_store() override {
    cancel();
  }

  store_id id() const override {
    const std::lock_guard guard(file_->mutex);
    return file_->state.id;
  }

  store_result<store_id> renew_id() override {
    const std::lock_guard guard(file_->mutex);
    if (file_->closed)
      return cancelled();
    auto state = file_->state;
    random_.fill(state.id);
    auto update = database().prepare("UPDATE state SET store_id = ?1");
    if (!update)
      return tl::unexpected(std::move(update.error()));
    if (auto done = update->bind(1, state.id).run(); !done)
      return tl::unexpected(std::move(done.error()));
    file_->state = state;
    return state.id;
  }

  store_result<std::optional<store_entry>>
  get(const std::string& key) override {
    const std::lock_guard guard(file_->mutex);
    if (file_->closed)
      return cancelled();
    auto row
      = database().prepare("SELECT value, revision FROM versions WHERE key = ?1"
                           " ORDER BY revision DESC LIMIT 1");
    if (!row)
      return tl::unexpected(std::move(row.error()));
    const auto there = row->bind(1, key).step();
    if (!there)
      return tl::unexpected(there.error());
    if (!*there || row->is_nothing(0))
      return std::nullopt;
    return store_entry{key, row->bytes(0), row->number(1)};
  }

  store_result<store_page> list(const store_range& range) override {
    if (auto mistake = mistake_in(range))
      return tl::unexpected(std::move(*mistake));
    const std::lock_guard guard(file_->mutex);
    if (file_->closed)
      return cancelled();
    const auto at = range.at == 0 ? file_->state.revision : range.at;
    if (at < file_->state.compacted || at > file_->state.revision)
      return forgotten(at);
    return read_page(range, at);
  }

  store_result<change_outcome> change(const store_change& change) override {
    if (auto mistake = mistake_in(change))
      return tl::unexpected(std::move(*mistake));
    const std::lock_guard guard(file_->mutex);
    if (file_->closed)
      return cancelled();
    // Its outcome may have been unknown: then only the file knows.
    auto state = read_state(database());
    if (!state)
      return tl::unexpected(std::move(state.error()));
    file_->state = *state;
    const auto request = bytes_of(change.request);
    if (state->request == request) {
      file_->changed.notify_all();
      return change_outcome{true, state->request_at};
    }
    state->request = request;
    state->request_at = ++state->revision;
    return apply(change, *state);
  }

  store_result<std::unique_ptr<store_watch>>
  watch(const std::string& prefix, store_revision from) override {
    return std::make_unique<sqlite_watch>(file_, prefix, from);
  }

  store_result<void> compact(store_revision revision) override {
    const std::lock_guard guard(file_->mutex);
    if (file_->closed)
      return cancelled();
    auto state = file_->state;
    if (revision <= state.compacted)
      return {};
    state.compacted = std::min(revision, state.revision);
    auto done = forget_before(state.compacted);
    if (done) {
      file_->state = state;
      file_->changed.notify_all();
    }
    return done;
  }

  store_result<void> keep_present(const std::string& value) override {
    const std::lock_guard guard(file_->mutex);
    if (file_->closed)
      return cancelled();
    presence_ = {writer_, value};
    present_until_ = clock_.now() + presence_lasts;
    return {};
  }

  store_result<std::vector<store_presence>> present() override {
    const std::lock_guard guard(file_->mutex);
    if (file_->closed)
      return cancelled();
    std::vector<store_presence> all;
    if (clock_.now() < present_until_)
      all.push_back(presence_);
    return all;
  }

  void cancel() override {
    const std::lock_guard guard(file_->mutex);
    file_->closed = true;
    file_->changed.notify_all();
  }

  store_result<void> back_up(const std::string& path) override {
    const std::lock_guard guard(file_->mutex);
    if (file_->closed)
      return cancelled();
    return copy_store_file(database(), path, sqlite_mark::backup);
  }

private:
  const sqlite_database& database() const {
    return file_->database;
  }

  store_result<store_page>
  read_page(const store_range& range, store_revision at) const {
    // Row by row along the index: a page must not cost as much as all after it.
    auto rows = database().prepare(
      "SELECT key, max(revision), value FROM versions"
      " WHERE key >= ?1 AND key < ?2 AND revision <= ?3 GROUP BY key"
      " HAVING value IS NOT NULL ORDER BY key");
    if (!rows)
      return tl::unexpected(std::move(rows.error()));
    const auto from = range.after.empty() ? range.prefix : range.after + '\0';
    rows->bind(1, from).bind(2, end_of(range.prefix)).bind(3, at);
    const auto most
      = std::clamp<std::size_t>(range.most, 1, largest_store_page);
    store_page page{{}, at, false};
    for (std::size_t size = 0;;) {
      const auto there = rows->step();
      if (!there)
        return tl::unexpected(there.error());
      page.more = *there;
      if (!*there || page.entries.size() == most || size >= largest_answer)
        return page;
      page.entries.push_back({rows->bytes(0), rows->bytes(2), rows->number(1)});
      size += page.entries.back().value.size();
    }
  }

  store_result<bool> holds(const store_condition& condition) const {
    auto changed = database().prepare(
      "SELECT iif(value IS NULL, 0, revision) FROM versions WHERE key = ?1"
      " ORDER BY revision DESC LIMIT 1");
    if (!changed)
      return tl::unexpected(std::move(changed.error()));
    const auto there = changed->bind(1, condition.key).step();
    if (!there)
      return tl::unexpected(there.error());
    return (*there ? changed->number(0) : 0) == condition.changed;
  }

  store_result<void> write(const store_write& write, store_revision at) const {
    auto insert
      = database().prepare("INSERT INTO versions VALUES (?1, ?2, ?3)");
    if (!insert)
      return tl::unexpected(std::move(insert.error()));
    insert->bind(1, write.key).bind(2, at);
    if (write.value)
      insert->bind(3, *write.value);
    else
      insert->bind_nothing(3);
    return insert->run();
  }

  store_result<change_outcome>
  apply(const store_change& change, const file_state& after) {
    auto all = sqlite_transaction::begin(database());
    if (!all)
      return tl::unexpected(std::move(all.error()));
    for (const auto& condition : change.conditions) {
      const auto held = holds(condition);
      if (!held)
        return tl::unexpected(held.error());
      if (!*held)
        return change_outcome{false, file_->state.revision};
    }
    for (const auto& part : change.writes) {
      if (auto written = write(part, after.revision); !written)
        return tl::unexpected(std::move(written.error()));
    }
    auto update = database().prepare(
      "UPDATE state SET revision = ?1, request = ?2, request_at = ?1");
    if (!update)
      return tl::unexpected(std::move(update.error()));
    if (auto done
        = update->bind(1, after.revision).bind(2, after.request).run();
        !done)
      return tl::unexpected(std::move(done.error()));
    if (auto done = all->commit(); !done)
      return tl::unexpected(std::move(done.error()));
    file_->state = after;
    file_->changed.notify_all();
    return change_outcome{true, after.revision};
  }

  store_result<void> forget_before(store_revision revision) const {
    auto all = sqlite_transaction::begin(database());
    if (!all)
      return tl::unexpected(std::move(all.error()));
    for (const auto* text :
         {"DELETE FROM versions WHERE revision < ?1 AND EXISTS (SELECT 1 FROM"
          " versions AS later WHERE later.key = versions.key AND"
          " later.revision > versions.revision AND later.revision <= ?1)",
          "DELETE FROM versions WHERE revision <= ?1 AND value IS NULL",
          "UPDATE state SET compacted = ?1"}) {
      auto statement = database().prepare(text);
      if (!statement)
        return tl::unexpected(std::move(statement.error()));
      if (auto done = statement->bind(1, revision).run(); !done)
        return done;
    }
    return all->commit();
  }

  std::shared_ptr<shared_file> file_;
  std::string writer_;
  const time_source& clock_;
  random_source& random_;
  store_presence presence_;
  time_point present_until_{};
};

} // namespace

store_result<std::unique_ptr<sqlite_store>>
sqlite_store::open(const sqlite_settings& settings, const time_source& clock,
                   random_source& random) {
  auto lock = hold_store_folder(settings.folder, directory_file);
  if (!lock)
    return tl::unexpected(std::move(lock.error()));
  store_id id{};
  random.fill(id);
  auto database = open_store_file(settings.folder + '/' + settings.file,
                                  directory_file, [&](const auto& made) {
                                    return write_first_state(made, id);
                                  });
  if (!database)
    return tl::unexpected(std::move(database.error()));
  auto state = read_state(*database);
  if (!state)
    return tl::unexpected(std::move(state.error()));
  auto file = std::make_shared<shared_file>(
    std::move(*lock), std::move(*database), std::move(*state));
  return std::make_unique<opened_store>(std::move(file), settings.writer, clock,
                                        random);
}

store_result<void>
recover_sqlite_store(const std::string& backup, const std::string& folder,
                     random_source& random, const std::string& file) {
  auto from = open_backup_file(backup, directory_file);
  if (!from)
    return tl::unexpected(std::move(from.error()));
  if (auto made = make_private_folder(folder); !made)
    return cannot_restore(made.error());
  const auto owner = acting_user::owner_of(folder);
  if (!owner)
    return cannot_restore(owner.error());
  const auto lock = hold_store_folder(folder, directory_file);
  if (!lock)
    return tl::unexpected(lock.error());
  store_id id{};
  random.fill(id);
  return copy_store_file(*from, folder + '/' + file, sqlite_mark::store,
                         [&](const auto& copy) {
                           return write_other_id(copy, id);
                         });
}

} // namespace weft
