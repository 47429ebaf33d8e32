#include "protocol/network/renewal.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/network_directory_world.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

/// Of all pages that a member gets for a comparison with nothing.
std::set<byte_vector>
keys_told(directory_world& world, directory::connection to) {
  std::set<byte_vector> keys;
  for (const auto& each : world.told[to]) {
    if (const auto* page = std::get_if<items_page>(&each)) {
      for (const auto& item : page->items)
        keys.insert(item.key);
    }
  }
  return keys;
}

byte_vector renewal_of(std::uint64_t asks, std::uint64_t signs) {
  const auto self = some_member(asks);
  return make_renewal({some_root().network, self.id, 1, self.key, {}},
                      signed_network::member_seed(signs));
}

} // namespace

TEST_CASE("A directory serves nobody before it has read its store") {
  directory_world world;
  world.core.connected(1, world.network.certificate(1), world.at);
  world.say(1, member_hello{});
  REQUIRE(world.ended.count(1) == 1);
  CHECK(world.last<directory_welcome>(1) == nullptr);
  CHECK(world.core.find_reason_to_wait());
  world.open();
  world.join(2, 1);
  REQUIRE(world.last<directory_welcome>(2) != nullptr);
  CHECK(world.last<directory_welcome>(2)->store == world.store.id);
}

TEST_CASE("A directory speaks the version that both know, and refuses what is "
          "too old") {
  directory_world world;
  world.open();
  world.core.connected(1, world.network.certificate(1), world.at);
  world.say(1, member_hello{members_version + 7});
  REQUIRE(world.last<directory_welcome>(1) != nullptr);
  CHECK(world.last<directory_welcome>(1)->version == members_version);
  world.core.connected(2, world.network.certificate(2), world.at);
  world.say(2, member_hello{oldest_members_version - 1});
  CHECK(world.ended.count(2) == 1);
  CHECK(world.last<directory_welcome>(2) == nullptr);
}

TEST_CASE("A member that connects gets its own last record") {
  directory_world world;
  const auto record = world.record_item(1, {1, 4});
  world.put(record);
  world.open();
  world.join(1, 1);
  CHECK(world.last<directory_welcome>(1)->last_record == record.content);
  world.join(2, 2);
  CHECK(world.last<directory_welcome>(2)->last_record.empty());
}

TEST_CASE("A comparison ends with what is there; pages wait to be asked for") {
  directory_world world;
  for (std::uint64_t i = 1; i <= 200; ++i) {
    world.put(world.certificate_item(i));
    world.put({item_key(item_kind::record, some_member(i).id),
               byte_vector(4000, std::byte(i))});
  }
  world.open();
  world.join(1, 1);
  REQUIRE(world.last<items_page>(1) != nullptr);
  CHECK_FALSE(world.last<items_page>(1)->last);
  std::size_t pages = 1;
  while (!world.last<items_page>(1)->last && pages++ < 100)
    world.say(1, next_page{});
  CHECK(keys_told(world, 1).size() == world.core.items().size());
  CHECK(pages >= 4);
  const auto told = world.told[1].size();
  world.say(1, next_page{});
  CHECK(world.told[1].size() == told); // there is none
}

TEST_CASE("Changes are told together, once, to those that have compared") {
  directory_world world;
  world.open();
  world.join(1, 1);
  world.core.connected(2, world.network.certificate(2), world.at);
  world.say(2, member_hello{});
  for (std::uint64_t i = 3; i < 9; ++i) {
    world.put(world.certificate_item(i));
    world.settle();
  }
  CHECK(world.last<items_changed>(1) == nullptr);
  world.pass(directory::push_interval);
  REQUIRE(world.last<items_changed>(1) != nullptr);
  CHECK(world.last<items_changed>(1)->items.size() == 6);
  CHECK(world.last<items_changed>(2) == nullptr);
  world.put(store_key_of(world.certificate_item(3).key), std::nullopt);
  world.settle();
  world.pass(directory::push_interval);
  CHECK(world.last<items_changed>(1)->gone
        == std::vector<byte_vector>{world.certificate_item(3).key});
}

TEST_CASE("Who does not read is not told more and more, but to compare again") {
  directory_world world;
  world.open();
  world.join(1, 1);
  world.core.queued(1, directory::most_queued_bytes, world.at);
  world.put(world.certificate_item(3));
  world.settle();
  world.pass(directory::push_interval);
  CHECK(world.last<items_changed>(1) == nullptr);
  CHECK(world.last<compare_again>(1) == nullptr);
  world.core.queued(1, 0, world.at);
  world.settle();
  CHECK(world.last<compare_again>(1) != nullptr);
}

