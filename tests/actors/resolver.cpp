#include "actors/peers/resolver.hpp"

#include "platform/name_servers.hpp"
#include "tests/actors/support.hpp"

#include <condition_variable>
#include <mutex>
#include <set>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

/// Numeric addresses need no name server, and a zone that does not exist fails
/// without one.
const host_endpoint known{"192.0.2.7", 51820};
const host_endpoint unknown{"fe80::1%no-such-link", 51820};

/// A name server that does not answer for names with `dead` in them until it is
/// revived.
class dead_server {
public:
  dead_server() = default;
  dead_server(const dead_server&) = delete;
  dead_server& operator=(const dead_server&) = delete;
  ~dead_server() {
    revive();
  }
  resolver::look_up look_up() const {
    return [state = state_](const host_endpoint& host) {
      std::unique_lock lock(state->mutex);
      ++state->asked;
      if (host.host.find("dead") != std::string::npos)
        state->changed.wait(lock, [&] { return state->alive; });
      return lookup_finished{host, {*parse_endpoint("192.0.2.7:1")}, {}};
    };
  }
  void revive() {
    const std::lock_guard guard(state_->mutex);
    state_->alive = true;
    state_->changed.notify_all();
  }
  std::size_t asked() const {
    const std::lock_guard guard(state_->mutex);
    return state_->asked;
  }

private:
  struct state {
    std::mutex mutex;
    std::condition_variable changed;
    bool alive = false;
    std::size_t asked = 0;
  };
  std::shared_ptr<state> state_ = std::make_shared<state>();
};

struct looked_up {
  resolve_endpoint request(unsigned peer, const host_endpoint& host) {
    resolve_endpoint asked;
    asked.peer.bytes[0] = static_cast<std::byte>(peer);
    asked.host = host;
    asked.asker = asker.handle();
    return asked;
  }

  world home{run_by::hand};
  test_loop loop = home.start_loop();
  fake<registry_actor> asker{home};
  resolver_actor names = home.spawn<resolver>(loop.loop);
};

} // namespace

TEST_CASE_METHOD(looked_up, "Whoever asks for a host's address is told") {
  for (unsigned peer = 0; peer < 5; ++peer)
    caf::anon_send(names, request(peer, known));
  std::set<std::byte> told;
  for (unsigned peer = 0; peer < 5; ++peer) {
    const auto answer = asker.next<endpoint_resolved>();
    told.insert(answer.peer.bytes[0]);
    CHECK(answer.host == known);
    CHECK(answer.found == std::vector{*parse_endpoint("192.0.2.7:51820")});
  }
  CHECK(told.size() == 5);
}

TEST_CASE_METHOD(looked_up, "Whoever asks for a name that does not exist is "
                            "told why, and it does not hold up others") {
  auto failing = request(1, unknown);
  failing.retry_after = 7s;
  caf::anon_send(names, failing);
  caf::anon_send(names, request(2, known));
  const auto failure = asker.next<endpoint_not_found>();
  CHECK(failure.peer == failing.peer);
  CHECK(failure.host == unknown);
  CHECK(failure.retry_after == 7s);
  CHECK_FALSE(failure.reason.empty());
  CHECK(asker.next<endpoint_resolved>().peer == request(2, known).peer);
}

TEST_CASE_METHOD(looked_up,
                 "Of several requests for one peer the last counts") {
  for (std::uint16_t port = 1; port <= 4; ++port)
    caf::anon_send(names, request(1, {"192.0.2.8", port}));
  CHECK(asker.next<endpoint_resolved>().host == host_endpoint{"192.0.2.8", 4});
  caf::anon_send(names, request(2, known));
  CHECK(asker.next<endpoint_resolved>().peer == request(2, known).peer);
  CHECK(asker.count<endpoint_resolved>() == 0);
}

TEST_CASE_METHOD(looked_up, "A name that several peers have is looked up once "
                            "for all of them") {
  dead_server server;
  const auto slow = home.spawn<resolver>(loop.loop, server.look_up());
  for (unsigned peer = 1; peer <= 3; ++peer)
    caf::anon_send(slow, request(peer, {"dead.test", 1}));
  CHECK(eventually([&] { return server.asked() == 1; }));
  server.revive();
  for (unsigned peer = 1; peer <= 3; ++peer)
    CHECK(asker.next<endpoint_resolved>().host.host == "dead.test");
  CHECK(server.asked() == 1);
}

TEST_CASE_METHOD(looked_up, "Names that nobody answers for hold up none of the "
                            "others, however many they are") {
  dead_server server;
  lookup_schedule::limits most;
  most.too_long = 1h;
  const auto slow = home.spawn<resolver>(loop.loop, server.look_up(), most);
  for (unsigned peer = 1; peer <= 40; ++peer)
    caf::anon_send(slow,
                   request(peer, {"dead" + std::to_string(peer) + ".test", 1}));
  caf::anon_send(slow, request(41, {"alive.test", 1}));
  home.advance(41 * most.takes_long);
  CHECK(asker.next<endpoint_resolved>().host.host == "alive.test");
  server.revive();
}

