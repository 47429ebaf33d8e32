// The store in etcd while its nodes are killed, halted, cut off and filled.
#include "tests/stores/etcd_cluster.hpp"

#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

using namespace weft;
using namespace weft::test;
using Catch::Contains;
using namespace std::chrono_literals;

namespace {

/// Counts on in one entry by compare-and-set, as fast as it goes, beside others
/// who do the same, until it is told to stop; changes whose outcome is unknown
/// are repeated.
class counter {
public:
  explicit counter(std::unique_ptr<directory_store> store)
    : store_(std::move(store)), thread_([this] { run(); }) {
  }
  counter(const counter&) = delete;
  counter& operator=(const counter&) = delete;
  ~counter() {
    stop();
  }

  void stop() {
    stopped_ = true;
    if (thread_.joinable())
      thread_.join();
  }
  /// The numbers that it had for itself alone.
  const std::vector<std::uint64_t>& given() const {
    return given_;
  }
  std::size_t count() const {
    return count_;
  }
  const std::string& fault() const {
    return fault_;
  }

private:
  void run() {
    while (!stopped_ && fault_.empty()) {
      const auto entry = store_->get("counter");
      if (!entry) {
        note(entry.error());
        continue;
      }
      const auto next = *entry ? std::stoull((*entry)->value) + 1 : 1;
      take(put("counter", std::to_string(next), *entry ? (*entry)->changed : 0),
           next);
    }
  }

  void take(const store_change& change, std::uint64_t number) {
    while (true) {
      const auto outcome = store_->change(change);
      if (outcome) {
        if (outcome->applied) {
          given_.push_back(number);
          ++count_;
        }
        return;
      }
      note(outcome.error());
      if (outcome.error().failure != store_failure::unknown_outcome)
        return;
    }
  }

  void note(const store_error& error) {
    if (error.failure != store_failure::unavailable
        && error.failure != store_failure::unknown_outcome)
      fault_ = error.message;
  }

  std::unique_ptr<directory_store> store_;
  std::atomic<bool> stopped_{false};
  std::atomic<std::size_t> count_{0};
  std::vector<std::uint64_t> given_;
  std::string fault_;
  std::thread thread_;
};

/// Waits for it: a minute at most.
bool await(const std::function<bool()>& condition) {
  const auto deadline = boot_now() + 60s;
  while (boot_now() < deadline) {
    if (condition())
      return true;
    std::this_thread::sleep_for(20ms);
  }
  return condition();
}

/// Lets each counter get on by a few numbers.
bool get_on(const std::vector<std::unique_ptr<counter>>& counters) {
  std::vector<std::size_t> before;
  for (const auto& one : counters)
    before.push_back(one->count());
  return await([&] {
    for (std::size_t i = 0; i < counters.size(); ++i) {
      if (counters[i]->count() < before[i] + 3 && counters[i]->fault().empty())
        return false;
    }
    return true;
  });
}

std::vector<std::unique_ptr<counter>> start_counters(etcd_cluster& cluster) {
  std::vector<std::unique_ptr<counter>> counters;
  for (const auto* writer : {"alpha", "beta", "gamma"})
    counters.push_back(std::make_unique<counter>(cluster.open(writer)));
  return counters;
}

/// Each number was given to one, and none is missing.
void check_numbers(const std::vector<std::unique_ptr<counter>>& counters,
                   directory_store& store) {
  std::vector<std::uint64_t> all;
  for (const auto& one : counters) {
    one->stop();
    CHECK(one->fault().empty());
    all.insert(all.end(), one->given().begin(), one->given().end());
  }
  std::sort(all.begin(), all.end());
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i] != i + 1) {
      FAIL("number " << i + 1 << " was given twice or lost, at " << all[i]);
    }
  }
  CHECK(must(store.get("counter"))->value == std::to_string(all.size()));
}

} // namespace

TEST_CASE("etcd: nodes are killed in turn under changes: nothing confirmed is "
          "lost, nothing is given twice, and watches miss nothing") {
  if (!have_etcd())
    return;
  etcd_cluster cluster;
  const auto store = cluster.open("watcher");
  const auto watch = must(store->watch("counter", 1));
  auto counters = start_counters(cluster);
  for (std::size_t round = 0; round < 6; ++round) {
    const auto node = round % etcd_cluster::size;
    REQUIRE(get_on(counters));
    cluster.kill(node);
    REQUIRE(get_on(counters));
    cluster.start(node);
  }
  REQUIRE(get_on(counters));
  check_numbers(counters, *store);
  const auto last = std::stoull(must(store->get("counter"))->value);
  const auto events = events_of(*watch, last);
  REQUIRE(events.size() == last);
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].value != std::to_string(i + 1)) {
      FAIL("event " << i << " is missing or was told twice");
    }
  }
}