TEST_CASE("More changes than are told one by one: all compare again") {
  directory_world world;
  world.open();
  world.join(1, 1);
  for (std::uint64_t i = 0; i <= most_page_items; ++i)
    world.put({epoch_key(i), byte_vector(1)});
  world.settle();
  world.pass(directory::push_interval);
  CHECK(world.last<compare_again>(1) != nullptr);
  CHECK(world.last<items_changed>(1) == nullptr);
}

// -- rule 8: for its own certificate's id alone
// ---------------------------------

TEST_CASE("A member publishes its own record, once in ten seconds, and no "
          "older one") {
  directory_world world;
  world.open();
  world.join(1, 1);
  const auto publish = [&](std::uint64_t number, const byte_vector& record) {
    world.told[1].clear();
    world.say(1, publish_record{number, record});
  };
  const auto first = world.record_item(1, {1, 5});
  publish(1, first.content);
  REQUIRE(world.last<request_done>(1) != nullptr);
  CHECK(*world.core.items().find(first.key) == first.content);
  // Again: it is there.
  publish(2, first.content);
  CHECK(world.last<request_done>(1) != nullptr);
  publish(3, world.record_item(1, {1, 6}).content);
  REQUIRE(world.last<request_refused>(1) != nullptr);
  CHECK(world.last<request_refused>(1)->why.why == refusal::exhausted);
  world.pass(directory::publish_interval);
  publish(4, world.record_item(1, {1, 6}).content);
  CHECK(world.last<request_done>(1) != nullptr);
  world.pass(directory::publish_interval);
  const auto refuses = [&](const byte_vector& record, refusal why) {
    publish(5, record);
    const auto* refused = world.last<request_refused>(1);
    return refused != nullptr && refused->why.why == why;
  };
  CHECK(refuses(world.record_item(1, {1, 4}).content, refusal::stale));
  CHECK(refuses(world.record_item(2, {1, 9}).content, refusal::not_allowed));
  CHECK(refuses(world.record_item(1, {2, 1}).content, refusal::malformed));
  auto forged = world.record_item(1, {1, 9}).content;
  forged.back() ^= std::byte{1};
  CHECK(refuses(forged, refusal::bad_signature));
  CHECK(refuses(byte_vector(100), refusal::malformed));
  const auto inside = world.network.record(1, {1, 9}, "10.200.0.1:1").bytes();
  CHECK(refuses(inside, refusal::not_allowed));
  CHECK(world.ended.empty());
}

TEST_CASE("A member renews and leaves for itself alone") {
  directory_world world;
  world.open();
  world.join(1, 1);
  world.say(1, renew_certificate{1, renewal_of(1, 1)});
  CHECK(world.last<request_refused>(1)->why.why == refusal::unavailable);
  world.core.issuer_there(true, world.at);
  world.settle();
  world.say(1, renew_certificate{2, renewal_of(2, 1)});
  CHECK(world.last<request_refused>(1)->why.why == refusal::not_allowed);
  world.say(1, renew_certificate{3, renewal_of(1, 2)});
  CHECK(world.last<request_refused>(1)->why.why == refusal::bad_signature);
  world.say(1, leave_network{4, renewal_of(1, 1)});
  CHECK(world.last<request_refused>(1)->why.why == refusal::not_allowed);
  CHECK(world.asked.empty());
  world.say(1, renew_certificate{5, renewal_of(1, 1)});
  REQUIRE(world.asked.size() == 1);
  world.say(1, renew_certificate{6, renewal_of(1, 1)});
  CHECK(world.last<request_refused>(1)->why.why == refusal::exhausted);
  // The answer comes once the store has the certificate.
  const auto renewed = world.certificate_item(1, 2);
  const sealed_secret secret{7, byte_vector(60)};
  world.core.answered(world.asked[0].number,
                      certified_answer{{renewed.content, world.issuer_bytes()},
                                       secret},
                      world.at);
  world.settle();
  CHECK(world.last<request_certified>(1) == nullptr);
  world.put(renewed);
  world.settle();
  REQUIRE(world.last<request_certified>(1) != nullptr);
  CHECK(world.last<request_certified>(1)->number == 5);
  CHECK(world.last<request_certified>(1)->certificates.size() == 2);
  CHECK(world.last<request_certified>(1)->secret == secret);
  world.say(
    1, leave_network{7, make_leave({some_root().network, some_member(1).id, 1},
                                   signed_network::member_seed(1))});
  REQUIRE(world.asked.size() == 2);
  world.core.answered(world.asked[1].number, certified_answer{}, world.at);
  world.settle();
  CHECK(world.last<request_done>(1) != nullptr);
}

