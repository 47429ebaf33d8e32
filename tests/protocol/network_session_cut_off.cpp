// Directories that are cut off from their store: who is there goes to another
// one, and stays where it is if there is none.
#include "tests/catch.hpp"
#include "tests/protocol/network_session_world.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

using found = member_session::directory_found;
using lost = member_session::directory_lost;
using dials = member_session::dial_directory;

struct cut_off_world : session_world {
  explicit cut_off_world(std::size_t directories) : session_world(directories) {
  }
  std::string dialled() const {
    return last<dials>().where.host;
  }
  /// Until it dials once more.
  void wait_for_dial(duration most) {
    const auto before = count<dials>();
    const auto end = now + most;
    while (count<dials>() == before && session.next_time() <= end)
      pass(session.next_time() - now);
    REQUIRE(count<dials>() > before);
  }
  void say_cut_off(bool is_so) {
    hear(directory_cut_off{is_so});
  }
  /// At a directory, and all of them are cut off.
  void settle_cut_off(std::size_t directories) {
    open();
    say_cut_off(true);
    for (std::size_t i = 1; i < directories; ++i) {
      wait_for_dial(member_session::shortest_spread);
      welcome({}, true);
      CHECK_FALSE(session.is_connected());
    }
    wait_for_dial(1s);
    welcome({}, true);
    show({});
    REQUIRE(session.is_connected());
  }
};

} // namespace

TEST_CASE("A directory that is cut off from its store is left for another one, "
          "where the member stays") {
  cut_off_world world(2);
  world.open();
  const auto first = world.dialled();
  CHECK_FALSE(world.last<found>().cut_off);
  world.say_cut_off(true);
  CHECK_FALSE(world.session.is_connected());
  CHECK(world.count<member_session::hang_up>() == 1);
  CHECK(world.last<lost>().why.find("store") != std::string::npos);
  // All others that are there leave as well: not at the same time.
  CHECK(world.count<dials>() == 1);
  world.wait_for_dial(member_session::shortest_spread);
  CHECK(world.dialled() != first);
  world.open();
  CHECK(world.session.is_connected());
  const auto other = world.dialled();
  world.session.on_time(world.now);
  world.say_cut_off(false);
  CHECK(world.session.is_connected());
  // The first one is asked again once the other does not answer.
  world.lose();
  world.wait_for_dial(member_session::shortest_spread);
  CHECK(world.dialled() == other);
  world.lose();
  world.wait_for_dial(1s);
  CHECK(world.dialled() == first);
  world.open();
  CHECK(world.session.is_connected());
  CHECK_FALSE(world.last<found>().cut_off);
}

TEST_CASE("A directory that says at once that it is cut off is passed over") {
  cut_off_world world(3);
  const auto first = world.dialled();
  world.welcome({}, true);
  CHECK(world.count<found>() == 0);
  CHECK(world.last<member_session::directory_missed>().why.find("store")
        != std::string::npos);
  world.wait_for_dial(1ms);
  CHECK(world.dialled() != first);
  world.open();
  CHECK(world.session.is_connected());
}

TEST_CASE(
  "While all directories are cut off the member stays at one, and looks "
  "for another one after minutes") {
  constexpr std::size_t directories = 3;
  cut_off_world world(directories);
  world.settle_cut_off(directories);
  CHECK(world.last<found>().cut_off);
  CHECK(world.count<lost>() == 1);
  const auto at = world.dialled();
  const auto quiet = [&](duration span) {
    const auto before = world.count<dials>();
    for (auto passed = 0s; passed < span; passed += 10s) {
      world.pass(10s);
      world.hear(members_pong{});
    }
    CHECK(world.session.is_connected());
    return world.count<dials>() == before;
  };
  CHECK(quiet(member_session::stay_cut_off - 10s));
  // It says so again and again, or that it has its store for a moment.
  world.say_cut_off(true);
  world.say_cut_off(false);
  world.say_cut_off(true);
  CHECK(world.session.is_connected());
  // Within a minute of that it asks the others, of which one is whole again.
  for (auto passed = 0s; passed <= member_session::stay_after_return
                         && world.session.is_connected();
       passed += 10s) {
    world.pass(10s);
    if (world.session.is_connected())
      world.hear(members_pong{});
  }
  CHECK_FALSE(world.session.is_connected());
  world.wait_for_dial(member_session::shortest_spread);
  CHECK(world.dialled() != at);
  world.welcome({}, true);
  world.wait_for_dial(1s);
  CHECK(world.dialled() != at);
  world.open();
  CHECK(world.session.is_connected());
  CHECK(quiet(3 * member_session::stay_cut_off));
}

