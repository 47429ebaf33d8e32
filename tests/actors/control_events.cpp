#include "tests/actors/control_support.hpp"

using namespace weft;
using namespace weft::test;

namespace {

overlay_event
event_number(std::uint32_t number, event_kind kind = event_kind::peer_up) {
  overlay_event made;
  made.kind = kind;
  made.when = wall_time{std::chrono::seconds{number}};
  made.interface = "weft0";
  made.peer = key_with(1);
  made.peer_name = "beta";
  made.endpoint = *parse_endpoint("192.0.2.1:51820");
  made.reason = std::to_string(number);
  return made;
}

event_batch batch_of(std::uint64_t first, std::vector<overlay_event> events) {
  return {first, std::move(events)};
}

/// Answers when it is told to.
struct slow_subscriber {
  explicit slow_subscriber(program& home)
    : actor(home.system().spawn([kept = state](event_subscriber::pointer self)
                                  -> event_subscriber::behavior_type {
        return {[kept, self](const event_batch& batch) -> caf::result<void> {
          auto promise = self->make_response_promise();
          kept->promises.push(promise);
          kept->batches.push(batch);
          return promise;
        }};
      })) {
  }
  void answer() {
    state->promises.next<caf::response_promise>().deliver(caf::unit);
  }

  struct shared {
    message_log batches;
    message_log promises;
  };
  std::shared_ptr<shared> state = std::make_shared<shared>();
  event_subscriber actor;
};

struct subscribed {
  subscribed() {
    server.overlay.on<subscribe>(
      [this](const subscribe& asked) -> caf::result<void> {
        relays.push(asked.subscriber);
        return caf::unit;
      });
    server.overlay.on<unsubscribe>(
      [this](const unsubscribe& asked) -> caf::result<void> {
        gone.push(asked.subscriber);
        return caf::unit;
      });
    server.start();
    remote = client.connect(server.target());
  }

  /// Subscribes; what the overlay sends its events to.
  event_subscriber add(const event_subscriber& subscriber) {
    CHECK_FALSE(client.command(remote, subscribe{subscriber}));
    return relays.next<event_subscriber>();
  }
  /// Sends a batch as the overlay would; `answers` gets a bool.
  void publish(const event_subscriber& relay, event_batch batch) {
    std::ignore = server.home.system().spawn(
      [=, this](caf::event_based_actor* self) -> caf::behavior {
        self->request(relay, caf::infinite, batch)
          .then([this] { answers.push(true); },
                [this](const caf::error&) { answers.push(false); });
        return {};
      });
  }

  message_log relays;
  message_log gone;
  message_log answers;
  message_log_ptr batches = std::make_shared<message_log>();
  served_overlay server;
  program client;
  overlay_actor remote;
};

} // namespace

TEST_CASE_METHOD(subscribed, "Events arrive as they happened") {
  const auto relay = add(client.subscriber(batches));
  publish(relay, batch_of(7, {event_number(1), event_number(2)}));
  const auto arrived = batches->next<event_batch>();
  CHECK(arrived.first == 7);
  REQUIRE(arrived.events.size() == 2);
  const auto sent = event_number(2);
  const auto& got = arrived.events[1];
  CHECK(got.kind == sent.kind);
  CHECK(got.when == sent.when);
  CHECK(got.interface == sent.interface);
  CHECK(got.peer == sent.peer);
  CHECK(got.peer_name == sent.peer_name);
  CHECK(got.endpoint == sent.endpoint);
  CHECK(got.reason == sent.reason);
  CHECK(answers.next<bool>());
}

TEST_CASE_METHOD(subscribed, "A batch is answered when the subscriber has "
                             "answered it, and a slow one holds back itself "
                             "only") {
  slow_subscriber slow{client};
  const auto to_slow = add(slow.actor);
  const auto to_quick = add(client.subscriber(batches));
  publish(to_slow, batch_of(0, {event_number(1)}));
  slow.state->batches.next<event_batch>();
  for (std::uint32_t i = 0; i < 100; ++i) {
    publish(to_quick, batch_of(i, {event_number(i)}));
    CHECK(batches->next<event_batch>().first == i);
    CHECK(answers.next<bool>());
  }
  CHECK_FALSE(client.command(remote, set_log_level{log_level::warn}));
  CHECK(answers.count<bool>() == 0);
  slow.answer();
  CHECK(answers.next<bool>());
}