TEST_CASE("Where a member's packets come from is told to it alone") {
  directory_world world;
  world.open();
  world.join(1, 1);
  world.join(2, 2);
  world.core.seen(some_member(1).id, parse_endpoint("192.0.2.9:4").value());
  world.settle();
  REQUIRE(world.last<endpoint_seen>(1) != nullptr);
  CHECK(to_string(world.last<endpoint_seen>(1)->where) == "192.0.2.9:4");
  CHECK(world.last<endpoint_seen>(2) == nullptr);
}

TEST_CASE("A removed member is refused, and ended within the same call") {
  directory_world world;
  world.put(world.list_item(5, {some_member(3).id}));
  world.open();
  world.core.connected(3, world.network.certificate(3), world.at);
  world.settle();
  REQUIRE(world.ended.count(3) == 1);
  CHECK(world.ended.at(3).why == refusal::revoked);
  world.join(1, 1);
  world.put(world.list_item(6, {some_member(1).id, some_member(3).id}));
  world.settle();
  REQUIRE(world.ended.count(1) == 1);
  CHECK(world.ended.at(1).why == refusal::revoked);
  CHECK(world.core.look().connections == 0);
  // An older list, or one of somebody else, lets nobody in again.
  world.put(world.list_item(4, {}));
  world.settle();
  world.core.connected(4, world.network.certificate(1), world.at);
  world.settle();
  CHECK(world.ended.count(4) == 1);
}

TEST_CASE("A connection ends with its certificate, its silence, or the next "
          "one of that member") {
  directory_world world;
  world.open();
  world.join(1, 1);
  world.join(2, 2);
  world.pass(directory::silence - 1s);
  world.say(2, members_ping{});
  world.pass(1s);
  world.pass(5s);
  CHECK(world.ended.count(1) == 1);
  CHECK(world.ended.count(2) == 0);
  world.join(3, 2);
  REQUIRE(world.ended.count(2) == 1);
  CHECK(world.ended.at(2).why == refusal::stale);
  world.at.wall += 24h * 91;
  world.say(3, members_ping{});
  world.pass(5s);
  REQUIRE(world.ended.count(3) == 1);
  CHECK(world.ended.at(3).why == refusal::expired);
}

TEST_CASE("Two machines with the files of one member are named, and told what "
          "to do; one that is started again and again is not") {
  directory_world world;
  world.open();
  directory::connection number = 0;
  const auto come = [&](std::uint64_t instance) {
    world.core.connected(++number, world.network.certificate(2), world.at);
    world.say(number, member_hello{members_version, instance});
    world.pass(1s);
  };
  for (std::uint64_t instance = 1; instance <= 5; ++instance)
    come(instance);
  come(5); // its way was broken
  come(0); // an older weft, twice
  come(0);
  CHECK(world.found_twice.empty());
  CHECK(world.ended.at(number - 1).why == refusal::stale);
  come(7);
  come(8);
  CHECK(world.found_twice.empty());
  come(7);
  CHECK(
    world.found_twice
    == std::vector<std::string>{world.network.certificate(2).contents.name});
  come(8);
  CHECK(world.ended.at(number - 1).why == refusal::used_twice);
  CHECK(world.ended.at(number - 1).what.find("weft network join")
        != std::string::npos);
  for (int i = 0; i < 10; ++i) {
    come(7);
    come(8);
  }
  CHECK(world.found_twice.size() == 1);
  // Once it is over, it is forgotten.
  world.core.disconnected(number);
  world.pass(directory::displaced_memory);
  world.pass(5s);
  come(9);
  come(8);
  CHECK(world.ended.at(number - 1).why == refusal::stale);
}

