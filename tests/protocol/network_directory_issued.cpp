// What comes to a directory from its issuer, and what it and its store have
// lost.
#include "tests/catch.hpp"
#include "tests/protocol/network_directory_world.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

// -- what the issuer signs ----------------------------------------------------

TEST_CASE("What was issued comes into the store with its place in the "
          "journal, in changes that a store takes") {
  directory_world world;
  world.open();
  CHECK(world.asked_items.empty());
  world.core.issuer_there(true, world.at);
  world.settle();
  REQUIRE(world.asked_items.size() == 1);
  CHECK(world.asked_items[0].after == 0);
  issued_items answer;
  for (std::uint64_t i = 1; i <= 20; ++i)
    answer.items.push_back(world.certificate_item(i));
  answer.items.push_back({byte_vector(40), byte_vector(3)}); // no item
  answer.through = 33;
  world.core.issued(answer, world.at);
  world.settle();
  CHECK(world.core.items().size() == 21);
  CHECK(world.changes.size() == 4);
  CHECK(world.core.look().issued == 33);
  CHECK(world.core.look().refused == 1);
  REQUIRE(world.asked_items.size() == 2);
  CHECK(world.asked_items[1].after == 33);
  // Killed before the last of them: what comes again changes nothing.
  answer.through = 34;
  world.core.issued(answer, world.at);
  world.settle();
  CHECK(world.changes.size() == 5);
  // An idle issuer is not asked in circles.
  world.core.issued(issued_items{{}, {}, 34, false}, world.at);
  world.settle();
  CHECK(world.asked_items.size() == 3);
  world.pass(1s);
  CHECK(world.asked_items.size() == 4);
}

TEST_CASE("Two directories of one issuer do not set each other back") {
  directory_world world;
  world.open();
  world.core.issuer_there(true, world.at);
  world.settle();
  world.tells = false;
  world.put("issued/first", "50");
  issued_items answer;
  answer.items.push_back(world.certificate_item(1));
  answer.through = 20;
  world.core.issued(answer, world.at);
  world.settle();
  CHECK(world.core.look().issued == 0);
  world.tells = true;
  world.settle();
  world.pass(1s);
  CHECK(world.core.look().issued == 50);
  CHECK(world.asked_items.back().after == 50);
}

// -- rule 5: what was lost ----------------------------------------------------

TEST_CASE("Something newer that is only on its way is nothing lost") {
  directory_world world;
  world.put(world.certificate_item(1, 1));
  world.open();
  world.core.issuer_there(true, world.at);
  world.join(1, 1);
  world.say(1, offer_items{{world.certificate_item(1, 2)}});
  world.pass(directory::grace - 1s);
  world.put(world.certificate_item(1, 2));
  world.settle();
  world.pass(2s);
  CHECK(world.core.recovering().empty());
  // Nor is what is old, ended, forged, or nobody's.
  auto forged = world.certificate_item(1, 3);
  forged.content.push_back(std::byte{1});
  world.say(1, offer_items{{world.certificate_item(1, 1),
                            world.record_item(5, {1, 1}),
                            forged,
                            {epoch_key(9), byte_vector(20)},
                            {byte_vector(3), byte_vector(3)}}});
  world.pass(directory::grace);
  CHECK(world.core.recovering().empty());
  CHECK(world.ended.empty());
}

TEST_CASE("A watch that is late and does not know it makes nothing lost") {
  directory_world world;
  world.put(world.certificate_item(1, 1));
  world.open();
  world.core.issuer_there(true, world.at);
  world.join(1, 1);
  world.tells = false; // the store's node was cut off
  const auto other = world.certificate_item(2, 1);
  world.put(other);
  world.say(1, offer_items{{other}});
  world.pass(directory::grace + 1s);
  CHECK(world.core.recovering().empty());
  REQUIRE(world.core.items().find(other.key) != nullptr);
  CHECK(*world.core.items().find(other.key) == other.content);
  // What the store has not is told of all the same.
  world.say(1, offer_items{{world.certificate_item(3, 1)}});
  world.pass(directory::grace + 1s);
  CHECK(world.began_recovering == 1);
}

