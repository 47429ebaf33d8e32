// What every store must do, tried on each.
#include "tests/stores/support.hpp"

#include <thread>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

store_failure failure_of(const tl::expected<store_news, store_error>& news) {
  REQUIRE_FALSE(news);
  return news.error().failure;
}

} // namespace

TEST_CASE("every store: an entry is what its last change made it, or is not "
          "there") {
  with_each_store([](directory_store& store) {
    CHECK_FALSE(must(store.get("name/a")));
    const auto made = make(store, put("name/a", "one", 0));
    CHECK(must(store.get("name/a")) == store_entry{"name/a", "one", made});
    const auto changed = make(store, put("name/a", "two", made));
    CHECK(changed > made);
    CHECK(must(store.get("name/a")) == store_entry{"name/a", "two", changed});
    make(store, remove("name/a", changed));
    CHECK_FALSE(must(store.get("name/a")));
    make(store, put("name/a", "", 0)); // nothing is a value
    CHECK(must(store.get("name/a"))->value.empty());
  });
}

TEST_CASE("every store: keys and values are any bytes") {
  with_each_store([](directory_store& store) {
    std::string bytes;
    for (int i = 0; i < 256; ++i)
      bytes += static_cast<char>(i);
    make(store, put(bytes, bytes, 0));
    CHECK(must(store.get(bytes))->value == bytes);
    CHECK(listed(store, bytes.substr(0, 9), 7).size() == 1);
    make(store, put("\xff\xff", "high", 0));
    CHECK(listed(store, "\xff", 7)
          == std::vector<std::string>{"\xff\xff=high"});
  });
}

TEST_CASE("every store: a change is made whole, on its conditions, or not at "
          "all") {
  with_each_store([](directory_store& store) {
    const auto a = make(store, put("a", "1", 0));
    const store_change both{
      any_request(), {{"a", a}, {"b", 0}}, {{"a", "2"}, {"b", "2"}}};
    const auto at = make(store, both);
    CHECK(must(store.get("a"))->changed == at);
    CHECK(must(store.get("b"))->changed == at);
    // One condition holds and the other does not.
    const store_change late{
      any_request(), {{"a", a}, {"b", at}}, {{"a", "3"}, {"c", "3"}}};
    const auto outcome = must(store.change(late));
    CHECK_FALSE(outcome.applied);
    CHECK(outcome.at >= at);
    CHECK(must(store.get("a"))->value == "2");
    CHECK_FALSE(must(store.get("c")));
    // Absence is a condition as well.
    CHECK_FALSE(must(store.change(put("b", "4", 0))).applied);
    make(store, remove("b", at));
    make(store, put("b", "5", 0));
  });
}

TEST_CASE("every store: a change that is repeated under its id is made once") {
  with_each_store([](directory_store& store) {
    const auto change = put("counter", "1", 0);
    const auto at = make(store, change);
    const auto again = must(store.change(change));
    CHECK(again.applied);
    CHECK(again.at == at);
    CHECK(must(store.get("counter"))->changed == at);
    // Without the id it is another change, whose condition does not hold.
    CHECK_FALSE(must(store.change(put("counter", "1", 0))).applied);
  });
}

TEST_CASE("every store: pages tell of one revision, whatever happens between "
          "them") {
  with_each_store([](directory_store& store) {
    std::vector<std::string> expected;
    for (int i = 10; i < 30; ++i) {
      const auto key = "member/" + std::to_string(i);
      make(store, put(key, "old", 0));
      expected.push_back(key + "=old");
    }
    make(store, put("membes", "no member", 0));
    CHECK(listed(store, "member/", 256) == expected);
    CHECK(listed(store, "member/", 3) == expected);
    CHECK(listed(store, "none/", 3).empty());

    const auto first = must(store.list({"member/", {}, 0, 5}));
    REQUIRE(first.more);
    make(store, put("member/25", "new", must(store.get("member/25"))->changed));
    make(store, remove("member/26", must(store.get("member/26"))->changed));
    make(store, put("member/27x", "new", 0));
    const auto rest
      = must(store.list({"member/", first.entries.back().key, first.at, 256}));
    CHECK_FALSE(rest.more);
    CHECK(rest.at == first.at);
    REQUIRE(rest.entries.size() == 15);
    for (const auto& entry : rest.entries)
      CHECK(entry.value == "old");
    CHECK(listed(store, "member/2", 4).size() == 10);
  });
}

TEST_CASE("every store: a page goes on within its prefix, or not at all") {
  with_each_store([](directory_store& store) {
    make(store, put("a/1", "one", 0));
    make(store, put("b/1", "other", 0));
    for (const auto* after : {"a", "0", "b/1", "a0"}) {
      const auto page = store.list({"a/", after});
      REQUIRE_FALSE(page);
      CHECK(page.error().failure == store_failure::out_of_bounds);
    }
    CHECK(must(store.list({"a/", "a/"})).entries.size() == 1);
    CHECK_FALSE(store.list({std::string(longest_store_key + 1, 'a')}));
  });
}

