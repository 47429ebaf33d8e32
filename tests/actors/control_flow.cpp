// Clients that do not read, and buffers that do not grow.
#include "actors/control/wire/frame_relay.hpp"
#include "tests/actors/control_raw.hpp"

using namespace weft;
using namespace weft::test;

namespace {

struct large_overlay : served_overlay {
  static constexpr std::size_t peers = 2000;

  explicit large_overlay(run_by time = run_by::thread) {
    overlay.on<get_status>(
      [this](const get_status&) -> caf::result<device_status> {
        ++asked;
        device_status status;
        status.peers.resize(peers);
        for (auto& peer : status.peers)
          peer.name = std::string(100, 'x');
        return status;
      });
    if (time == run_by::hand)
      go_by_hand();
    start();
  }
  std::atomic<int> asked{0};
};

} // namespace

TEST_CASE("A client that reads no answers is asked no more, and then cut off, "
          "and others notice nothing") {
  large_overlay server{run_by::hand};
  raw_client lazy{server.options.socket_path};
  lazy.enter();
  std::string requests;
  for (std::uint64_t number = 1; number <= 200; ++number)
    requests += status_request(number, lazy.facade);
  REQUIRE(lazy.send(requests));
  raw_client busy{server.options.socket_path};
  busy.enter();
  for (std::uint64_t number = 1; number <= 5; ++number) {
    REQUIRE(busy.send(status_request(number, busy.facade)));
    REQUIRE(busy.next_message());
  }
  // Those of the busy one, and what one client may ask at a time.
  CHECK(server.asked
        <= 5 + static_cast<int>(frame_filter::most_large_answers) + 1);
  CHECK(server.comes_true(1s, [&] {
    lazy.send(basp::heartbeat());
    busy.send(basp::heartbeat());
    return server.report().silent == 1;
  }));
  CHECK(server.logs("it took no answer for 60 s"));
}

TEST_CASE("A slow reader gets every answer") {
  large_overlay server;
  raw_client slow{server.options.socket_path};
  slow.enter();
  std::string requests;
  for (std::uint64_t number = 1; number <= 20; ++number)
    requests += status_request(number, slow.facade);
  REQUIRE(slow.send(requests));
  std::set<std::uint64_t> answered;
  for (int i = 0; i < 20; ++i) {
    const auto answer = slow.next_message();
    REQUIRE(answer);
    CHECK(answer->second.size() > large_overlay::peers * 100);
    answered.insert(basp::message_id{answer->first.data}.number());
  }
  CHECK(answered.size() == 20);
}

TEST_CASE("A buffer keeps what may go on apart from what may not") {
  const auto add = [](relay_buffer& buffer, std::string_view text) {
    const auto room = buffer.room();
    REQUIRE(room.size() >= text.size());
    std::copy(text.begin(), text.end(), room.begin());
    buffer.added(text.size());
  };
  relay_buffer buffer;
  add(buffer, "onetwothree");
  CHECK(buffer.passed().empty());
  buffer.pass(3);
  CHECK(buffer.passed() == "one");
  CHECK(buffer.waiting() == "twothree");
  buffer.drop(3);
  CHECK(buffer.waiting() == "three");
  CHECK(buffer.insert("beat"));
  CHECK(buffer.passed() == "onebeat");
  CHECK(buffer.waiting() == "three");
  buffer.sent(5);
  CHECK(buffer.passed() == "at");
  buffer.pass(5);
  buffer.sent(7);
  CHECK(buffer.passed().empty());
  CHECK(buffer.room().size() == relay_buffer::capacity);
}

TEST_CASE("A buffer never grows, and makes room when it can") {
  relay_buffer buffer;
  buffer.added(buffer.room().size());
  CHECK(buffer.room().empty());
  CHECK_FALSE(buffer.insert("beat"));
  buffer.pass(relay_buffer::capacity);
  buffer.sent(100);
  CHECK(buffer.insert("beat"));
  CHECK(buffer.room().size() == 96);
}
