// What the registry adds to the state of a peer, and does to find out more.
#include "messages/errors.hpp"
#include "protocol/tunnel/trouble_words.hpp"
#include "tests/actors/registered.hpp"

#include <cerrno>

using namespace weft;
using namespace weft::test;

namespace {

const auto key = key_number(1);
const host_endpoint host{"beta.example.net", 51820};

/// Its one peer has an endpoint that is a name.
struct named : registered {
  named() {
    auto update = with(key, {"10.0.0.1/32"});
    update.set(&peer_config::endpoint, host);
    apply({update});
    names.next<resolve_endpoint>();
  }
  std::string reason() {
    return status_of(key).state.reason;
  }
};

} // namespace

TEST_CASE_METHOD(named, "A peer whose name is not found says so, with the "
                        "reason and when it is looked up again") {
  CHECK(reason().find("not resolved") == std::string::npos);
  caf::anon_send(list, endpoint_not_found{key, host, 8s, "no such host"});
  CHECK(status_of(key).state.word == peer_word::waiting);
  CHECK(reason() == "not resolved: no such host, next try in 8 s");
  CHECK(status_of(key).state.cause == cause::not_resolved);
  home.advance(5s);
  CHECK(reason() == "not resolved: no such host, next try in 3 s");
  home.advance(3s);
  CHECK(reason() == "not resolved: no such host");
  caf::anon_send(
    list, endpoint_resolved{key, host, {endpoint_of("203.0.113.1:51820")}});
  CHECK(reason().empty());
}

TEST_CASE_METHOD(named, "A name that is no longer wanted explains nothing") {
  caf::anon_send(list, endpoint_not_found{key, host, 8s, "no such host"});
  auto update = with(key);
  update.set(&peer_config::endpoint, endpoint_of("192.0.2.4:4"));
  apply({update});
  CHECK(reason().empty());
}

TEST_CASE_METHOD(named, "A name that is gone is told of once, and so is the "
                        "next one") {
  const auto told = [&](const host_endpoint& of) {
    caf::anon_send(
      list,
      endpoint_resolved{key, of, {endpoint_of("203.0.113.1:51820")}, "gone"});
    report();
    return lines->count("does not exist any more");
  };
  CHECK(told(host) == 1);
  CHECK(told(host) == 1);
  const host_endpoint other{"gamma.example.net", 51820};
  auto update = with(key);
  update.set(&peer_config::endpoint, other);
  apply({update});
  CHECK(told(other) == 2);
  caf::anon_send(
    list, endpoint_resolved{key, other, {endpoint_of("203.0.113.1:51820")}});
  CHECK(told(other) == 3); // it was back meanwhile
}

TEST_CASE_METHOD(named, "A handshake is begun with a peer that is known") {
  CHECK_FALSE(home.command(list, begin_handshake{key}));
  const auto error = home.command(list, begin_handshake{key_number(2)});
  CHECK(error_code(error) == ENOENT);
  caf::anon_send(
    list, endpoint_resolved{key, host, {endpoint_of("203.0.113.1:51820")}});
  CHECK_FALSE(home.command(list, begin_handshake{key}));
  status_of(key);
  us.socket.settle();
  const auto sent = us.socket.take<outgoing_datagrams>();
  REQUIRE(sent.size() == 1);
  CHECK(types_in(sent[0]) == std::vector{message_type::initiation});
}

TEST_CASE_METHOD(named, "An endpoint that lies behind its own tunnel is told "
                        "of before a datagram goes there, and once") {
  const auto where = endpoint_of("192.0.2.4:4");
  behind_own_tunnel = {where.address};
  us.events.take<overlay_event>();
  const auto troubles = [this] {
    std::size_t count = 0;
    reason(); // whatever there is has been told
    us.events.settle();
    for (const auto& event : us.events.take<overlay_event>())
      if (event.kind == event_kind::peer_troubled)
        ++count;
    return count;
  };
  auto update = with(key);
  update.set(&peer_config::endpoint, where);
  apply({update});
  CHECK(reason().find("is routed into the tunnel itself") != reason().npos);
  CHECK(troubles() == 1);
  caf::anon_send(list, host_routes_changed{});
  CHECK(troubles() == 0);
  behind_own_tunnel.clear();
  caf::anon_send(list, host_routes_changed{});
  CHECK(reason().find("is routed into the tunnel itself") == reason().npos);
}

TEST_CASE_METHOD(named, "Of very many peers each is looked at again when the "
                        "routes change") {
  constexpr unsigned many = 300;
  const auto where_of = [](unsigned number) {
    return endpoint_of("192.0.2." + std::to_string(number / 200) + ":"
                       + std::to_string(1000 + number));
  };
  std::vector<patch<peer_config>> all;
  for (unsigned number = 0; number < many; ++number) {
    all.push_back(with(key_number(100 + number)));
    all.back().set(&peer_config::endpoint, where_of(number));
  }
  apply(update_of(all));
  home.advance(10s);
  for (unsigned number = 0; number < many; ++number)
    behind_own_tunnel.insert(where_of(number).address);
  us.events.take<overlay_event>();
  caf::anon_send(list, host_routes_changed{});
  caf::anon_send(list, host_routes_changed{}); // the later ones in between
  report();
  home.advance(10s);
  report();
  us.events.settle();
  std::set<public_key> troubled;
  for (const auto& event : us.events.take<overlay_event>())
    if (event.kind == event_kind::peer_troubled)
      troubled.insert(event.peer);
  CHECK(troubled.size() == many);
}
