// What outlives an overlay: when it is written, and what the next one makes of
// it.
#include "actors/overlay/state_keeper.hpp"

#include "platform/clock.hpp"
#include "tests/actors/embedded.hpp"
#include "tests/actors/line_sink.hpp"
#include "tests/actors/registered.hpp"

#include <mutex>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

/// A disk for one file.
struct disk {
  state_options options() {
    state_options made;
    made.write = [this](const std::string& text) -> result<void> {
      if (meanwhile)
        meanwhile();
      const std::lock_guard guard(mutex);
      texts.push_back(text);
      if (!failure.empty())
        return tl::unexpected(system_error{0, failure});
      return {};
    };
    made.leave = [this](std::string text) {
      const std::lock_guard guard(mutex);
      left = std::move(text);
    };
    return made;
  }
  std::size_t writes() {
    const std::lock_guard guard(mutex);
    return texts.size();
  }
  std::string newest() {
    const std::lock_guard guard(mutex);
    return left.empty() && !texts.empty() ? texts.back() : left;
  }

  std::mutex mutex;
  std::vector<std::string> texts;
  std::string failure;
  std::string left;
  std::function<void()> meanwhile; ///< called while it is written
};

struct kept {
  kept() {
    keeper = home.spawn<state_keeper>(
      loop.loop, on.options(), std::make_shared<spdlog::logger>("t", lines));
  }
  peer_noted noted(unsigned number, wall_time stamp = {}) const {
    peer_noted made;
    made.self = key_number(1000);
    made.peer = key_number(number);
    made.memory.remote = endpoint_of("192.0.2.1:7");
    made.memory.last_stamp = stamp;
    made.memory.session_lost = true;
    return made;
  }
  node_memory written() {
    return parse_memory(on.newest(), loop.loop->moment().wall).value();
  }

  std::shared_ptr<line_sink> lines = std::make_shared<line_sink>();
  disk on;
  world home{run_by::hand};
  test_loop loop = home.start_loop();
  state_keeper_actor keeper;
};

} // namespace

TEST_CASE_METHOD(kept, "What many peers are known by is written together, and "
                       "once a minute at most") {
  for (unsigned number = 0; number < 50; ++number)
    caf::anon_send(keeper, noted(number));
  home.advance(state_keeper::settling - 1ns);
  CHECK(on.writes() == 0);
  home.advance(1ns);
  REQUIRE(eventually([&] { return on.writes() == 1; }));
  CHECK(written().peers.size() == 50);
  caf::anon_send(keeper, noted(99));
  home.settle();
  home.advance(59s);
  home.settle();
  CHECK(on.writes() == 1);
  home.advance(1s);
  REQUIRE(eventually([&] { return on.writes() == 2; }));
  home.advance(10min);
  home.settle();
  CHECK(on.writes() == 2); // nothing is new
}

TEST_CASE_METHOD(kept, "What is new is written at once before a process ends "
                       "that packets wait for") {
  CHECK_FALSE(home.command(keeper, keep_now{}));
  CHECK(on.writes() == 0); // there is nothing new
  caf::anon_send(keeper, noted(1));
  CHECK_FALSE(home.command(keeper, keep_now{}));
  CHECK(on.writes() == 1);
  CHECK(written().peers.size() == 1);
  home.advance(10min);
  home.settle();
  CHECK(on.writes() == 1);
  on.failure = "no space left";
  caf::anon_send(keeper, noted(2));
  CHECK_FALSE(home.command(keeper, keep_now{})); // nobody waits for a disk
}

TEST_CASE_METHOD(kept, "Whoever asks waits for one write, however much comes "
                       "meanwhile") {
  caf::anon_send(keeper, noted(1));
  on.meanwhile = [this] { caf::anon_send(keeper, noted(2)); };
  CHECK_FALSE(home.command(keeper, keep_now{}));
  CHECK(on.writes() == 1);
}

