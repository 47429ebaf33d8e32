// The store in etcd where what answers is not etcd, or an etcd that was taken
// over: nothing of it takes the directory down.
#include "tests/stores/false_etcd.hpp"
#include "tests/stores/support.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<directory_store> open(const false_etcd& server) {
  return must(open_etcd_store(server.settings(), real_clock(), real_random()));
}

template <class T>
std::optional<store_failure> failure_of(const store_result<T>& result) {
  return result ? std::nullopt : std::optional{result.error().failure};
}

} // namespace

TEST_CASE("etcd: a watch that is told more than is read at once says that its "
          "history is lost, and asks no second time") {
  constexpr std::size_t mega = 1024 * 1024;
  for (const auto& line : {std::string(13 * mega, ' ') + '\n', // a whole one
                           std::string(25 * mega, ' ')}) {
    CAPTURE(line.size());
    false_etcd server([&](const auto& path, const auto& asked) {
      return path == "/v3/watch" ? line : false_etcd::plain_answer(path, asked);
    });
    const auto store = open(server);
    const auto watch = must(store->watch("", 1));
    CHECK(failure_of(watch->wait(10s)) == store_failure::history_lost);
    CHECK(failure_of(watch->wait(10s)) == store_failure::history_lost);
    CHECK(server.watches() == 1);
  }
}

TEST_CASE("etcd: what was told before a watch is told too much counts") {
  const std::string event
    = R"({"result":{"events":[{"kv":{"key":"d2VmdC90ZXN0L2UvYQ==",)"
      R"("value":"MQ==","mod_revision":"41"}}]}})";
  const auto lines = event + '\n' + std::string(25U * 1024 * 1024, ' ');
  false_etcd server([&](const auto& path, const auto& asked) {
    return path == "/v3/watch" ? lines : false_etcd::plain_answer(path, asked);
  });
  const auto store = open(server);
  const auto watch = must(store->watch("", 1));
  const auto news = must(watch->wait(10s));
  CHECK(news.events == std::vector<store_event>{{41, "a", "1"}});
  CHECK(failure_of(watch->wait(10s)) == store_failure::history_lost);
}

TEST_CASE("etcd: entries that were not asked for are an error and no entries") {
  std::string answer;
  false_etcd server([&](const auto& path, const auto& asked) {
    const bool is_entry
      = path == "/v3/kv/range"
        && false_etcd::from_base64(asked.at("key")) != "weft/test/id";
    return is_entry ? answer : false_etcd::plain_answer(path, asked);
  });
  const auto store = open(server);
  const auto damaged = store_failure::damaged;

  answer = false_etcd::range({"weft/test/p/one", "weft/test/p/two"});
  CHECK(must(store->present()).size() == 2);
  answer = false_etcd::range({"w"}); // shorter than the prefix
  CHECK(failure_of(store->present()) == damaged);
  CHECK(failure_of(store->list({"m/"})) == damaged);

  answer = false_etcd::range({"weft/test/e/a"});
  CHECK(must(store->get("a"))->value == "x");
  CHECK(failure_of(store->get("b")) == damaged);
  answer = false_etcd::range({"weft/test/e/a", "weft/test/e/b"});
  CHECK(failure_of(store->get("a")) == damaged);

  const auto page = [&](const std::vector<std::string>& keys, bool more,
                        const std::string& after = {}) {
    std::vector<std::string> whole;
    for (const auto& key : keys)
      whole.push_back("weft/test/e/" + key);
    answer = false_etcd::range(whole, more);
    return failure_of(store->list({"m/", after, 0, 2}));
  };
  CHECK_FALSE(page({"m/a", "m/b"}, true));
  CHECK_FALSE(page({"m/c"}, false, "m/b"));
  CHECK(page({"n/a"}, false) == damaged);
  CHECK(page({"m/b", "m/a"}, false) == damaged);
  CHECK(page({"m/a", "m/a"}, false) == damaged);
  CHECK(page({"m/a", "m/b", "m/c"}, false) == damaged); // more than two
  CHECK(page({}, true) == damaged);
  CHECK(page({"m/a", "m/b"}, true, "m/b") == damaged); // the page before
}

TEST_CASE("etcd: another history behind the same endpoints is an error at "
          "once, for changes as well") {
  const auto head = [](const char* cluster, const char* revision) {
    return nlohmann::json{{"header",
                           {{"cluster_id", cluster}, {"revision", revision}}},
                          {"succeeded", true}}
      .dump();
  };
  // A restored cluster that has gone on since, and one that has not.
  for (const auto& answer : {head("8", "90"), head("7", "39")}) {
    bool restored = false;
    false_etcd server([&](const auto& path, const auto& asked) {
      return restored ? answer : false_etcd::plain_answer(path, asked);
    });
    const auto store = open(server);
    CHECK_FALSE(must(store->get("a")));
    restored = true;
    CHECK(failure_of(store->get("a")) == store_failure::damaged);
    CHECK(failure_of(store->change(put("a", "1", 0)))
          == store_failure::damaged);
  }
}

TEST_CASE(
  "etcd: what did not hold when it was sent again holds no more when the "
  "first sending comes late") {
  std::vector<nlohmann::json> changes;
  false_etcd server([&](const auto& path, const auto& asked) -> std::string {
    if (path != "/v3/kv/txn")
      return false_etcd::plain_answer(path, asked);
    changes.push_back(asked);
    if (changes.size() == 1)
      return {};
    // Who wrote last is this writer, before; then the condition does not hold.
    return changes.size() == 2
             ? R"({"header":{"cluster_id":"7","revision":"41"},"responses":[)"
               R"({"response_range":{"kvs":[{"key":"dw==","value":"eA==",)"
               R"("mod_revision":"40"}]}}]})"
             : R"({"header":{"cluster_id":"7","revision":"42"},)"
               R"("succeeded":true})";
  });
  const auto store = open(server);
  const auto outcome = must(store->change(put("a", "1", 0)));
  CHECK_FALSE(outcome.applied);
  REQUIRE(changes.size() == 3);
  CHECK(changes[0] == changes[1]);
  // The third one changes the writer's key, on which they are conditional.
  const auto& writer = changes[2]["compare"].at(0);
  CHECK(changes[2]["compare"].size() == 1);
  CHECK(writer == changes[0]["compare"].at(0));
  CHECK(changes[2]["success"].size() == 1);
  CHECK(changes[2]["success"][0]["request_put"]["key"] == writer["key"]);
  must(store->change(put("b", "1", 0)));
  CHECK(changes.back()["compare"].at(0)["mod_revision"] == "42");
}