TEST_CASE("every store: a watch tells all that happened from its revision on, "
          "in order, a change as a whole") {
  with_each_store([](directory_store& store) {
    const auto before = make(store, put("m/a", "0", 0));
    const auto first = make(
      store, {any_request(), {}, {{"m/a", "1"}, {"m/b", "1"}, {"x", "1"}}});
    const auto second = make(store, remove("m/a", first));
    const auto watch = must(store.watch("m/", before + 1));
    const std::vector<store_event> past{
      {first, "m/a", "1"}, {first, "m/b", "1"}, {second, "m/a", std::nullopt}};
    CHECK(events_of(*watch, 3) == past);

    std::thread writer([&] {
      std::this_thread::sleep_for(50ms);
      std::ignore = store.change(put("m/c", "2", 0));
    });
    const auto live = events_of(*watch, 1);
    writer.join();
    REQUIRE(live.size() == 1);
    CHECK(live[0].key == "m/c");
    CHECK(live[0].at > second);
    const auto silence = must(watch->wait(200ms));
    CHECK(silence.events.empty());
    CHECK(silence.through >= live[0].at);
  });
}

TEST_CASE("every store: what is compacted can no longer be told, and that is "
          "said") {
  with_each_store([](directory_store& store) {
    auto at = make(store, put("m/a", "0", 0));
    const auto old = at;
    const auto sleeper = must(store.watch("m/", old));
    make(store, put("m/gone", "0", 0));
    make(store, remove("m/gone", must(store.get("m/gone"))->changed));
    for (int i = 1; i < 5; ++i)
      at = make(store, put("m/a", std::to_string(i), at));
    must(store.compact(at));
    must(store.compact(at)); // once more changes nothing
    must(store.compact(old));

    CHECK(failure_of(sleeper->wait(10s)) == store_failure::history_lost);
    const auto late = must(store.watch("m/", old));
    CHECK(failure_of(late->wait(10s)) == store_failure::history_lost);
    const auto page = store.list({"m/", {}, old, 256});
    REQUIRE_FALSE(page);
    CHECK(page.error().failure == store_failure::history_lost);

    // What it is told to do then: list anew, and watch from the next one.
    CHECK(listed(store, "m/", 256) == std::vector<std::string>{"m/a=4"});
    CHECK(must(store.list({"m/", {}, at, 256})).entries.size() == 1);
    const auto watch = must(store.watch("m/", must(store.list({"m/"})).at + 1));
    const auto next = make(store, put("m/a", "5", at));
    CHECK(events_of(*watch, 1) == std::vector<store_event>{{next, "m/a", "5"}});
  });
}

TEST_CASE("every store: who waits can be let go, from another thread") {
  with_each_store([](directory_store& store) {
    const auto watch = must(store.watch("", 1));
    const auto other = must(store.watch("", 1));
    std::thread ender([&] {
      std::this_thread::sleep_for(50ms);
      watch->cancel();
      std::this_thread::sleep_for(50ms);
      store.cancel();
    });
    CHECK(failure_of(watch->wait(1h)) == store_failure::cancelled);
    CHECK(failure_of(watch->wait(1h)) == store_failure::cancelled);
    CHECK(failure_of(other->wait(1h)) == store_failure::cancelled);
    ender.join();
    const auto refused = store.get("a");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().failure == store_failure::cancelled);
  });
}

TEST_CASE("every store: who is kept present is seen") {
  with_each_store([](directory_store& store) {
    CHECK(must(store.present()).empty());
    must(store.keep_present("10.0.0.1:7654"));
    must(store.keep_present("10.0.0.2:7654"));
    CHECK(must(store.present())
          == std::vector<store_presence>{{"alpha", "10.0.0.2:7654"}});
    CHECK(listed(store, "", 256).empty());
  });
}

TEST_CASE("every store: its id stays until it is renewed, with the entries") {
  with_each_store([](directory_store& store) {
    make(store, put("a", "1", 0));
    const auto id = store.id();
    CHECK(id != store_id{});
    CHECK(store.id() == id);
    const auto renewed = must(store.renew_id());
    CHECK(renewed != id);
    CHECK(store.id() == renewed);
    CHECK(must(store.get("a"))->value == "1");
  });
}

TEST_CASE("every store: changes outside the bounds are refused, those at them "
          "are made") {
  with_each_store([](directory_store& store) {
    const auto refused = [&](const store_change& change) {
      const auto outcome = store.change(change);
      return !outcome
             && outcome.error().failure == store_failure::out_of_bounds;
    };
    const std::string longest(longest_store_key, 'k');
    const std::string largest(largest_store_value, '\xff');
    CHECK(refused({any_request(), {}, {}}));
    CHECK(refused(put("", "1", 0)));
    CHECK(refused(put(longest + 'k', "1", 0)));
    CHECK(refused(put("a", largest + '1', 0)));
    CHECK(refused({any_request(), {}, {{"a", "1"}, {"a", "2"}}}));
    CHECK(refused({any_request(), {}, {{"a", largest}, {"b", largest}}}));
    store_change most{any_request(), {}, {}};
    for (char key = 'a'; key < 'a' + 7; ++key)
      most.writes.push_back({{key}, "1"});
    for (char key = 'a'; key < 'a' + 8; ++key)
      most.conditions.push_back({{key}, 0});
    auto more = most;
    more.writes.push_back({"z", "1"});
    CHECK(refused(more));
    more = most;
    more.conditions.push_back({"z", 0});
    CHECK(refused(more));
    CHECK(listed(store, "", 256).empty());

    make(store, most);
    make(store, put(longest, largest, 0));
    CHECK(must(store.get(longest))->value == largest);
    // Pages of large entries are shorter, and complete in the end.
    for (int i = 0; i < 10; ++i)
      make(store, put("large/" + std::to_string(i), largest, 0));
    CHECK(listed(store, "large/", 256).size() == 10);
  });
}