TEST_CASE("A certificate that was renewed is good for the renewal's answer and "
          "nothing else") {
  directory_world world;
  world.put(world.certificate_item(1, 2));
  world.put(world.certificate_item(2, 1));
  world.open();
  world.core.issuer_there(true, world.at);
  auto present = world.network.certificate(1);
  present.contents.generation = 2;
  world.core.connected(1, present, world.at);
  world.say(1, member_hello{});
  world.join(2, 1); // with the former one
  CHECK(world.ended.empty());
  CHECK(world.core.present().size() == 1);
  REQUIRE(world.last<items_page>(2) != nullptr);
  CHECK(world.last<items_page>(2)->items.empty());
  CHECK(world.last<items_page>(2)->last);
  CHECK(world.last<items_page>(2)->buckets.none());
  world.say(2, publish_record{1, world.record_item(1, {1, 9}).content});
  world.say(
    2, leave_network{2, make_leave({some_root().network, some_member(1).id, 1},
                                   signed_network::member_seed(1))});
  world.put(world.certificate_item(2, 2));
  world.pass(1s);
  CHECK(world.changes.empty());
  CHECK(world.asked.empty());
  CHECK(world.last<items_changed>(2) == nullptr);
  world.say(2, renew_certificate{3, renewal_of(1, 1)});
  REQUIRE(world.asked.size() == 1);
  world.core.answered(world.asked[0].number,
                      certified_answer{{world.certificate_item(1, 2).content}},
                      world.at);
  world.settle();
  CHECK(world.last<request_certified>(2) != nullptr);
  world.say(1, members_ping{});
  world.pass(directory::outdated_stay);
  REQUIRE(world.ended.count(2) == 1);
  CHECK(world.ended.at(2).why == refusal::stale);
  CHECK(world.core.present().size() <= 1);
}

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

// -- rule 7: bounds
// -------------------------------------------------------------

TEST_CASE("What is no message, comes too early or too often ends the "
          "connection; what is of a later version does not") {
  directory_world world;
  world.open();
  world.core.connected(1, world.network.certificate(1), world.at);
  world.say(1, compare_items{});
  CHECK(world.ended.count(1) == 1);
  world.join(2, 2);
  world.core.received(2, byte_vector(3, std::byte{0xff}), world.at);
  world.settle();
  CHECK(world.ended.count(2) == 1);
  world.join(3, 3);
  for (int i = 0; i < 199; ++i)
    world.say(3, members_ping{});
  CHECK(world.ended.count(3) == 1);
  world.join(4, 4);
  for (int i = 0; i < 30; ++i)
    world.say(4, compare_items{});
  CHECK(world.ended.count(4) == 1);
  // {"what": "dance"}
  const std::array<unsigned char, 12> later{0xa1, 0x64, 'w', 'h', 'a', 't',
                                            0x65, 'd',  'a', 'n', 'c', 'e'};
  world.join(5, 5);
  world.core.received(5, std::as_bytes(std::span(later)), world.at);
  world.settle();
  CHECK(world.ended.count(5) == 0);
}

TEST_CASE("Who draws page after page waits for them") {
  directory_world world;
  world.open();
  // Each a page by itself.
  for (std::size_t i = 0; i < 110; ++i)
    world.put({item_key(item_kind::list, "i" + std::to_string(i)),
               byte_vector(most_page_bytes + 1)});
  world.settle();
  world.join(1, 1);
  const auto pages = [&] {
    return std::count_if(world.told[1].begin(), world.told[1].end(),
                         [](const auto& each) {
                           return std::holds_alternative<items_page>(each);
                         });
  };
  for (int i = 0; i < 110; ++i)
    world.say(1, next_page{});
  CHECK(world.ended.empty());
  CHECK(pages() == 100);
  CHECK(world.core.next_time() <= world.at.now + 1s);
  world.pass(1s);
  CHECK(pages() == 101);
  world.say(1, next_page{});
  CHECK(pages() == 102);
}

TEST_CASE("A directory has so many connections and no more") {
  known_certificates certificates;
  deterministic_random random;
  const signed_network network;
  directory core({some_root(), "first", 2}, certificates.judge(), random);
  const instant at{time_point{1h}, wall_time{noon}};
  for (std::uint64_t i = 1; i <= 3; ++i)
    core.connected(i, network.certificate(i), at);
  const auto steps = core.take_steps();
  CHECK(core.look().connections == 2);
  const auto* end = std::get_if<directory::end_connection>(&steps.back());
  REQUIRE(end != nullptr);
  CHECK(end->which == 3);
  CHECK(end->why.why == refusal::exhausted);
}

// -- rule 14: unknown outcomes
// ---------------------------------------------------

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

// -- what the issuer signs
// --------------------------------------------------------

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

// -- rule 5: what was lost
// --------------------------------------------------------

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
