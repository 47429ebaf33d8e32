#include "actors/overlay/event_hub.hpp"

#include "messages/errors.hpp"
#include "tests/actors/line_sink.hpp"
#include "tests/actors/support.hpp"

#include <spdlog/logger.h>

#include <cerrno>
#include <memory>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

public_key key_of(unsigned number) {
  public_key key;
  store_le(key.bytes.data(), number + 1);
  return key;
}

overlay_event event_of(event_kind kind, unsigned peer = 1) {
  overlay_event event;
  event.kind = kind;
  event.peer = key_of(peer);
  event.peer_name = "peer " + std::to_string(peer);
  return event;
}

/// A hub with a subscriber, whose batches are recorded.
struct hubbed {
  hubbed()
    : hub(home.spawn<event_hub>(
      loop.loop, "weft7", std::make_shared<spdlog::logger>("test", lines))) {
    for (const unsigned peer : {1U, 2U}) // before anybody listens
      happens(event_kind::peer_added, peer);
    REQUIRE_FALSE(home.command(hub, subscribe{listener.handle()}));
  }
  void happens(event_kind kind, unsigned peer = 1) {
    caf::anon_send(hub, event_of(kind, peer));
  }
  /// The next `count` events that come to `listener`.
  std::vector<overlay_event> events(std::size_t count) {
    while (seen.size() < count) {
      auto batch = listener.next<event_batch>();
      CHECK(batch.first == total);
      total += batch.events.size();
      std::move(batch.events.begin(), batch.events.end(),
                std::back_inserter(seen));
    }
    std::vector<overlay_event> taken(
      seen.begin(), seen.begin() + static_cast<std::ptrdiff_t>(count));
    seen.erase(seen.begin(), seen.begin() + static_cast<std::ptrdiff_t>(count));
    return taken;
  }
  std::vector<event_kind> kinds(std::size_t count) {
    std::vector<event_kind> all;
    for (const auto& event : events(count))
      all.push_back(event.kind);
    return all;
  }

  world home{run_by::hand};
  std::shared_ptr<line_sink> lines = std::make_shared<line_sink>();
  test_loop loop = home.start_loop();
  fake<event_subscriber> listener{home};
  event_hub_actor hub;
  std::vector<overlay_event> seen;
  std::uint64_t total = 0;
};

using kinds_of = std::vector<event_kind>;

} // namespace

TEST_CASE("Events come to every subscriber, in order and with the interface") {
  hubbed here;
  fake<event_subscriber> second(here.home);
  REQUIRE_FALSE(here.home.command(here.hub, subscribe{second.handle()}));
  for (unsigned i = 0; i < 600; ++i)
    here.happens(event_kind::peer_added, i);
  const auto events = here.events(600);
  for (unsigned i = 0; i < 600; ++i) {
    CHECK(events[i].peer == key_of(i));
    CHECK(events[i].interface == "weft7");
    CHECK(events[i].when != wall_time{});
  }
  std::size_t seen = 0;
  while (seen < 600)
    seen += second.next<event_batch>().events.size();
  CHECK(seen == 600);
}

TEST_CASE("What happens to a peer is in the log") {
  hubbed here;
  here.happens(event_kind::handshake_completed);
  here.happens(event_kind::peer_up);
  CHECK(here.kinds(2)
        == kinds_of{event_kind::handshake_completed, event_kind::peer_up});
  CHECK(here.lines->count("peer_up: peer 1") == 1);
  CHECK(here.lines->count("") == 1); // details are for the level debug
}

