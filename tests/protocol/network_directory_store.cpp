// A directory and its store.
#include "tests/catch.hpp"
#include "tests/protocol/network_directory_world.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

TEST_CASE("Directories of a store that was renamed call it by its new name") {
  directory_world world;
  world.open();
  const auto before = world.core.look().id;
  store_id after{};
  after[0] = std::byte{9};
  world.put("meta/renamed", to_hex_text(after) + to_hex_text(after));
  world.settle();
  CHECK(world.core.look().id == before);
  world.put("meta/renamed", to_hex_text(before) + to_hex_text(after));
  world.settle();
  CHECK(world.core.look().id == after);
  // And this one tells the others.
  world.core.recover(world.at);
  world.settle();
  const auto told = world.changes.back().change.writes;
  REQUIRE(told.size() == 1);
  CHECK(told[0].key == "meta/renamed");
  CHECK(told[0].value == to_hex_text(after) + to_hex_text(world.store.id));
  CHECK(world.core.look().id == world.store.id);
}

TEST_CASE("What the store tells late begins nothing again that was ended") {
  directory_world world;
  world.open();
  world.core.issuer_there(true, world.at);
  world.tells = false;
  world.put("meta/recovering", "something was lost");
  world.core.recover(world.at);
  world.settle();
  world.core.told(store_news{{{world.store.revision() - 2, "meta/recovering",
                               "something was lost"}},
                             world.store.revision() - 2},
                  world.at);
  CHECK(world.core.recovering().empty());
  CHECK(world.began_recovering == 0);
  // What another one writes after it counts.
  world.put("meta/recovering", "something else was lost");
  world.tells = true;
  world.settle();
  CHECK(world.core.recovering() == "something else was lost");
  CHECK(world.began_recovering == 1);
}

TEST_CASE("A store that is opened anew is read anew, and what was under way is "
          "refused") {
  directory_world world;
  world.put(world.certificate_item(1));
  world.open();
  world.join(1, 1);
  world.failure = store_error{store_failure::unavailable, "away"};
  world.say(1, publish_record{4, world.record_item(1, {1, 1}).content});
  CHECK(world.last<request_refused>(1) == nullptr);
  world.failure.reset();
  world.core.opened(world.store.id, world.at);
  world.settle();
  REQUIRE(world.last<request_refused>(1) != nullptr);
  CHECK(world.last<request_refused>(1)->number == 4);
  world.pass(directory::publish_interval);
  world.say(1, publish_record{5, world.record_item(1, {1, 1}).content});
  REQUIRE(world.last<request_done>(1) != nullptr);
  CHECK(world.last<request_done>(1)->number == 5);
}