TEST_CASE("etcd: without a majority nothing is confirmed, and all goes on when "
          "there is one again") {
  if (!have_etcd())
    return;
  etcd_cluster cluster;
  auto settings = cluster.settings();
  const auto store = cluster.open(std::move(settings));
  const auto at = make(*store, put("a", "1", 0));
  settings = cluster.settings("beta");
  settings.patience = 3s;
  const auto hasty = cluster.open(std::move(settings));
  cluster.kill(0);
  cluster.kill(1);
  const auto change = put("a", "2", at);
  const auto outcome = hasty->change(change);
  REQUIRE_FALSE(outcome);
  CHECK((outcome.error().failure == store_failure::unavailable
         || outcome.error().failure == store_failure::unknown_outcome));
  const auto read = hasty->get("a");
  REQUIRE_FALSE(read); // no stale answers either
  CHECK(read.error().failure == store_failure::unavailable);
  const auto watch = must(hasty->watch("", 1));
  const auto news = watch->wait(4s);
  REQUIRE_FALSE(news);
  CHECK(news.error().failure == store_failure::unavailable);

  cluster.start(0);
  cluster.start(1);
  CHECK(await([&] {
    const auto again = hasty->change(change);
    return again && again->applied;
  }));
  CHECK(must(store->get("a"))->value == "2");
  CHECK(events_of(*watch, 2).size() == 2);
}

TEST_CASE("etcd: a watch that is under way on a node which loses its leader "
          "says so, and misses nothing") {
  if (!have_etcd())
    return;
  etcd_cluster cluster;
  auto settings = cluster.settings();
  settings.endpoints = {cluster.endpoint(2)}; // which stays
  const auto store = cluster.open(std::move(settings));
  auto at = make(*store, put("a", "1", 0));
  const auto watch = must(store->watch("", 1));
  REQUIRE(events_of(*watch, 1).size() == 1);
  for (int round = 0; round < 2; ++round) {
    cluster.kill(0);
    cluster.kill(1);
    std::optional<store_error> said;
    CHECK(await([&] {
      if (const auto news = watch->wait(1s); !news)
        said = news.error();
      return said.has_value();
    }));
    REQUIRE(said);
    CHECK(said->failure == store_failure::unavailable);
    CHECK_THAT(said->message, Contains("no leader"));
    cluster.start(0);
    cluster.start(1);
    const auto change = put("a", "2", at);
    CHECK(await([&] {
      const auto outcome = store->change(change);
      if (outcome && outcome->applied)
        at = outcome->at;
      return outcome && outcome->applied;
    }));
    CHECK(events_of(*watch, 1).size() == 1);
  }
}

TEST_CASE("etcd: a node that takes connections and says nothing is left, by "
          "calls and by watches") {
  if (!have_etcd())
    return;
  etcd_cluster cluster;
  const auto store = cluster.open();
  const auto watch = must(store->watch("", 1));
  auto at = make(*store, put("a", "0", 0));
  REQUIRE(events_of(*watch, 1).size() == 1);
  for (std::size_t node = 0; node < etcd_cluster::size; ++node) {
    cluster.halt(node);
    at = make(*store, put("a", "1", at));
    // The heartbeat shows the watch that it is deaf, 15 s later at most.
    const auto deadline = boot_now() + 60s;
    std::size_t seen = 0;
    while (seen == 0 && boot_now() < deadline) {
      must(store->keep_present("here"));
      auto news = watch->wait(1s);
      if (news)
        seen = news->events.size();
    }
    CHECK(seen == 1);
    cluster.resume(node);
  }
}

TEST_CASE("etcd: of two processes under one name only the later one writes") {
  if (!have_etcd())
    return;
  etcd_cluster cluster;
  const auto earlier = cluster.open();
  make(*earlier, put("a", "1", 0));
  const auto later = cluster.open();
  const auto outcome = earlier->change(put("b", "1", 0));
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().failure == store_failure::superseded);
  CHECK_THAT(outcome.error().message, Contains("'alpha'"));
  CHECK_FALSE(must(later->get("b")));
  make(*later, put("b", "2", 0));
  CHECK(earlier->id() == later->id());
  CHECK(must(later->present()).empty());
}