TEST_CASE("Troubles of peers are warnings, a bounded number of them, and what "
          "was left out is counted") {
  hubbed here;
  auto event = event_of(event_kind::peer_troubled);
  event.reason = "no answer";
  const auto most = event_hub::trouble_burst;
  for (unsigned i = 0; i < 2 * most; ++i)
    caf::anon_send(here.hub, event);
  event.peer_name.clear();
  here.events(2 * most);
  CHECK(here.lines->count("peer_troubled: peer 1: no answer") == most);
  here.home.advance(event_hub::trouble_interval);
  caf::anon_send(here.hub, event);
  here.events(1);
  CHECK(here.lines->count("32 more troubles of peers") == 1);
  const auto key = to_string(key_of(1));
  CHECK(here.lines->count("peer_troubled: " + key.substr(0, 8) + "...: no")
        == 1);
}

TEST_CASE("Who subscribes twice gets each event once, and none after it has "
          "unsubscribed") {
  hubbed here;
  REQUIRE_FALSE(here.home.command(here.hub, subscribe{here.listener.handle()}));
  here.happens(event_kind::peer_added);
  here.happens(event_kind::peer_removed);
  CHECK(here.kinds(2)
        == kinds_of{event_kind::peer_added, event_kind::peer_removed});
  REQUIRE_FALSE(
    here.home.command(here.hub, unsubscribe{here.listener.handle()}));
  here.happens(event_kind::peer_added);
  REQUIRE_FALSE(
    here.home.command(here.hub, unsubscribe{here.listener.handle()}));
  here.listener.settle();
  CHECK(here.listener.count<event_batch>() == 0);
}

TEST_CASE("A subscriber that is no actor is refused by the name of its field") {
  hubbed here;
  const auto error = here.home.command(here.hub, subscribe{});
  CHECK(error_code(error) == EINVAL);
  CHECK(error_field(error) == "subscriber");
}

TEST_CASE("What happens to a peer while it is removed is not told") {
  hubbed here;
  here.happens(event_kind::handshake_completed);
  here.happens(event_kind::peer_up);
  here.happens(event_kind::peer_removed);
  for (const auto late :
       {event_kind::handshake_completed, event_kind::handshake_failed,
        event_kind::endpoint_changed, event_kind::peer_up,
        event_kind::peer_state_changed, event_kind::peer_troubled,
        event_kind::peer_down})
    here.happens(late);
  here.happens(event_kind::handshake_completed, 2);
  here.happens(event_kind::peer_up, 2);
  here.happens(event_kind::peer_down, 2);
  CHECK(here.kinds(6)
        == kinds_of{event_kind::handshake_completed, event_kind::peer_up,
                    event_kind::peer_removed, event_kind::handshake_completed,
                    event_kind::peer_up, event_kind::peer_down});
}

TEST_CASE("However many subscribers do not answer, what waits for all of them "
          "is bounded") {
  hubbed here;
  constexpr std::size_t many
    = event_hub::max_waiting_in_all / event_hub::max_waiting + 8;
  auto log = std::make_shared<message_log>();
  std::vector<std::unique_ptr<fake<event_subscriber>>> silent;
  std::vector<caf::typed_response_promise<void>> unanswered;
  for (std::size_t i = 0; i < many; ++i) {
    auto& one = *silent.emplace_back(
      std::make_unique<fake<event_subscriber>>(here.home));
    one.on<event_batch>([&](const event_batch& batch) -> caf::result<void> {
      if (batch.events.at(0).kind == event_kind::events_lost) {
        log->push(batch);
        return caf::unit;
      }
      unanswered.push_back(
        one.self()->make_response_promise<caf::typed_response_promise<void>>());
      return unanswered.back();
    });
    REQUIRE_FALSE(here.home.command(here.hub, subscribe{one.handle()}));
  }
  // All of them fall behind at the same pace, none by as much as one may.
  const auto enough = event_hub::max_waiting_in_all / many + 300;
  REQUIRE(enough < event_hub::max_waiting);
  for (std::size_t i = 0; i < enough; ++i) {
    here.happens(event_kind::peer_added);
    here.events(1);
  }
  CHECK_THAT(log->next<event_batch>().events[0].reason,
             Catch::Contains("behind"));
  unanswered.clear();
}