TEST_CASE("Who stays at a directory that is cut off hears when it is not any "
          "more, and who knows no other one never leaves it") {
  cut_off_world world(1);
  world.open();
  world.say_cut_off(true);
  CHECK(world.session.is_connected());
  CHECK(world.last<member_session::cut_off_changed>().is_so);
  world.lose();
  world.wait_for_dial(member_session::shortest_spread);
  world.welcome({}, true);
  world.show({});
  CHECK(world.session.is_connected());
  CHECK(world.last<found>().cut_off);
  for (auto passed = 0s; passed < 3 * member_session::stay_cut_off;
       passed += 10s) {
    world.pass(10s);
    world.hear(members_pong{});
  }
  CHECK(world.session.is_connected());
  world.say_cut_off(false);
  CHECK_FALSE(world.last<member_session::cut_off_changed>().is_so);
  CHECK(world.session.is_connected());
}

TEST_CASE("A directory that is cut off serves whom no other one answers") {
  cut_off_world world(2);
  world.open();
  const auto first = world.dialled();
  world.say_cut_off(true);
  world.wait_for_dial(member_session::shortest_spread);
  CHECK(world.dialled() != first);
  world.lose();
  world.wait_for_dial(1s);
  CHECK(world.dialled() == first);
  world.lose();
  // And in later rounds each once.
  for (int round = 0; round < 4; ++round) {
    world.wait_for_dial(member_session::longest_wait);
    CHECK(world.dialled() != first);
    world.lose();
    world.wait_for_dial(1s);
    CHECK(world.dialled() == first);
    world.lose();
  }
  world.wait_for_dial(member_session::longest_wait);
  world.lose();
  world.wait_for_dial(1s);
  world.welcome({}, true);
  world.show({});
  CHECK(world.session.is_connected());
}

TEST_CASE("A name of several directories leads from one that is cut off to "
          "another one") {
  cut_off_world world(1);
  world.places["d0"] = {"first", "second", "third"};
  world.open();
  REQUIRE(world.at == "first");
  world.say_cut_off(true);
  CHECK_FALSE(world.session.is_connected());
  // The second one says at once that it is, too.
  world.wait_for_dial(member_session::shortest_spread);
  world.welcome({}, true);
  CHECK(world.at == "second");
  CHECK_FALSE(world.session.is_connected());
  world.wait_for_dial(1ms);
  world.open();
  CHECK(world.at == "third");
  CHECK(world.session.is_connected());
  // While all are it stays at one, and looks again after minutes.
  world.say_cut_off(true);
  CHECK_FALSE(world.session.is_connected());
  world.wait_for_dial(member_session::shortest_spread);
  for (const auto* next : {"first", "second"}) {
    world.welcome({}, true);
    CHECK(world.at == next);
    CHECK_FALSE(world.session.is_connected());
    world.wait_for_dial(1ms);
  }
  world.connect(); // to none: all are passed over
  world.wait_for_dial(1ms);
  world.welcome({}, true);
  world.show({});
  CHECK(world.session.is_connected());
  const auto dials = world.count<member_session::dial_directory>();
  for (auto passed = 0s; passed < member_session::stay_cut_off - 10s;
       passed += 10s) {
    world.pass(10s);
    world.hear(members_pong{});
  }
  CHECK(world.count<member_session::dial_directory>() == dials);
  world.pass(member_session::stay_cut_off + member_session::silence);
  CHECK(world.count<member_session::dial_directory>() > dials);
}

TEST_CASE("Who knows two names of one directory stays there once that is "
          "known") {
  cut_off_world world(2);
  world.places = {{"d0", {"only"}}, {"d1", {"only"}}};
  world.open();
  const auto first = world.dialled();
  world.say_cut_off(true);
  CHECK_FALSE(world.session.is_connected());
  const auto said = world.all_said<member_hello>().size();
  world.wait_for_dial(member_session::shortest_spread);
  CHECK(world.dialled() != first);
  world.connect();
  CHECK(world.all_said<member_hello>().size() == said); // it is passed over
  world.wait_for_dial(1ms);
  world.welcome({}, true);
  world.show({});
  REQUIRE(world.session.is_connected());
  for (const bool is_so : {false, true, true}) {
    world.say_cut_off(is_so);
    world.pass(10s);
    world.hear(members_pong{});
    CHECK(world.session.is_connected());
  }
  CHECK_FALSE(world.session.change_directory("it withholds", world.now));
  CHECK(world.session.is_connected());
}

TEST_CASE("What one directory withholds is asked of another one, also of the "
          "same name") {
  cut_off_world world(1);
  world.places["d0"] = {"first", "second"};
  world.open();
  REQUIRE(world.session.change_directory("it withholds", world.now));
  world.collect();
  CHECK(world.last<lost>().why == "it withholds");
  world.wait_for_dial(1ms);
  world.open();
  CHECK(world.at == "second");
  // Without a second one it is the first one again.
  REQUIRE(world.session.change_directory("it withholds", world.now));
  world.collect();
  world.places["d0"] = {"second"};
  world.wait_for_dial(1ms);
  world.connect();
  CHECK_FALSE(world.session.is_connected());
  world.wait_for_dial(member_session::longest_wait);
  world.open();
  CHECK(world.session.is_connected());
}