TEST_CASE_METHOD(kept, "A disk that fails is a line each time, and is tried "
                       "again a minute later") {
  on.failure = "no space left";
  caf::anon_send(keeper, noted(1));
  home.advance(1s);
  REQUIRE(eventually([&] { return lines->count("no space left") == 1; }));
  home.advance(60s);
  REQUIRE(eventually([&] { return lines->count("no space left") == 2; }));
  CHECK(on.writes() == 2);
}

TEST_CASE_METHOD(kept, "Our own stamp never goes below the last one, and a "
                       "peer's that is far ahead is not kept") {
  const auto now = loop.loop->moment().wall;
  caf::anon_send(keeper, noted(1, now));
  auto later = noted(2, now - 1h);
  later.memory.newest_initiation = to_tai64n(now + 25h);
  caf::anon_send(keeper, later);
  home.advance(1s);
  REQUIRE(eventually([&] { return on.writes() == 1; }));
  CHECK(written().last_stamp == now);
  CHECK(written().peers.at(key_number(2)).newest_initiation == tai64n{});
}

TEST_CASE_METHOD(kept, "With another key, and of peers that are removed, "
                       "nothing is kept") {
  caf::anon_send(keeper, noted(1));
  caf::anon_send(keeper, noted(2));
  caf::anon_send(keeper, peer_forgotten{key_number(1)});
  home.advance(1s);
  REQUIRE(eventually([&] { return on.writes() == 1; }));
  CHECK(written().peers.size() == 1);
  auto other = noted(3);
  other.self = key_number(7);
  caf::anon_send(keeper, other);
  home.settle();
  home.end(keeper);
  CHECK(written().self == key_number(7));
  CHECK(written().peers.size() == 1);
}

namespace {

/// Two overlays that have met, of which the left one is to be started again
/// with what it left behind.
struct restarted {
  restarted() {
    left.options.state = on.options();
    const auto secret = left.options.config.interface.private_key;
    peer = right.as_peer(); // which comes to the left one: it has no endpoint
    left.start({&right});
    right.start({&left});
    const auto packet = numbered_packet(2, 1, 1, 100, true);
    REQUIRE(right.send({packet}) == 1);
    CHECK(left.next() == packet);
    left.stop();
    REQUIRE(eventually([&] { return !on.newest().empty(); }));
    again.options.config.interface.private_key = secret;
    again.options.state.remembered
      = parse_memory(on.newest(), wall_now()).value();
  }

  deterministic_random random{51};
  disk on;
  world home;
  embedded_overlay left{home, random, 1};
  embedded_overlay right{home, random, 2};
  embedded_overlay again{home, random, 1};
  peer_config peer;
};

} // namespace

TEST_CASE_METHOD(restarted, "An overlay that is started again finds a peer "
                            "without an endpoint, and has a session at once") {
  again.options.config.peers = {peer};
  again.start({});
  CHECK(eventually([&] { return again.status().peers[0].session_age; }));
  const auto packet = numbered_packet(1, 2, 2, 100, true);
  REQUIRE(again.send({packet}) == 1);
  CHECK(right.next() == packet);
}

TEST_CASE_METHOD(restarted,
                 "An endpoint that was configured meanwhile is where "
                 "a peer is, whatever is remembered") {
  peer.endpoint = endpoint_of("127.0.0.1:9");
  again.options.config.peers = {peer};
  again.start({});
  CHECK(again.status().peers.at(0).endpoint == endpoint_of("127.0.0.1:9"));
}

TEST_CASE_METHOD(restarted, "A peer that is reset is known by its "
                            "configuration alone") {
  again.options.config.peers = {peer};
  again.start({});
  CHECK(again.status().peers.at(0).endpoint);
  const auto changes
    = home.ask<config_changes>(again.running.actor, reset_peer{right.key});
  CHECK(changes.peers_added == 1);
  CHECK(eventually(
    [&] { return !again.status().peers.at(0).endpoint.has_value(); }));
  CHECK(again.status().peers.at(0).allowed_ips == peer.allowed_ips);
  CHECK(again.status().peers.at(0).name == peer.name);
  const auto unknown = home.try_ask<config_changes>(again.running.actor,
                                                    reset_peer{key_number(5)});
  CHECK_FALSE(unknown);
}