TEST_CASE_METHOD(subscribed, "A subscription that was ended brings nothing "
                             "more") {
  const auto subscriber = client.subscriber(batches);
  const auto relay = add(subscriber);
  CHECK_FALSE(client.command(remote, unsubscribe{subscriber}));
  CHECK(gone.next<event_subscriber>() == relay);
  server.home.await_end(relay);
  publish(relay, batch_of(0, {event_number(1)}));
  CHECK_FALSE(answers.next<bool>());
  CHECK(batches->count<event_batch>() == 0);
  // Nobody minds when it is not there.
  CHECK_FALSE(client.command(remote, unsubscribe{subscriber}));
}

TEST_CASE_METHOD(subscribed, "A subscriber subscribes once, however often it "
                             "asks") {
  const auto subscriber = client.subscriber(batches);
  const auto relay = add(subscriber);
  CHECK(add(subscriber) == relay);
}

TEST_CASE_METHOD(subscribed, "A subscription ends with its subscriber") {
  slow_subscriber slow{client};
  const auto relay = add(slow.actor);
  publish(relay, batch_of(0, {event_number(1)}));
  slow.state->batches.next<event_batch>();
  slow.state->promises.take<caf::response_promise>();
  caf::anon_send_exit(slow.actor, caf::exit_reason::kill);
  CHECK(gone.next<event_subscriber>() == relay);
  CHECK_FALSE(answers.next<bool>());
  server.home.await_end(relay);
}

TEST_CASE_METHOD(subscribed, "Subscriptions end with their connection") {
  program other;
  auto second = other.connect(server.target());
  std::vector<event_subscriber> relays_there;
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(other.command(second, subscribe{other.subscriber(batches)}));
    relays_there.push_back(relays.next<event_subscriber>());
  }
  second = nullptr;
  for (const auto& relay : relays_there)
    server.home.await_end(relay);
  for (int i = 0; i < 3; ++i)
    gone.next<event_subscriber>();
}

TEST_CASE_METHOD(subscribed, "Who was too slow is told, and its subscription "
                             "is over") {
  const auto subscriber = client.subscriber(batches);
  const auto relay = add(subscriber);
  publish(relay, batch_of(0, {event_number(1, event_kind::events_lost)}));
  CHECK(batches->next<event_batch>().events.at(0).kind
        == event_kind::events_lost);
  CHECK(answers.next<bool>());
  server.home.await_end(relay);
  gone.next<event_subscriber>();
  CHECK(add(subscriber) != relay); // and may begin anew
}

TEST_CASE_METHOD(subscribed, "A connection has sixteen subscriptions") {
  std::vector<event_subscriber> all;
  for (std::size_t i = 0; i < facade::most_subscriptions; ++i) {
    all.push_back(client.subscriber(batches));
    add(all.back());
  }
  const auto error
    = client.command(remote, subscribe{client.subscriber(batches)});
  CHECK(error_code(error) == ENOSPC);
  CHECK_THAT(error_message(error), Catch::Contains("at most 16"));
  CHECK_FALSE(client.command(remote, unsubscribe{all[3]}));
  add(client.subscriber(batches));
}

TEST_CASE_METHOD(subscribed, "All connections together have two hundred and "
                             "fifty-six") {
  std::vector<overlay_actor> connections;
  for (int i = 0; i < 16; ++i) {
    connections.push_back(client.connect(server.target()));
    for (std::size_t j = 0; j < facade::most_subscriptions; ++j) {
      CHECK_FALSE(client.command(connections.back(),
                                 subscribe{client.subscriber(batches)}));
    }
  }
  CHECK(
    error_code(client.command(remote, subscribe{client.subscriber(batches)}))
    == ENOSPC);
  connections.pop_back();
  CHECK(eventually([&] {
    return !client.command(remote, subscribe{client.subscriber(batches)});
  }));
}

TEST_CASE_METHOD(subscribed, "A subscription that the overlay refuses leaves "
                             "nothing behind") {
  server.overlay.on<subscribe>([](const subscribe&) -> caf::result<void> {
    return make_error(EBUSY, "too many subscribers");
  });
  for (std::size_t i = 0; i < 2 * facade::most_subscriptions; ++i) {
    const auto error
      = client.command(remote, subscribe{client.subscriber(batches)});
    CHECK(error_message(error) == "too many subscribers");
    gone.next<event_subscriber>();
  }
}

TEST_CASE_METHOD(subscribed, "Nobody cannot subscribe") {
  CHECK(error_code(client.command(remote, subscribe{})) == EINVAL);
}
