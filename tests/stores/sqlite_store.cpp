// The store in SQLite: crashes, full disks, damage, backups, and who may touch
// it.
#include "platform/store/sqlite_store.hpp"

#include "tests/on_disk.hpp"
#include "tests/stores/counted_syncs.hpp"
#include "tests/stores/support.hpp"

#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

using namespace weft;
using namespace weft::test;
using Catch::Contains;
using namespace std::chrono_literals;

namespace {

auto try_open(const std::string& folder) {
  return sqlite_store::open({folder, "alpha"}, real_clock(), real_random());
}

auto open(const std::string& folder) {
  return must(try_open(folder));
}

store_error refusal(const std::string& folder) {
  auto opened = try_open(folder);
  REQUIRE_FALSE(opened);
  return opened.error();
}

std::uint64_t count_in(directory_store& store, const std::string& key) {
  const auto entry = must(store.get(key));
  return entry ? std::stoull(entry->value) : 0;
}

/// Counts on in two entries of one change each time, and writes a byte to
/// `acknowledged` for each change that was confirmed, until it is killed.
int count_for_ever(const std::string& folder, int acknowledged) {
  auto store = try_open(folder);
  if (!store)
    return 1;
  auto entry = (*store)->get("count");
  if (!entry)
    return 2;
  auto value = *entry ? std::stoull((*entry)->value) : 0;
  auto changed = *entry ? (*entry)->changed : 0;
  for (;;) {
    ++value;
    const auto outcome = (*store)->change(
      {any_request(),
       {{"count", changed}},
       {{"count", std::to_string(value)}, {"twin", std::to_string(value)}}});
    if (!outcome || !outcome->applied)
      return 3;
    changed = outcome->at;
    if (::write(acknowledged, "+", 1) != 1)
      return 4;
  }
}

/// Lets a child count for `time` and kills it: how often it had confirmation.
std::uint64_t
count_and_kill(const std::string& folder, std::chrono::microseconds time) {
  return output_until_killed(time,
                             [&](int acknowledged) {
                               return count_for_ever(folder, acknowledged);
                             })
    .size();
}

/// Where in the file the text is, written over.
void damage(const std::string& path, std::size_t offset, std::size_t size) {
  std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
  file.seekp(static_cast<std::streamoff>(offset));
  file << std::string(size, '\x5a');
  REQUIRE(file.good());
}

} // namespace

