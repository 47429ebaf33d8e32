#include "actors/network/store_worker.hpp"

#include "platform/store/sqlite_store.hpp"
#include "tests/actors/message_log.hpp"
#include "tests/catch.hpp"
#include "tests/platform/support.hpp"

#include <atomic>

using namespace weft;
using namespace weft::test;

namespace {

/// A worker for a store in a file, and what it has told.
struct working_store {
  explicit working_store(int failures = 0) : left(failures) {
    worker = std::make_unique<store_worker>(
      [this]() -> store_result<usable_store> {
        if (left-- > 0)
          return tl::unexpected(
            store_error{store_failure::unavailable, "not yet"});
        auto made = sqlite_store::open({folder.path() + "/store", "alpha"},
                                       *sources.clock, *sources.random);
        if (!made)
          return tl::unexpected(std::move(made.error()));
        return usable_store{std::move(*made), {}};
      },
      [this](store_report report) { told.push(std::move(report)); }, sources);
  }

  /// The next report of that kind; others stay.
  template <class Report>
  Report next() {
    for (;;) {
      const auto found
        = std::find_if(kept.begin(), kept.end(), [](const auto& each) {
            return std::holds_alternative<Report>(each);
          });
      if (found == kept.end()) {
        kept.push_back(told.next<store_report>());
        continue;
      }
      auto report = std::get<Report>(std::move(*found));
      kept.erase(found);
      return report;
    }
  }
  void write(const std::string& key, const std::string& value) {
    store_change change;
    sources.random->fill(change.request);
    change.writes = {{key, value}};
    worker->change(change);
    REQUIRE(next<store_changed>().outcome);
  }

  temporary_folder folder;
  loop_sources sources;
  std::atomic<int> left;
  message_log told;
  std::vector<store_report> kept;
  std::unique_ptr<store_worker> worker;
};

} // namespace

TEST_CASE("a store that cannot be opened is tried again, and what was asked "
          "waits") {
  working_store store(2);
  store.worker->list({});
  CHECK(store.next<store_missing>().why.message == "not yet");
  CHECK(store.next<store_missing>().why.message == "not yet");
  std::ignore = store.next<store_opened>();
  CHECK(store.next<store_listed>().page.value().entries.empty());
}

TEST_CASE("calls of a store are made in their order") {
  working_store store;
  store.write("a", "1");
  store.write("b", "2");
  store.worker->list({});
  const auto page = store.next<store_listed>().page.value();
  REQUIRE(page.entries.size() == 2);
  CHECK(page.entries[0].value == "1");
  store.worker->attend("here");
  const auto there = store.next<store_attended>().directories.value();
  REQUIRE(there.size() == 1);
  CHECK(there.front() == store_presence{"alpha", "here"});
  store.worker->back_up("/nowhere", 7);
  const auto backed_up = store.next<store_backed_up>();
  CHECK(backed_up.number == 7);
  CHECK_FALSE(backed_up.outcome);
}

TEST_CASE("a store's watch tells under its number, and the one before ends") {
  working_store store;
  const auto first = store.worker->watch(1);
  store.write("a", "1");
  const auto told = [&](std::uint64_t watch, const std::string& key) {
    for (;;) {
      const auto news = store.next<store_told>();
      REQUIRE(news.news);
      for (const auto& each : news.news->events) {
        if (each.key == key)
          return news.watch == watch;
      }
    }
  };
  CHECK(told(first, "a"));
  const auto second = store.worker->watch(1);
  CHECK(second != first);
  store.write("b", "2");
  while (!told(second, "b"))
    continue;
}

TEST_CASE("a store is opened anew, after what was asked before") {
  working_store store;
  std::ignore = store.next<store_opened>();
  store.write("a", "1");
  std::ignore = store.worker->watch(1);
  store.worker->list({});
  store.worker->open_anew();
  store.worker->list({});
  CHECK(store.next<store_listed>().page.value().entries.size() == 1);
  std::ignore = store.next<store_opened>();
  CHECK(store.next<store_listed>().page.value().entries.size() == 1);
  store.write("b", "2");
}

TEST_CASE("a store forgets what was before a revision") {
  working_store store;
  store.write("a", "1");
  store.write("a", "2");
  store.worker->list({});
  const auto at = store.next<store_listed>().page.value().at;
  store.worker->compact(at);
  CHECK(store.next<store_compacted>().outcome);
  store_range before;
  before.at = at - 1;
  store.worker->list(before);
  const auto page = store.next<store_listed>().page;
  REQUIRE_FALSE(page);
  CHECK(page.error().failure == store_failure::history_lost);
}

TEST_CASE("a store's threads end while they wait") {
  working_store store;
  std::ignore = store.next<store_opened>();
  std::ignore = store.worker->watch(1);
  store.worker->list({});
  std::ignore = store.next<store_listed>();
  store.worker.reset();
  working_store never(1'000'000);
  std::ignore = never.next<store_missing>();
  never.worker.reset();
}