TEST_CASE("etcd: a presence ends soon after its directory") {
  if (!have_etcd())
    return;
  etcd_cluster cluster;
  const auto store = cluster.open();
  auto other = cluster.open("beta");
  must(store->keep_present("one"));
  must(other->keep_present("two"));
  const std::vector<store_presence> both{{"alpha", "one"}, {"beta", "two"}};
  CHECK(must(store->present()) == both);
  other.reset();
  CHECK(await([&] {
    must(store->keep_present("one"));
    return must(store->present()) == std::vector<store_presence>{both[0]};
  }));
}

TEST_CASE("etcd: a store that was put back to an older day is not believed "
          "until it has another id") {
  if (!have_etcd())
    return;
  etcd_cluster cluster;
  const auto store = cluster.open();
  auto at = make(*store, put("a", "1", 0));
  const temporary_folder backup;
  const auto copy = [&](bool back) {
    for (std::size_t node = 0; node < etcd_cluster::size; ++node) {
      cluster.kill(node);
      const auto kept = backup.path() + "/n" + std::to_string(node);
      const auto from = back ? kept : cluster.data(node);
      const auto to = back ? cluster.data(node) : kept;
      std::filesystem::remove_all(to);
      std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
    }
    for (std::size_t node = 0; node < etcd_cluster::size; ++node)
      cluster.start(node);
  };
  copy(false);
  for (int i = 0; i < 5; ++i)
    at = make(*store, put("a", "2", at));
  copy(true);
  const auto read = store->get("a");
  REQUIRE_FALSE(read);
  CHECK(read.error().failure == store_failure::damaged);
  CHECK_THAT(read.error().message, Contains("weft network recover"));
  const auto before = store->id();
  CHECK(must(store->renew_id()) != before);
  const auto entry = must(store->get("a"));
  REQUIRE(entry);
  CHECK(entry->value == "1");
  must(store->keep_present("here"));
  const auto watch = must(store->watch("", entry->changed + 1));
  make(*store, put("a", "3", entry->changed));
  CHECK(events_of(*watch, 1).front().value == "3");
}

TEST_CASE("etcd: a node whose disk is full costs nothing that was confirmed") {
  if (!have_etcd())
    return;
  if (::geteuid() != 0) {
    WARN("skipped: it mounts a small file system, which needs root");
    return;
  }
  const temporary_folder folder;
  // A write-ahead log is 64 MB from the beginning.
  REQUIRE(::mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=150m")
          == 0);
  struct unmounting {
    const std::string& path;
    ~unmounting() {
      ::umount2(path.c_str(), MNT_DETACH);
    }
  } const unmount{folder.path()};
  etcd_options options;
  options.last_node_folder = folder.path();
  etcd_cluster cluster{options};
  const auto store = cluster.open("delta");
  make(*store, put("first", "1", 0));
  auto counters = start_counters(cluster);
  REQUIRE(get_on(counters));
  std::ofstream ballast{folder.path() + "/ballast", std::ios::binary};
  const std::string block(1 << 20, 'b');
  while (ballast.write(block.data(), 1 << 20)) {
  }
  const std::string value(400'000, 'v');
  for (int i = 0; cluster.is_running(2) && i < 1000; ++i)
    make(*store, put("large/" + std::to_string(i), value, 0));
  CHECK_FALSE(cluster.is_running(2)); // etcd ends when it cannot write
  REQUIRE(get_on(counters));
  check_numbers(counters, *store);
  CHECK(must(store->get("first"))->value == "1");
}

TEST_CASE("etcd: its quota is an error that says what to do, and nothing that "
          "was confirmed is lost") {
  if (!have_etcd())
    return;
  etcd_options options;
  options.arguments = {"--quota-backend-bytes", "4000000"};
  etcd_cluster cluster{options};
  const auto store = cluster.open();
  const std::string value(400'000, 'v');
  std::vector<std::string> confirmed;
  std::optional<store_error> refused;
  for (int i = 0; !refused && i < 100; ++i) {
    const auto key = "large/" + std::to_string(i);
    const auto outcome = store->change(put(key, value, 0));
    if (outcome)
      confirmed.push_back(key);
    else
      refused = outcome.error();
  }
  REQUIRE(refused);
  CHECK(refused->failure == store_failure::full);
  CHECK_THAT(refused->message, Contains("Make room"));
  CHECK_FALSE(confirmed.empty());
  for (const auto& key : confirmed)
    CHECK(must(store->get(key)));
}
