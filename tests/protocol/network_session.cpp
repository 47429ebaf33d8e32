#include "tests/catch.hpp"
#include "tests/protocol/network_session_world.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

network_item item_of(std::uint64_t epoch, std::size_t size = 10) {
  return {epoch_key(epoch), byte_vector(size, std::byte(epoch))};
}

byte_vector record_of(std::uint64_t serial) {
  return signed_network{}.record(1, {1, serial}, "192.0.2.1:1").bytes();
}

} // namespace

TEST_CASE("A session dials at once, says hello, and compares") {
  session_world world;
  CHECK(world.count<member_session::dial_directory>() == 1);
  CHECK_FALSE(world.session.is_connected());
  world.connect();
  CHECK(world.all_said<member_hello>().size() == 1);
  world.hear(directory_welcome{members_version, {}, 9, true, record_of(4)});
  CHECK(world.session.is_connected());
  CHECK(world.last<member_session::directory_found>().recovering);
  CHECK(world.last<member_session::directory_found>().last_record
        == record_of(4));
  REQUIRE(world.all_said<compare_items>().size() == 1);
  CHECK(world.all_said<compare_items>()[0].have
        == world.session.told().digests());
}

TEST_CASE("Directories are tried in turn, then after waits that grow") {
  session_world world(3);
  std::set<std::string> tried;
  const auto start = world.now;
  for (int i = 0; i < 3; ++i) {
    tried.insert(world.last<member_session::dial_directory>().where.host);
    world.lose();
    world.pass(0s);
  }
  CHECK(tried.size() == 3);
  CHECK(world.now - start < 10ms);
  CHECK(world.count<member_session::directory_missed>() == 3);
  const auto dials = world.count<member_session::dial_directory>();
  CHECK(dials == 3);
  // A dial without an answer is given up.
  world.pass(1s);
  CHECK(world.count<member_session::dial_directory>() == 4);
  world.pass(member_session::dial_patience);
  CHECK(world.count<member_session::hang_up>() == 1);
  CHECK(world.count<member_session::dial_directory>() == 5);
  // Days later it still tries, and not more often than it should.
  for (int i = 0; i < 1000; ++i) {
    world.lose();
    world.pass(member_session::longest_wait);
  }
  const auto before = world.count<member_session::dial_directory>();
  CHECK(before > 1000);
  world.pass(1h);
  const auto more = world.count<member_session::dial_directory>() - before;
  CHECK(more > 300);
  CHECK(more < 1200);
}