TEST_CASE("What the issuer signed while the store hung is nothing lost") {
  directory_world world;
  world.put(world.certificate_item(1, 1));
  world.open();
  world.core.issuer_there(true, world.at);
  world.join(1, 1);
  world.core.issued(issued_items{}, world.at);
  world.hangs = true;
  world.say(1, publish_record{1, world.record_item(1, {1, 1}).content});
  REQUIRE(world.changes.size() == 1);
  const auto other = world.certificate_item(2, 1);
  world.say(1, offer_items{{other}});
  for (int i = 0; i < 3; ++i)
    world.pass(directory::grace);
  CHECK(world.core.recovering().empty());
  // It goes on: the issuer is asked, and what it says is brought.
  world.hangs = false;
  world.core.changed(world.store.change(world.changes[0].change), world.at);
  world.settle();
  REQUIRE(world.asked_items.size() == 2);
  world.core.issued(issued_items{{other}, {}, 1, false}, world.at);
  world.settle();
  for (int i = 0; i < 3; ++i)
    world.pass(directory::grace);
  CHECK(world.core.recovering().empty());
  CHECK(world.core.items().find(other.key) != nullptr);
}

TEST_CASE("A directory without an issuer waits for the one that has it") {
  directory_world world("");
  world.put(world.certificate_item(1, 1));
  world.open();
  world.join(1, 1);
  const auto other = world.certificate_item(2, 1);
  world.say(1, offer_items{{other}});
  // The directory with the issuer is cut off from the store.
  world.pass(3 * directory::grace_elsewhere);
  CHECK(world.core.recovering().empty());
  for (const bool there : {true, true, false, true, true}) {
    world.core.issuer_elsewhere(there, world.at);
    world.pass(directory::grace_elsewhere / 2 - 1s);
  }
  CHECK(world.core.recovering().empty());
  world.put(other);
  world.settle();
  world.pass(5s);
  CHECK(world.core.recovering().empty());
  // What nobody brings was lost.
  world.join(2, 1);
  world.say(2, offer_items{{world.certificate_item(3, 1)}});
  world.pass(directory::grace_elsewhere);
  CHECK(world.began_recovering == 1);
}

TEST_CASE("A directory that was shown something newer takes it over, and gives "
          "nothing out until it was told to") {
  directory_world world;
  world.put(world.certificate_item(1, 1));
  world.open();
  world.core.issuer_there(true, world.at);
  world.join(1, 1);
  world.join(2, 2);
  CHECK_FALSE(world.core.find_reason_to_wait());
  const auto newer = world.certificate_item(1, 2);
  const auto list = world.list_item(9, {});
  world.say(1, offer_items{{newer, list}});
  CHECK(world.core.recovering().empty());
  world.pass(directory::grace);
  CHECK(world.began_recovering == 1);
  CHECK_FALSE(world.core.recovering().empty());
  CHECK(world.core.find_reason_to_wait());
  CHECK(*world.core.items().find(newer.key) == newer.content);
  CHECK(*world.core.items().find(list.key) == list.content);
  world.say(2, renew_certificate{1, renewal_of(2, 2)});
  CHECK(world.last<request_refused>(2) != nullptr);
  CHECK(world.asked.empty());
  // Records go on.
  world.say(2, publish_record{2, world.record_item(2, {1, 1}).content});
  CHECK(world.last<request_done>(2) != nullptr);
  // An issuer that was set back as well takes nothing away.
  issued_items old;
  old.items = {world.certificate_item(1, 1)};
  old.through = 3;
  world.core.issued(old, world.at);
  world.settle();
  CHECK(*world.core.items().find(newer.key) == newer.content);
  world.core.recover(world.at);
  world.settle();
  CHECK(world.core.recovering().empty());
  CHECK(world.new_ids == 1);
  CHECK(world.core.look().id == world.store.id);
  CHECK_FALSE(world.core.find_reason_to_wait());
}