TEST_CASE("a SQLite store survives SIGKILL at any moment: what was confirmed "
          "is there, and nothing by halves") {
  const temporary_folder folder;
  const auto path = folder.path() + "/store";
  std::uint64_t confirmed = 0;
  std::uint64_t uncertain = 0; // one for each kill
  for (int round = 0; round < 60; ++round) {
    const std::chrono::microseconds time{real_random().next_u32() % 40'000};
    confirmed += count_and_kill(path, time);
    ++uncertain;
    const auto store = open(path);
    const auto count = count_in(*store, "count");
    CHECK(count == count_in(*store, "twin"));
    CHECK(count >= confirmed);
    CHECK(count <= confirmed + uncertain);
    if (must(store->list({""})).at != 0)
      CHECK(must(store->get("count"))->changed == count);
  }
  CHECK(confirmed > 0);
}

TEST_CASE("a SQLite store's change is on the disk when it is confirmed") {
  const temporary_folder folder;
  const auto store = open(folder.path() + "/store");
  for (int i = 0; i < 3; ++i) {
    const auto before = files_synchronised();
    REQUIRE(must(store->change(put(std::to_string(i), "v", 0))).applied);
    CHECK(files_synchronised() > before);
  }
}

namespace {

/// What a store took until its disk was full, and what it refused then.
struct filling {
  std::vector<std::string> confirmed; ///< keys, all of this value
  std::string value = std::string(3000, 'v');
  store_change refused;
  store_failure why{};

  explicit filling(sqlite_store& store) {
    for (int i = 0;; ++i) {
      refused = put(std::to_string(i), value, 0);
      const auto outcome = store.change(refused);
      if (!outcome) {
        why = outcome.error().failure;
        return;
      }
      confirmed.push_back(refused.writes[0].key);
    }
  }

  bool is_all_of(sqlite_store& store) const {
    const auto is_there = [&](const std::string& key) {
      const auto entry = store.get(key);
      return entry && *entry && (*entry)->value == value;
    };
    const auto lost = store.get(refused.writes[0].key);
    return lost && !*lost && std::ranges::all_of(confirmed, is_there);
  }
};

} // namespace

TEST_CASE("a SQLite store's full disk loses nothing that was confirmed, and it "
          "goes on when there is room") {
  if (::geteuid() != 0) {
    WARN("skipped: it mounts a small file system, which needs root");
    return;
  }
  const temporary_folder folder;
  const auto code = in_child([&] {
    if (::unshare(CLONE_NEWNS) != 0
        || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0
        || ::mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=1m") != 0)
      return 1;
    const std::string ballast = folder.path() + "/ballast";
    std::ofstream{ballast} << std::string(300'000, 'b');
    auto store = try_open(folder.path() + "/store");
    if (!store)
      return 2;
    const filling all{**store};
    if (all.why != store_failure::full)
      return 3;
    if (all.confirmed.empty() || !all.is_all_of(**store))
      return 4;
    store->reset();
    std::filesystem::remove(ballast);
    store = try_open(folder.path() + "/store");
    if (!store || !all.is_all_of(**store))
      return 5;
    const auto again = (*store)->change(all.refused);
    return again && again->applied ? 0 : 6;
  });
  CHECK(code == 0);
}

TEST_CASE("a SQLite store is its owner's alone, and one process's") {
  const temporary_folder folder;
  const auto path = folder.path() + "/store";
  const auto before = ::umask(0);
  auto store = open(path);
  make(*store, put("a", "1", 0));
  ::umask(before);
  CHECK(mode_of(path) == 0700);
  for (const auto& file : std::filesystem::directory_iterator{path})
    CHECK(mode_of(file.path()) == 0600);

  const auto second = refusal(path);
  CHECK(second.failure == store_failure::unavailable);
  CHECK_THAT(second.message, Contains("Another process keeps it"));
  // Nor may SQLite's own program read or write beside it.
  CHECK_FALSE(succeeds("/usr/bin/python3 -c 'import sqlite3; sqlite3.connect(\""
                       + path
                       + "/directory.sqlite\", timeout=0).execute(\"SELECT * "
                         "FROM state\")' 2>/dev/null"));
  const auto id = store->id();
  store.reset();
  store = open(path);
  CHECK(store->id() == id);
  CHECK(must(store->get("a"))->value == "1");
}

TEST_CASE("a SQLite store settles a request also after it was opened again") {
  const temporary_folder folder;
  const auto change = put("a", "1", 0);
  auto store = open(folder.path() + "/store");
  const auto at = make(*store, change);
  store.reset();
  store = open(folder.path() + "/store");
  CHECK(make(*store, change) == at);
  CHECK(must(store->list({""})).at == at);
}

TEST_CASE("a SQLite store that is damaged, foreign or newer says so, and what "
          "to do") {
  const temporary_folder folder;
  const auto path = folder.path() + "/store";
  const auto file = path + "/directory.sqlite";
  const auto made = [&] {
    std::filesystem::remove_all(path);
    auto store = open(path);
    for (int i = 0; i < 200; ++i)
      make(*store, put("key" + std::to_string(i), std::string(900, 'v'), 0));
  };
  const auto run_sql = [&](const char* text) {
    sqlite3* opened = nullptr;
    REQUIRE(sqlite3_open(file.c_str(), &opened) == SQLITE_OK);
    REQUIRE(sqlite3_exec(opened, text, nullptr, nullptr, nullptr) == SQLITE_OK);
    REQUIRE(sqlite3_close(opened) == SQLITE_OK);
  };

  made();
  damage(file, 0, 100);
  CHECK(refusal(path).failure == store_failure::damaged);
  CHECK_THAT(refusal(path).message,
             Contains(file) && Contains("weft network recover --store BACKUP"));
  made();
  damage(file, 8192, 40'000);
  CHECK(refusal(path).failure == store_failure::damaged);
  CHECK_THAT(refusal(path).message,
             Contains(file) && Contains("weft network recover --store BACKUP"));
  made();
  std::filesystem::resize_file(file, 20'000);
  CHECK(refusal(path).failure == store_failure::damaged);

  made();
  run_sql("PRAGMA user_version=2");
  CHECK_THAT(refusal(path).message, Contains("another version of weft"));
  made();
  run_sql("DELETE FROM state");
  CHECK_THAT(refusal(path).message, Contains("has lost its name"));
  std::filesystem::remove(file);
  run_sql("CREATE TABLE other (x)");
  CHECK_THAT(refusal(path).message, Contains("another program's"));
}

TEST_CASE("a backup of a SQLite store is opened by recovery only, which begins "
          "another history") {
  const temporary_folder folder;
  const auto path = folder.path() + "/store";
  const auto backup = folder.path() + "/backup.sqlite";
  auto store = open(path);
  const auto at = make(*store, put("a", "1", 0));
  must(store->back_up(backup));
  CHECK(mode_of(backup) == 0600);
  CHECK_FALSE(store->back_up(backup)); // is not overwritten
  make(*store, put("a", "2", at));
  const auto id = store->id();
  store.reset();

  // It cannot be put in the store's place, and no store passes for a backup.
  const auto file = path + "/directory.sqlite";
  const auto refused
    = recover_sqlite_store(file, folder.path() + "/other", real_random());
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Contains("is no backup"));
  std::filesystem::remove_all(path);
  std::filesystem::create_directory(path);
  std::filesystem::copy_file(backup, file);
  CHECK_THAT(refusal(path).message, Contains("is a backup"));

  // Nor is a store overwritten by it.
  CHECK_FALSE(recover_sqlite_store(backup, path, real_random()));
  std::filesystem::remove(file);
  must(recover_sqlite_store(backup, path, real_random()));
  CHECK(mode_of(file) == 0600);
  store = open(path);
  CHECK(store->id() != id);
  CHECK(must(store->get("a"))->value == "1");
  make(*store, put("a", "3", at));
  for (const auto& left : std::filesystem::directory_iterator{folder.path()})
    CHECK_THAT(left.path().string(), !Contains(".partial"));
}

TEST_CASE("a backup is not restored beside the log of another SQLite store, "
          "which would be brought into it") {
  const temporary_folder folder;
  const auto path = folder.path() + "/store";
  const auto backup = folder.path() + "/backup.sqlite";
  const auto file = path + "/directory.sqlite";
  const auto log = file + "-wal";
  const auto kept = folder.path() + "/kept";
  auto store = open(path);
  const auto at = make(*store, put("a", "1", 0));
  must(store->back_up(backup));
  make(*store, put("a", "2", at));
  const auto id = store->id();
  std::filesystem::copy_file(log, kept); // what a crash leaves
  store.reset();
  std::filesystem::remove(file);
  for (const auto* suffix : {"-wal", "-journal"}) {
    std::filesystem::copy_file(kept, file + suffix);
    const auto refused = recover_sqlite_store(backup, path, real_random());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().failure == store_failure::refused);
    CHECK_THAT(refused.error().message, Contains(file + suffix));
    CHECK_FALSE(std::filesystem::exists(file));
    std::filesystem::remove(file + suffix);
  }
  must(recover_sqlite_store(backup, path, real_random()));
  store = open(path);
  CHECK(store->id() != id);
  CHECK(must(store->get("a"))->value == "1");
}

TEST_CASE("a SQLite store's presence ends when it is not kept") {
  class hand_clock final : public time_source {
  public:
    time_point now() const override {
      return at;
    }
    wall_time wall() const override {
      return {};
    }
    time_point at{};
  };
  const temporary_folder folder;
  hand_clock clock;
  const auto store = must(
    sqlite_store::open({folder.path() + "/s", "alpha"}, clock, real_random()));
  must(store->keep_present("here"));
  clock.at += presence_lasts - 1ns;
  CHECK(must(store->present()).size() == 1);
  clock.at += 1ns;
  CHECK(must(store->present()).empty());
}