TEST_CASE("However long a directory was away, few members try it within 2 s, "
          "and of many no more at once") {
  const auto longest_wait_of = [](std::size_t items) {
    std::vector<network_item> told;
    for (std::uint64_t i = 0; i < items; ++i)
      told.push_back(item_of(i));
    session_world world(1, told);
    duration most{};
    for (int round = 0; round < 300; ++round) {
      world.lose();
      most = std::max(most, world.session.next_time() - world.now);
      world.pass(world.session.next_time() - world.now);
    }
    return most;
  };
  CHECK(longest_wait_of(20) > 1500ms);
  CHECK(longest_wait_of(20) < 2100ms);
  CHECK(longest_wait_of(20'000) > 25s);
  CHECK(longest_wait_of(20'000) <= member_session::longest_spread);
}

TEST_CASE("Who was removed asks a directory again after minutes, and others "
          "meanwhile as before") {
  session_world world(1);
  const auto refuse = [&] {
    world.connect();
    world.hear(request_refused{0, {refusal::revoked, "it was removed"}});
  };
  refuse();
  CHECK(world.last<member_session::directory_missed>().refused_as
        == refusal::revoked);
  // It is dialled once for each refusal.
  const auto dials_within = [&](duration span) {
    const auto before = world.count<member_session::dial_directory>();
    const auto end = world.now + span;
    while (world.now < end) {
      const auto dials = world.count<member_session::dial_directory>();
      world.pass(std::min<duration>(1s, end - world.now));
      if (world.count<member_session::dial_directory>() != dials)
        refuse();
    }
    return world.count<member_session::dial_directory>() - before;
  };
  CHECK(dials_within(1h) < 20);
  const auto later = dials_within(1h);
  CHECK(later > 8);
  CHECK(later < 14);
  // Where another one is only away, that one is tried as often as ever.
  session_world two(2);
  std::size_t away = 0;
  for (int i = 0; i < 200; ++i) {
    if (two.last<member_session::dial_directory>().where.host == "d0") {
      two.connect();
      two.hear(request_refused{0, {refusal::revoked, "it was removed"}});
    } else {
      ++away;
      two.lose();
    }
    two.pass(two.session.next_time() - two.now);
    while (two.count<member_session::dial_directory>()
           == two.count<member_session::directory_missed>())
      two.pass(two.session.next_time() - two.now);
  }
  CHECK(away > 170);
  CHECK(two.now - time_point{1h} < 200 * member_session::longest_wait);
}

TEST_CASE("Who has lost a directory comes back within a spread, in the middle "
          "of many later than of few") {
  // The longest of some.
  const auto waits_of = [](std::size_t items) {
    std::vector<network_item> told;
    for (std::uint64_t i = 0; i < items; ++i)
      told.push_back(item_of(i));
    duration most{};
    for (int i = 0; i < 20; ++i) {
      session_world world(2, told);
      for (int j = 0; j < i; ++j)
        world.random.next_u32();
      world.welcome();
      world.hear(items_page{{}, {}, true, 2}); // it has what is told
      world.lose();
      most = std::max(most, world.session.next_time() - world.now);
    }
    return most;
  };
  CHECK(waits_of(10) <= member_session::shortest_spread + 100ms);
  CHECK(waits_of(10) > 500ms);
  const auto of_many = waits_of(4000);
  CHECK(of_many <= member_session::shortest_spread
                     + 4000 * member_session::spread_for_item + 100ms);
  CHECK(of_many > 2 * member_session::shortest_spread);
  session_world world;
  world.open();
  world.lose();
  CHECK(world.count<member_session::directory_lost>() == 1);
  world.session.hurry(world.now);
  CHECK(world.session.next_time() == world.now);
}

TEST_CASE("Pages replace what a directory no longer has, changes between them "
          "stay") {
  session_world world(1, {item_of(1), item_of(2)});
  world.welcome();
  items_page first{{}, {item_of(3)}, false, 2};
  world.hear(first);
  CHECK(world.all_said<next_page>().size() == 1);
  CHECK(world.session.told().size() == 3);
  world.hear(items_changed{3, {item_of(4)}, {}});
  items_page second{{}, {item_of(5)}, true, 4};
  second.buckets.set();
  world.hear(second);
  CHECK(world.session.told().find(epoch_key(1)) == nullptr);
  CHECK(world.session.told().find(epoch_key(2)) == nullptr);
  for (const std::uint64_t epoch : {3U, 4U, 5U})
    CHECK(world.session.told().find(epoch_key(epoch)) != nullptr);
  CHECK(world.last<member_session::up_to_date>().revision == 4);
  CHECK(world.last<member_session::take_items>().gone.size() == 2);
  world.hear(items_changed{5, {}, {epoch_key(3)}});
  CHECK(world.session.told().find(epoch_key(3)) == nullptr);
  // What changes nothing is no news.
  const auto news = world.count<member_session::take_items>();
  world.hear(items_changed{6, {item_of(4)}, {epoch_key(3)}});
  CHECK(world.count<member_session::take_items>() == news);
}

TEST_CASE("A directory that was overtaken by changes is compared with again, "
          "and not in circles") {
  session_world world;
  world.open();
  for (int i = 0; i < 100; ++i)
    world.hear(compare_again{});
  world.pass(2s);
  CHECK(world.all_said<compare_items>().size() == 2);
}

TEST_CASE("A comparison that never ends takes no memory without end") {
  session_world world;
  world.welcome();
  const std::size_t most = member_session::most_told_items / most_page_items;
  std::uint64_t next = 0;
  std::vector<byte_vector> former;
  std::size_t frames = 0;
  for (; frames <= most + 2 && world.session.is_connected(); ++frames) {
    items_changed changes{frames, {}, std::exchange(former, {})};
    for (std::size_t i = 0; i < most_page_items; ++i) {
      changes.items.push_back({epoch_key(++next), byte_vector(1)});
      former.push_back(changes.items.back().key);
    }
    world.hear(changes);
    world.steps.clear();
  }
  CHECK_FALSE(world.session.is_connected());
  CHECK(frames == most + 1);
}

TEST_CASE("A record is published until a directory has it, and one in ten "
          "seconds") {
  session_world world;
  world.session.publish(record_of(1), world.now);
  world.open();
  REQUIRE(world.all_said<publish_record>().size() == 1);
  world.hear(request_done{world.all_said<publish_record>()[0].number});
  world.pass(1s);
  world.session.publish(record_of(2), world.now);
  world.session.publish(record_of(3), world.now);
  world.collect();
  CHECK(world.all_said<publish_record>().size() == 1);
  world.pass(10s);
  REQUIRE(world.all_said<publish_record>().size() == 2);
  CHECK(world.all_said<publish_record>()[1].record == record_of(3));
  // The connection breaks before the answer: again, at once.
  world.lose();
  world.pass(3s);
  world.welcome();
  CHECK(world.all_said<publish_record>().size() == 3);
  // Another directory has it already.
  world.lose();
  world.pass(3s);
  world.welcome(record_of(3));
  CHECK(world.all_said<publish_record>().size() == 3);
  // One that then tells an older one is told again.
  world.show({{item_key(item_kind::record, some_member(1).id), record_of(2)}});
  world.pass(1s);
  REQUIRE(world.all_said<publish_record>().size() == 4);
  // Refused: for now, or for ever.
  world.hear(request_refused{world.all_said<publish_record>()[3].number,
                             {refusal::exhausted, "too soon"}});
  world.pass(3s);
  REQUIRE(world.all_said<publish_record>().size() == 5);
  world.hear(request_refused{world.all_said<publish_record>()[4].number,
                             {refusal::stale, "a newer one is known"}});
  CHECK(world.count<member_session::record_refused>() == 2);
  world.pass(30s);
  CHECK(world.all_said<publish_record>().size() == 5);
}

TEST_CASE("A request is repeated on each connection until it is answered") {
  session_world world;
  const auto renewal = world.session.renew(byte_vector(5), world.now);
  world.open();
  const auto leave = world.session.leave(byte_vector(6), world.now);
  world.collect();
  CHECK(world.all_said<renew_certificate>().size() == 1);
  CHECK(world.all_said<leave_network>().size() == 1);
  world.lose();
  world.pass(3s);
  world.welcome();
  CHECK(world.all_said<renew_certificate>().size() == 2);
  const sealed_secret secret{7, byte_vector(60)};
  world.hear(request_certified{renewal, {byte_vector(30)}, secret});
  CHECK(world.last<member_session::request_answered>().number == renewal);
  CHECK(world.last<member_session::request_answered>().result->size() == 1);
  CHECK(world.last<member_session::request_answered>().secret == secret);
  world.hear(request_refused{leave, {refusal::not_allowed, "no"}});
  CHECK_FALSE(world.last<member_session::request_answered>().result);
  world.hear(request_done{leave}); // it was answered
  CHECK(world.count<member_session::request_answered>() == 2);
}

TEST_CASE("What a directory lacks is shown to it after a while, once, and "
          "nothing that it has") {
  session_world world;
  std::vector<network_item> held;
  for (std::uint64_t i = 0; i < 20; ++i)
    held.push_back(item_of(i));
  world.session.set_held(held, world.now);
  world.welcome();
  world.show({item_of(0), item_of(1)});
  CHECK(world.all_said<offer_items>().empty());
  world.hear(items_changed{3, {item_of(2)}, {}});
  world.pass(member_session::offer_delay);
  REQUIRE(world.all_said<offer_items>().size() == 1);
  CHECK(world.all_said<offer_items>()[0].items.size() == most_offered_items);
  world.pass(member_session::offer_delay);
  REQUIRE(world.all_said<offer_items>().size() == 2);
  CHECK(world.all_said<offer_items>()[1].items.size() == 1);
  for (int i = 0; i < 20; ++i) {
    world.pass(10s);
    world.hear(members_pong{});
  }
  CHECK(world.all_said<offer_items>().size() == 2);
}

TEST_CASE("What is held waits until a comparison has ended, and wakes nobody "
          "up before") {
  session_world world;
  world.session.set_held({item_of(1)}, world.now);
  world.welcome();
  world.pass(member_session::offer_delay);
  world.session.on_time(world.now);
  world.collect();
  REQUIRE(world.session.is_connected());
  CHECK(world.all_said<offer_items>().empty());
  CHECK(world.session.next_time() > world.now);
  world.show({});
  world.pass(member_session::offer_delay);
  CHECK(world.all_said<offer_items>().size() == 1);
}

TEST_CASE("A directory that is silent, refuses, or says what it must not is "
          "left") {
  const auto leaves = [](auto what) {
    session_world world;
    what(world);
    return world.count<member_session::hang_up>() == 1
           && !world.session.is_connected();
  };
  CHECK(leaves([](auto& world) {
    world.open();
    world.pass(member_session::silence + 1s);
    CHECK(world.template all_said<members_ping>().size() >= 2);
  }));
  CHECK(leaves([](auto& world) {
    world.connect();
    world.pass(member_session::answer_patience);
  }));
  CHECK(leaves([](auto& world) {
    world.open();
    world.hear(request_refused{0, {refusal::revoked, "removed"}});
    CHECK(
      world.template last<member_session::directory_lost>().why.find("removed")
      != std::string::npos);
  }));
  CHECK(leaves([](auto& world) {
    world.connect();
    world.show({});
  }));
  CHECK(leaves([](auto& world) {
    world.open();
    world.show({});
  }));
  CHECK(leaves([](auto& world) {
    world.connect();
    world.hear(directory_welcome{members_version + 1, {}, 1, false, {}});
  }));
  CHECK(leaves([](auto& world) {
    world.open();
    world.session.received(world.attempt, byte_vector(4, std::byte{0xff}),
                           world.now);
    world.collect();
  }));
  CHECK(leaves([](auto& world) {
    world.open();
    world.session.received(
      world.attempt, bytes_of(std::string_view("\x00\x00\x00\x01\xff", 5)),
      world.now);
    world.collect();
  }));
}

TEST_CASE("What no frame can hold is offered, and sent in the parts that a "
          "directory wants, once a minute") {
  session_world world;
  network_item list{item_key(item_kind::list, "first"), byte_vector(150'000)};
  for (std::size_t i = 0; i < list.content.size(); ++i)
    list.content[i] = std::byte(i % 251);
  world.session.set_held({item_of(1), list, item_of(2)}, world.now);
  world.open();
  world.pass(member_session::offer_delay);
  REQUIRE(world.all_said<offer_items>().size() == 1);
  CHECK(world.all_said<offer_items>()[0].items.size() == 2);
  REQUIRE(world.all_said<offer_large>().size() == 1);
  const auto offer = world.all_said<offer_large>()[0];
  CHECK(offer.size == list.content.size());
  CHECK(offer.digest == sha256({list.content}));
  byte_vector whole;
  while (whole.size() < offer.size) {
    const auto before = world.all_said<offer_part>().size();
    world.hear(want_part{list.key, whole.size()});
    REQUIRE(world.all_said<offer_part>().size() == before + 1);
    const auto part = world.all_said<offer_part>().back();
    CHECK(part.at == whole.size());
    whole.insert(whole.end(), part.bytes.begin(), part.bytes.end());
    world.hear(want_part{list.key, part.at}); // the same again
    CHECK(world.all_said<offer_part>().size() == before + 1);
  }
  CHECK(whole == list.content);
  world.hear(want_part{list.key, 0});
  world.hear(want_part{epoch_key(1), 0});
  CHECK(world.all_said<offer_part>().size() == 3);
  const auto pass = [&](std::chrono::seconds span) {
    for (; span > 0s; span -= 10s) {
      world.hear(members_pong{});
      world.pass(std::min<duration>(span, 10s));
    }
  };
  pass(member_session::offer_again - 1s);
  CHECK(world.all_said<offer_large>().size() == 1);
  pass(2s);
  CHECK(world.all_said<offer_large>().size() == 2);
  // A directory that has it is offered nothing.
  world.hear(items_changed{3, {list}, {}});
  pass(2 * member_session::offer_again);
  CHECK(world.all_said<offer_large>().size() == 2);
}

TEST_CASE("Calls of an attempt that is over are ignored") {
  session_world world;
  const auto old = world.attempt;
  world.lose();
  world.pass(1s);
  REQUIRE(world.attempt != old);
  world.session.connected(old, world.now);
  world.session.lost(old, "late", world.now);
  world.session.received(old, byte_vector(100, std::byte{0xff}), world.now);
  world.collect();
  CHECK(world.said.empty());
  world.open();
  CHECK(world.session.is_connected());
}