TEST_CASE("A list of very many removed members that was lost is taken over in "
          "parts") {
  directory_world world;
  world.put(world.list_item(5, {}));
  world.open();
  world.core.issuer_there(true, world.at);
  world.join(1, 1);
  std::set<member_id> removed;
  for (std::uint64_t i = 100; i < 10'100; ++i)
    removed.insert(some_member(i).id);
  const auto list = world.list_item(6, removed);
  REQUIRE(list.content.size() > 2 * most_member_frame_bytes);
  const auto offer = [&](directory::connection from, std::uint64_t size) {
    world.say(from, offer_large{list.key, size, sha256({list.content})});
  };
  // As much as a directory takes at once is wanted of others.
  for (directory::connection i = 2; i < 2 + directory::most_in_parts; ++i) {
    world.join(i, i);
    offer(i, list.content.size());
    REQUIRE(world.last<want_part>(i) != nullptr);
  }
  offer(1, list.content.size());
  CHECK(world.last<want_part>(1) == nullptr);
  world.pass(directory::parts_patience);
  offer(1, most_item_bytes(item_kind::list) + 1);
  CHECK(world.last<want_part>(1) == nullptr);
  offer(1, list.content.size());
  std::uint64_t parts = 0;
  for (std::size_t at = 0; at < list.content.size(); ++parts) {
    const auto* wanted = world.last<want_part>(1);
    REQUIRE(wanted != nullptr);
    REQUIRE(wanted->at == at);
    const auto rest = const_byte_span(list.content).subspan(at);
    const auto some = rest.first(std::min(rest.size(), most_offered_bytes));
    world.say(1, offer_part{list.key, at, {some.begin(), some.end()}});
    at += some.size();
  }
  CHECK(parts == 3);
  for (int i = 0; i < 3; ++i)
    world.pass(directory::grace / 2);
  CHECK(world.began_recovering == 1);
  const auto* held = world.core.items().find(list.key);
  REQUIRE(held != nullptr);
  CHECK(*held == list.content);
  // What is here is not wanted again.
  world.told.clear();
  offer(1, list.content.size());
  CHECK(world.last<want_part>(1) == nullptr);
}

TEST_CASE("Parts that do not fit together are dropped") {
  directory_world world;
  world.put(world.list_item(5, {}));
  world.open();
  world.core.issuer_there(true, world.at);
  world.join(1, 1);
  const auto list = world.list_item(6, {some_member(9).id});
  const auto whole = list.content;
  const auto try_part = [&](std::uint64_t at, byte_vector bytes) {
    world.say(1, offer_large{list.key, whole.size(), sha256({whole})});
    world.say(1, offer_part{list.key, at, std::move(bytes)});
    world.say(1, offer_part{list.key, 0, whole}); // of nothing any more
    for (int i = 0; i < 3; ++i)
      world.pass(directory::grace / 2);
    return world.began_recovering;
  };
  CHECK(try_part(1, {whole.begin(), whole.end() - 1}) == 0);
  CHECK(try_part(0, {}) == 0);
  auto longer = whole;
  longer.push_back({});
  CHECK(try_part(0, longer) == 0);
  auto other = whole;
  other.back() ^= std::byte{1};
  CHECK(try_part(0, other) == 0);
  CHECK(try_part(0, whole) == 1);
}

TEST_CASE("Who shows much that is wrong does not keep others from showing") {
  directory_world world;
  world.put(world.certificate_item(2, 1));
  world.open();
  world.core.issuer_there(true, world.at);
  std::uint8_t wrong = 0;
  for (directory::connection liar = 100; liar < 115; ++liar) {
    world.join(liar, liar);
    for (int i = 0; i < 4; ++i) {
      offer_items offer;
      while (offer.items.size() < most_offered_items)
        offer.items.push_back(
          {item_key(item_kind::certificate, some_member(9).id),
           byte_vector(20, std::byte(++wrong))});
      world.say(liar, offer);
    }
  }
  CHECK(world.ended.empty());
  world.join(2, 2);
  world.say(2, offer_items{{world.certificate_item(2, 2)}});
  world.pass(directory::grace + 1s);
  CHECK(world.began_recovering == 1);
}

TEST_CASE("What a member signs itself is no sign of a loss") {
  directory_world world;
  world.put(world.certificate_item(1));
  world.put(world.record_item(1, {1, 1}));
  world.open();
  world.core.issuer_there(true, world.at);
  world.join(1, 1);
  world.say(1, offer_items{{world.record_item(1, {1, 2})}});
  world.pass(directory::grace + 1s);
  CHECK(world.core.recovering().empty());
  CHECK(world.ended.empty());
}

TEST_CASE("What another directory of the store has seen counts for all") {
  directory_world world;
  world.open();
  world.core.issuer_there(true, world.at);
  world.put("meta/recovering", "something was lost");
  world.settle();
  CHECK(world.core.recovering() == "something was lost");
  CHECK(world.core.find_reason_to_wait());
  world.put("meta/recovering", std::nullopt);
  world.settle();
  CHECK_FALSE(world.core.find_reason_to_wait());
}