TEST_CASE_METHOD(looked_up,
                 "Whoever asks for a name that nobody answers for is "
                 "told so in time, and hears of a late answer, too") {
  dead_server server;
  const lookup_schedule::limits most;
  const auto slow = home.spawn<resolver>(loop.loop, server.look_up());
  caf::anon_send(slow, request(1, {"dead.test", 1}));
  home.advance(most.too_long - 1ns);
  CHECK(asker.count<endpoint_not_found>() == 0);
  home.advance(1ns);
  const auto failure = asker.next<endpoint_not_found>();
  CHECK(failure.host.host == "dead.test");
  CHECK(failure.reason == "no name server answers");
  caf::anon_send(slow, request(1, {"dead.test", 1})); // it tries again
  home.advance(most.too_long);
  asker.next<endpoint_not_found>();
  CHECK(eventually([&] { return server.asked() == 1; }));
  server.revive();
  CHECK(asker.next<endpoint_resolved>().host.host == "dead.test");
  CHECK(server.asked() == 1);
}

TEST_CASE_METHOD(looked_up, "A resolver that ends waits for no look-up") {
  dead_server server;
  const auto slow = home.spawn<resolver>(loop.loop, server.look_up());
  for (unsigned peer = 1; peer <= 5; ++peer)
    caf::anon_send(slow,
                   request(peer, {"dead" + std::to_string(peer) + ".test", 1}));
  CHECK(eventually([&] { return server.asked() == 5; }));
  CHECK(home.end(slow) == caf::exit_reason::user_shutdown);
  server.revive();
  CHECK(asker.count<endpoint_resolved>() == 0);
}

TEST_CASE("A resolver may end while it looks something up") {
  for (int round = 0; round < 20; ++round) {
    looked_up one;
    caf::anon_send(one.names, one.request(1, unknown));
    caf::anon_send(one.names, one.request(2, known));
    CHECK(one.home.end(one.names) == caf::exit_reason::user_shutdown);
  }
}

TEST_CASE_METHOD(looked_up, "Where nobody can be asked beside the tunnel, a "
                            "name is where it was found last") {
  const host_endpoint named{"far.example.net", 51820};
  const auto where = *parse_endpoint("192.0.2.9:51820");
  caf::anon_send(names, lookup_way{true, 0, find_name_servers()});
  caf::anon_send(names, request(1, named));
  CHECK(asker.next<endpoint_not_found>().host == named);
  caf::anon_send(names, lookup_finished{named, {where}, {}});
  caf::anon_send(names, request(1, named));
  CHECK(asker.next<endpoint_resolved>().found == std::vector{where});
}

TEST_CASE_METHOD(looked_up, "A name that has no address any more, as a server "
                            "says, is where it was for a while") {
  const host_endpoint named{"far.example.net", 51820};
  const auto where = *parse_endpoint("192.0.2.9:51820");
  const lookup_finished gone{named, {}, "no such name", {}, true};
  caf::anon_send(names, lookup_way{true, 0, find_name_servers()});
  caf::anon_send(names, lookup_finished{named, {where}, {}});
  caf::anon_send(names, request(1, named));
  CHECK(asker.next<endpoint_resolved>().gone.empty());
  caf::anon_send(names, gone);
  home.advance(lookup_schedule::known_while_gone - 1s);
  caf::anon_send(names, request(1, named));
  const auto last = asker.next<endpoint_resolved>();
  CHECK(last.found == std::vector{where});
  CHECK(last.gone == "no such name");
  SECTION("and then nowhere") {
    home.advance(1s);
    caf::anon_send(names, request(1, named));
    CHECK(asker.next<endpoint_not_found>().host == named);
  }
  SECTION("unless it has one again") {
    caf::anon_send(names, lookup_finished{named, {where}, {}});
    home.advance(1s);
    caf::anon_send(names, request(1, named));
    CHECK(asker.next<endpoint_resolved>().gone.empty());
  }
}

TEST_CASE("Names are looked up in a time that is bounded, whoever answers") {
  const std::vector<host_endpoint> hosts{
    {"first.test", 1}, {"dead.test", 1}, {"last.test", 1}};
  dead_server server;
  const auto some = resolver::look_up_in_time(hosts, server.look_up(), 300ms);
  REQUIRE(some.size() == 2);
  CHECK_FALSE(some[0].found.empty());
  CHECK(some[1].host == hosts[1]);
  CHECK(some[1].found.empty());
  CHECK(some[1].error == "no name server answers");
  server.revive();
  CHECK(resolver::look_up_in_time(hosts, server.look_up(), 1min).size() == 3);
}

TEST_CASE("Beside the tunnel none of its own servers is asked") {
  const lookup_way way{true, 0, find_name_servers()};
  const host_endpoint named{"far.example.net", 51820};
  const auto lost = resolver::look_up_beside_tunnel(named, way, {});
  CHECK(lost.host == named);
  CHECK(lost.found.empty());
  CHECK(lost.error == "this host has no name server but those in the tunnel");
  // For an address nobody is asked.
  CHECK(resolver::look_up_beside_tunnel(known, way, {}).found
        == std::vector{*parse_endpoint("192.0.2.7:51820")});
}