TEST_CASE("A subscriber that does not answer holds up nobody, and loses its "
          "subscription with a notice when it is too far behind") {
  hubbed here;
  fake<event_subscriber> slow(here.home);
  std::vector<event_batch> got;
  std::vector<caf::typed_response_promise<void>> unanswered;
  slow.on<event_batch>([&](const event_batch& batch) -> caf::result<void> {
    got.push_back(batch);
    auto promise
      = slow.self()->make_response_promise<caf::typed_response_promise<void>>();
    unanswered.push_back(promise);
    return promise;
  });
  REQUIRE_FALSE(here.home.command(here.hub, subscribe{slow.handle()}));
  for (std::size_t i = 0; i < event_hub::max_waiting + 10; ++i) {
    here.happens(event_kind::peer_added);
    here.events(1); // so that the other one does not fall behind
  }
  // The one that waits for its answer, and the notice.
  const auto batches = slow.run([&] { return got; });
  REQUIRE(batches.size() == 2);
  CHECK(batches[1].events.at(0).kind == event_kind::events_lost);
  CHECK_THAT(batches[1].events[0].reason, Catch::Contains("subscribe again"));
  CHECK(batches[1].first == batches[0].events.size() + event_hub::max_waiting);
  slow.run([&] { unanswered.clear(); });
}

TEST_CASE("A late answer to a former subscription does not count for the new "
          "one") {
  hubbed here;
  fake<event_subscriber> late(here.home);
  std::vector<caf::response_promise> unanswered;
  auto log = std::make_shared<message_log>();
  late.on<event_batch>([&](const event_batch& batch) -> caf::result<void> {
    log->push(batch);
    unanswered.push_back(late.self()->make_response_promise());
    return unanswered.back();
  });
  REQUIRE_FALSE(here.home.command(here.hub, subscribe{late.handle()}));
  here.happens(event_kind::peer_added);
  log->next<event_batch>();
  REQUIRE_FALSE(here.home.command(here.hub, unsubscribe{late.handle()}));
  REQUIRE_FALSE(here.home.command(here.hub, subscribe{late.handle()}));
  here.happens(event_kind::peer_added);
  log->next<event_batch>();
  late.run([&] { unanswered[0].deliver(make_error(EIO, "too late")); });
  late.run([&] { unanswered[1].deliver(caf::unit_t{}); });
  here.happens(event_kind::peer_removed);
  const auto batch = log->next<event_batch>();
  CHECK(batch.events.at(0).kind == event_kind::peer_removed);
  late.run([&] { unanswered.clear(); });
}

TEST_CASE("A subscriber that never answers is given up, one that ends is "
          "forgotten") {
  hubbed here;
  fake<event_subscriber> dead(here.home);
  std::vector<caf::typed_response_promise<void>> unanswered;
  auto log = std::make_shared<message_log>();
  dead.on<event_batch>([&](const event_batch& batch) -> caf::result<void> {
    log->push(batch);
    auto promise
      = dead.self()->make_response_promise<caf::typed_response_promise<void>>();
    unanswered.push_back(promise);
    return promise;
  });
  REQUIRE_FALSE(here.home.command(here.hub, subscribe{dead.handle()}));
  fake<event_subscriber> ending(here.home);
  REQUIRE_FALSE(here.home.command(here.hub, subscribe{ending.handle()}));
  ending.end();
  here.happens(event_kind::peer_added);
  CHECK(log->next<event_batch>().events.at(0).kind == event_kind::peer_added);
  here.home.advance(10s - 1ns);
  CHECK(log->count<event_batch>() == 0);
  here.home.advance(1ns);
  const auto notice = log->next<event_batch>();
  CHECK(notice.events.at(0).kind == event_kind::events_lost);
  CHECK_THAT(notice.events[0].reason, Catch::Contains("did not answer"));
  here.happens(event_kind::peer_removed);
  CHECK(here.kinds(2)
        == kinds_of{event_kind::peer_added, event_kind::peer_removed});
  dead.run([&] { unanswered.clear(); });
}