TEST_CASE("A store that is filled up fills no directory's memory") {
  directory_world world;
  constexpr std::size_t size = 500'000;
  constexpr auto most = directory::most_issuer_bytes / size;
  for (std::size_t i = 0; i < most + 10; ++i)
    world.put(
      {item_key(item_kind::list, "a" + std::to_string(i)), byte_vector(size)});
  world.put(world.certificate_item(1));
  world.put(store_key_of(item_key(item_kind::record, some_member(1).id)),
            std::string(5'000, 'x'));
  world.open();
  CHECK(world.core.items().size() <= most + 2);
  CHECK(world.core.look().refused >= 10);
  CHECK(world.core.look().store_trouble.find("passed over")
        != std::string::npos);
  // What is of members has a place of its own.
  CHECK(world.core.items().find(world.certificate_item(1).key) != nullptr);
  // What stands in a record's place and is none is written over.
  world.join(1, 1);
  world.say(1, publish_record{4, world.record_item(1, {1, 1}).content});
  CHECK(world.last<request_done>(1) != nullptr);
  // Room that is given back is used.
  for (std::size_t i = 0; i < most; ++i)
    world.put(store_key_of(item_key(item_kind::list, "a" + std::to_string(i))),
              std::nullopt);
  world.settle();
  world.put({item_key(item_kind::list, "later"), byte_vector(size)});
  world.settle();
  CHECK(world.core.items().find(item_key(item_kind::list, "later")) != nullptr);
}

// -- rule 14: unknown outcomes ------------------------------------------------

TEST_CASE("A change of unknown outcome is asked for again under its id before "
          "any other one") {
  for (const bool makes_it : {false, true}) {
    CAPTURE(makes_it);
    directory_world world;
    world.open();
    world.join(1, 1);
    world.join(2, 2);
    world.failure = store_error{store_failure::unknown_outcome, "No answer."};
    world.makes_it = makes_it;
    world.say(1, publish_record{1, world.record_item(1, {1, 1}).content});
    world.say(2, publish_record{1, world.record_item(2, {1, 1}).content});
    CHECK(world.changes.size() == 1);
    CHECK_FALSE(world.core.look().store_trouble.empty());
    for (int i = 0; i < 10; ++i) {
      world.say(1, members_ping{});
      world.say(2, members_ping{});
      world.pass(10s);
    }
    REQUIRE(world.changes.size() > 3);
    for (const auto& each : world.changes)
      CHECK(each.change.request == world.changes[0].change.request);
    CHECK(world.last<request_done>(1) == nullptr);
    world.failure.reset();
    world.say(1, members_ping{});
    world.pass(10s);
    CHECK(world.last<request_done>(1) != nullptr);
    CHECK(world.last<request_done>(2) != nullptr);
    CHECK(world.core.look().store_trouble.empty());
    CHECK(world.core.look().waiting_changes == 0);
  }
}

TEST_CASE("Another directory has written a record meanwhile: the newer one "
          "stays") {
  directory_world world;
  world.open();
  world.join(1, 1);
  world.join(2, 2);
  world.tells = false; // the watch lags
  world.put(world.record_item(1, {1, 7}));
  world.say(1, publish_record{1, world.record_item(1, {1, 3}).content});
  world.say(2, publish_record{1, world.record_item(2, {1, 3}).content});
  CHECK(world.last<request_done>(1) == nullptr);
  world.tells = true;
  world.settle();
  world.pass(1s);
  REQUIRE(world.last<request_refused>(1) != nullptr);
  CHECK(world.last<request_refused>(1)->why.why == refusal::stale);
  CHECK(world.last<request_done>(2) != nullptr);
  CHECK(*world.core.items().find(world.record_item(1, {1, 7}).key)
        == world.record_item(1, {1, 7}).content);
}

TEST_CASE("History that is lost is read anew") {
  directory_world world;
  world.put(world.certificate_item(1));
  world.open();
  world.join(9, 9);
  world.tells = false;
  world.put(world.certificate_item(2));
  world.put(store_key_of(world.certificate_item(1).key), std::nullopt);
  world.core.told(
    tl::unexpected(store_error{store_failure::history_lost, "Compacted."}),
    world.at);
  world.settle();
  CHECK(world.core.items().find(world.certificate_item(1).key) == nullptr);
  CHECK(world.core.items().find(world.certificate_item(2).key) != nullptr);
  world.pass(directory::push_interval);
  CHECK(world.last<items_changed>(9)->items.size() == 1);
  CHECK(world.last<items_changed>(9)->gone.size() == 1);
}

// -- cut off from the store --------------------------------------------------

TEST_CASE("Members are told that their directory hears nothing of its store, "
          "and when it does again") {
  directory_world world;
  world.open();
  world.join(1, 1);
  CHECK_FALSE(world.last<directory_welcome>(1)->cut_off);
  world.core.connected(2, world.network.certificate(2), world.at);
  const store_error away{store_failure::unavailable, "away"};
  world.core.told(tl::unexpected(away), world.at);
  world.settle();
  world.pass(directory::store_patience - 1s);
  CHECK(world.last<directory_cut_off>(1) == nullptr);
  CHECK(world.core.next_time() <= world.at.now + 1s);
  // It goes on to say so.
  world.core.told(tl::unexpected(away), world.at);
  world.pass(1s);
  REQUIRE(world.last<directory_cut_off>(1) != nullptr);
  CHECK(world.last<directory_cut_off>(1)->is_so);
  CHECK(world.core.look().cut_off);
  CHECK(world.told[2].empty()); // who has not said hello
  world.say(2, member_hello{});
  CHECK(world.last<directory_welcome>(2)->cut_off);
  // All is read anew after 15 s, which fails as well.
  const auto told = world.told[1].size();
  world.fails_to_list = true;
  for (int i = 0; i < 30; ++i) {
    world.core.told(tl::unexpected(away), world.at);
    world.say(1, members_ping{});
    world.say(2, members_ping{});
    world.pass(1s);
  }
  CHECK(world.told[1].size() == told + 30); // the pongs
  world.fails_to_list = false;
  world.pass(5s);
  CHECK_FALSE(world.last<directory_cut_off>(1)->is_so);
  CHECK_FALSE(world.last<directory_cut_off>(2)->is_so);
  CHECK_FALSE(world.core.look().cut_off);
}

TEST_CASE(
  "A store that is away for a moment is nothing to tell of, nor that it "
  "cannot be written to") {
  directory_world world;
  world.open();
  world.join(1, 1);
  const store_error away{store_failure::unavailable, "away"};
  for (int i = 0; i < 10; ++i) {
    world.core.told(tl::unexpected(away), world.at);
    world.pass(directory::store_patience - 1s);
    world.core.told(store_news{{}, world.store.revision()}, world.at);
    world.core.reached(false, world.at);
    world.pass(directory::store_patience - 1s);
    world.core.reached(true, world.at);
    world.say(1, members_ping{});
    world.pass(1s);
  }
  world.failure = store_error{store_failure::full, "no room"};
  world.say(1, publish_record{4, world.record_item(1, {1, 1}).content});
  world.pass(directory::store_patience + 1s);
  CHECK(world.last<directory_cut_off>(1) == nullptr);
}

TEST_CASE("A watch that does not notice that its way is cut off is seen by "
          "calls that do not come through") {
  directory_world world;
  world.open();
  world.join(1, 1);
  world.core.reached(false, world.at);
  world.pass(directory::store_patience);
  REQUIRE(world.last<directory_cut_off>(1) != nullptr);
  CHECK(world.last<directory_cut_off>(1)->is_so);
  // That its file or cluster is opened anew, and read, ends it as well.
  world.core.opened(world.store.id, world.at);
  world.settle();
  CHECK_FALSE(world.last<directory_cut_off>(1)->is_so);
}

// -- what has ended -----------------------------------------------------------

TEST_CASE("What ended long ago is dropped, by what was signed and not by the "
          "clock alone") {
  directory_world world;
  world.put(world.certificate_item(1));
  world.put(world.record_item(1, {1, 1}));
  world.open();
  const auto look_through = [&] {
    for (std::size_t i = 0; i < bucket_count + 2; ++i)
      world.pass(14s);
  };
  world.at.wall += 24h * 200;
  look_through();
  CHECK(world.core.items().size() == 3);
  const auto list = network_item{
    item_key(item_kind::list, world.network.issuer.contents.name),
    write_list_item(world.network.list(7, {}, noon + 24h * 200))};
  world.put(list);
  world.settle();
  look_through();
  // A time that would end most of them may be wrong.
  CHECK(world.core.items().size() == 4);
  for (const auto number : {2U, 3U}) {
    const auto item = world.certificate_item(number);
    world.certificates.members.at(item.content).until = noon + 24h * 400;
    world.put(item);
  }
  world.settle();
  look_through();
  CHECK(world.core.items().find(world.certificate_item(1).key) == nullptr);
  CHECK(world.core.items().find(world.record_item(1, {1, 1}).key) == nullptr);
  CHECK(world.core.items().size() == 4);
}
