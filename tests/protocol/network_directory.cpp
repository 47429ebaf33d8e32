// A directory and its members; network_directory_store.cpp has what it does
// with its store, network_directory_issued.cpp that with its issuer.
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

} // namespace

TEST_CASE("A directory serves nobody before it has read its store, which a "
          "member waits for a while") {
  directory_world world;
  world.core.connected(1, world.network.certificate(1), world.at);
  world.say(1, member_hello{});
  world.pass(directory::welcome_wait - 1s);
  world.core.connected(3, world.network.certificate(3), world.at);
  world.say(3, member_hello{});
  world.say(3, members_ping{});
  CHECK(world.ended.empty());
  CHECK(world.core.next_time() <= world.at.now + 1s);
  world.pass(1s);
  REQUIRE(world.ended.count(1) == 1);
  CHECK(world.last<directory_welcome>(1) == nullptr);
  CHECK(world.ended.count(3) == 0);
  CHECK(world.core.find_reason_to_wait());
  world.open();
  REQUIRE(world.last<directory_welcome>(3) != nullptr);
  CHECK(world.last<directory_welcome>(3)->store == world.store.id);
  world.say(3, compare_items{});
  CHECK(world.last<items_page>(3) != nullptr);
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

TEST_CASE("A comparison ends with what is there, pages wait to be asked for") {
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

// -- rule 8: for its own certificate's id alone -------------------------------

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
          "to do, one that is started again and again is not") {
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

// -- rule 7: bounds -----------------------------------------------------------

TEST_CASE("What is no message, comes too early or too often ends the "
          "connection, what is of a later version does not") {
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
