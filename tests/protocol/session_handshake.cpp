#include "tests/catch.hpp"
#include "tests/sim/network.hpp"

#include <set>

namespace {

using namespace weft;
using namespace weft::test;

using numbers = std::vector<std::uint64_t>;

bytes copy_of(const_byte_span span) {
  return {span.begin(), span.end()};
}

/// Initiations of `from` as any implementation could send them.
struct forge {
  host& from;
  host& to;
  initiation_message make(wall_time timestamp, std::uint32_t sender = 99) {
    const auto statics = static_pair::create(*from.self(), to.key());
    initiation_message message{};
    REQUIRE(noise_initiator::start(*from.self(), *statics, sender,
                                   to_tai64n(timestamp), from.random(),
                                   message));
    cookie_stamper stamper(to.key());
    stamper.stamp(message, {});
    return message;
  }
};

} // namespace

TEST_CASE_METHOD(pair_network, "The first packet starts a handshake and "
                               "arrives after one round trip and a half") {
  send_packet(a);
  REQUIRE(trace.size() == 1);
  CHECK(trace[0].type() == message_type::initiation);
  CHECK(trace[0].content.size() == 148);
  run_for(59ms);
  REQUIRE(trace.size() == 3);
  CHECK(trace[1].type() == message_type::response);
  CHECK(trace[1].content.size() == 92);
  CHECK(trace[2].type() == message_type::transport);
  CHECK(trace[2].content.size() == 16 + 112 + 16);
  CHECK(received(b).empty());
  run_for(1ms);
  CHECK(received(b) == numbers{1});
  run_for(1s);
  CHECK(trace.size() == 3);
}

TEST_CASE_METHOD(pair_network, "The initiator confirms the session with a "
                               "keepalive if no packet waits") {
  session(a).initiate_handshake(at(a));
  collect(a);
  run_for(1s);
  REQUIRE(trace.size() == 3);
  CHECK(trace[2].from == a);
  CHECK(trace[2].is_keepalive());
  CHECK((*this)[b].keepalives == 1);
}

TEST_CASE_METHOD(pair_network, "The responder sends no packet before the "
                               "initiator has confirmed the session") {
  lose([](const auto& message) {
    return message.type() == message_type::transport;
  });
  session(a).initiate_handshake(at(a));
  collect(a);
  run_for(1s);
  CHECK(session(a).session_created());
  CHECK_FALSE(session(b).session_created());
  CHECK_FALSE(session(b).last_handshake());
  send_packet(b);
  CHECK(count(message_type::transport, b) == 0);
  lose_nothing();
  send_packet(a);
  run_for(1s);
  CHECK(received(a) == numbers{1});
  CHECK(received(b) == numbers{1});
}

TEST_CASE_METHOD(pair_network, "A responder whose session is not confirmed "
                               "starts a handshake itself after 5 s") {
  // The confirmation is lost and the initiator stays silent.
  lose([](const auto& message) {
    return message.type() == message_type::transport && message.from == a;
  });
  session(a).initiate_handshake(at(a));
  collect(a);
  run_for(1s);
  send_packet(b);
  lose_nothing();
  run_for(3900ms);
  CHECK(initiations(b) == 0);
  run_for(600ms);
  CHECK(initiations(b) == 1);
  CHECK(received(a) == numbers{1});
}

TEST_CASE_METHOD(pair_network, "A replayed initiation is not answered") {
  session(a).initiate_handshake(at(a));
  collect(a);
  const auto initiation = trace[0].content;
  run_for(1s);
  REQUIRE(count(message_type::response, b) == 1);
  for (auto wait : {0s, 10s, 3600s}) {
    inject((*this)[a].address, (*this)[b].address, initiation, wait);
    const auto before = session(b).drops()[drop_reason::replayed_handshake];
    run_for(wait + 10ms);
    CHECK(session(b).drops()[drop_reason::replayed_handshake] == before + 1);
  }
  CHECK(count(message_type::response, b) == 1);
}

TEST_CASE_METHOD(pair_network, "A replayed initiation from elsewhere does not "
                               "move the endpoint") {
  session(a).initiate_handshake(at(a));
  collect(a);
  const auto initiation = trace[0].content;
  run_for(10s);
  inject(address_of(66), (*this)[b].address, initiation);
  run_for(1s);
  CHECK(session(b).path()->remote == (*this)[a].address);
}

TEST_CASE_METHOD(pair_network, "An initiation that was overtaken by a newer "
                               "one is not answered") {
  auto& to = (*this)[b];
  forge from_a{(*this)[a], to};
  const auto older = from_a.make(at(a).wall);
  const auto newer = from_a.make(at(a).wall + 1s);
  inject((*this)[a].address, to.address, copy_of(newer));
  inject((*this)[a].address, to.address, copy_of(older), 1s);
  run_for(2s);
  CHECK(count(message_type::response, b) == 1);
  CHECK(session(b).drops()[drop_reason::replayed_handshake] == 1);
  const auto refused = session(b).take_refusal();
  REQUIRE(refused);
  CHECK(refused->why == handshake_refusal::cause::older_stamp);
  CHECK(refused->from == (*this)[a].address);
  CHECK(refused->in_a_row == 1);
  CHECK(refused->behind == 1s);
}

TEST_CASE_METHOD(pair_network, "A flood of authentic initiations is answered "
                               "no more than 50 times a second") {
  auto& to = (*this)[b];
  forge from_a{(*this)[a], to};
  for (int i = 0; i < 1000; ++i)
    inject((*this)[a].address, to.address,
           copy_of(from_a.make(at(a).wall + i * 1s)), i * 1ms);
  run_for(1s);
  const auto answered = count(message_type::response, b);
  CHECK(answered == 50);
  CHECK(session(b).drops()[drop_reason::rate_limited] == 1000 - answered);
}

TEST_CASE_METHOD(pair_network, "Initiations that are forged neither count as "
                               "a flood nor hold the true one back") {
  auto& to = (*this)[b];
  // A stranger who knows the public key of a claims to be a.
  forge from_a{(*this)[a], to};
  auto forged = from_a.make(at(a).wall + 1h);
  forged[100] ^= std::byte{1};
  cookie_stamper(to.key()).stamp(forged, now());
  // Just before the true one, so that it would be one too many.
  inject(address_of(66), to.address, copy_of(forged), latency - 1ms);
  send_packet(a);
  run_for(1s);
  CHECK(session(b).drops()[drop_reason::invalid_handshake] == 1);
  CHECK(session(b).path()->remote == (*this)[a].address);
  CHECK(received(b) == numbers{1});
}

TEST_CASE_METHOD(pair_network, "A response that comes after seconds is still "
                               "accepted") {
  latency = 2400ms;
  send_packet(a);
  run_for(4900ms);
  CHECK(initiations(a) == 1);
  CHECK(session(a).session_created());
  run_for(5s);
  CHECK(received(b) == numbers{1});
}

TEST_CASE_METHOD(pair_network, "A response to an initiation that was repeated "
                               "meanwhile is refused, the newer one counts") {
  bool first = true;
  rule = [&](const sent_datagram& message) {
    if (message.type() == message_type::response && std::exchange(first, false))
      return fate{5500ms};
    return fate{20ms};
  };
  send_packet(a);
  run_for(10s);
  CHECK(initiations(a) == 2);
  CHECK(session(a).drops()[drop_reason::invalid_handshake] == 1);
  CHECK(received(b) == numbers{1});
}

TEST_CASE_METHOD(pair_network, "A session is as old as its initiation, however "
                               "late the response comes") {
  latency = 2400ms;
  const auto start = now();
  send_packet(a);
  run_for(10s);
  CHECK(session(a).session_created() == start);
  // So its initiator renews it before the responder ends it.
  CHECK(session(b).session_created() == start + 2400ms);
}

TEST_CASE_METHOD(pair_network, "A response that is held back for 90 s is "
                               "refused, even if no timer has run meanwhile") {
  lose([](const auto& message) {
    return message.type() == message_type::response;
  });
  send_packet(a);
  run_for(1s);
  REQUIRE(trace.size() == 2);
  const auto response = trace[1].content;
  const network_path from{(*this)[b].address, std::nullopt};
  const auto held_back = [&](duration time) {
    return instant{trace[0].when + time, at(a).wall};
  };
  give(session(a), response, from, held_back(90s));
  CHECK_FALSE(session(a).session_created());
  CHECK(session(a).drops()[drop_reason::invalid_handshake] == 1);
  give(session(a), response, from, held_back(89s));
  CHECK(session(a).session_created() == trace[0].when);
}

TEST_CASE_METHOD(pair_network, "A forged response is refused, and the genuine "
                               "one is accepted after it") {
  rule = [&](const sent_datagram& message) {
    if (message.type() != message_type::response)
      return fate{20ms};
    auto forged = message.content;
    forged[50] ^= std::byte{1};
    cookie_stamper((*this)[a].key()).stamp(forged, now());
    inject(address_of(66), message.destination, forged, 10ms);
    return fate{20ms};
  };
  send_packet(a);
  run_for(1s);
  CHECK(session(a).drops()[drop_reason::invalid_handshake] == 1);
  CHECK(session(a).path()->remote == (*this)[b].address);
  CHECK(received(b) == numbers{1});
}

TEST_CASE_METHOD(pair_network, "A response that is received twice counts "
                               "once") {
  rule = [&](const sent_datagram& message) {
    return message.type() == message_type::response ? fate{20ms, 30ms}
                                                    : fate{20ms};
  };
  send_packet(a);
  run_for(1s);
  CHECK(session(a).drops()[drop_reason::invalid_handshake] == 1);
  send_packet(b);
  run_for(1s);
  CHECK(received(a) == numbers{1});
  CHECK(received(b) == numbers{1});
}

TEST_CASE_METHOD(pair_network, "Handshakes that are asked for within 5 s of "
                               "each other become one") {
  for (int i = 0; i < 49; ++i) {
    session(a).initiate_handshake(at(a));
    collect(a);
    run_for(100ms);
  }
  CHECK(initiations(a) == 1);
  run_for(100ms);
  session(a).initiate_handshake(at(a));
  collect(a);
  CHECK(initiations(a) == 2);
}

TEST_CASE_METHOD(pair_network, "The last handshake is told as wall-clock time "
                               "on both sides") {
  CHECK_FALSE(session(a).last_handshake());
  const auto before = at(a).wall;
  send_packet(a);
  run_for(1s);
  CHECK(session(a).last_handshake() == before + 40ms);
  CHECK(session(b).last_handshake() == before + 60ms);
  run_for(1h);
  CHECK(session(a).last_handshake() == before + 40ms);
}

TEST_CASE_METHOD(pair_network, "Receiver indices of successive handshakes "
                               "cannot be guessed from each other") {
  tracing = true;
  for (int i = 0; i < 100; ++i) {
    session(a).initiate_handshake(at(a));
    collect(a);
    run_for(6s);
  }
  std::set<std::uint32_t> indices;
  std::set<std::uint32_t> steps;
  std::uint32_t last = 0;
  for (const auto& message : trace) {
    if (message.type() != message_type::initiation)
      continue;
    const auto index = load_le<std::uint32_t>(message.content.data() + 4);
    indices.insert(index);
    steps.insert(index - last);
    last = index;
    CHECK((*this)[a].indices().slot(index) == 0);
  }
  CHECK(indices.size() == 100);
  CHECK(steps.size() == 100);
  // All sizes of numbers occur: small ones would tell the number of peers.
  CHECK(*indices.rbegin() > 0xe0000000);
  CHECK(*indices.begin() < 0x20000000);
}

TEST_CASE_METHOD(pair_network, "Under load a handshake succeeds with the "
                               "cookie, one retry later") {
  (*this)[b].under_load = true;
  send_packet(a);
  run_for(4s);
  REQUIRE(trace.size() == 2);
  CHECK(trace[1].type() == message_type::cookie_reply);
  CHECK(trace[1].content.size() == 64);
  CHECK(session(a).received().bytes == 64);
  CHECK_FALSE(session(a).session_created());
  run_for(3s);
  CHECK(initiations(a) == 2);
  CHECK(received(b) == numbers{1});
}

TEST_CASE_METHOD(pair_network, "A cookie reply moves no endpoint and stops no "
                               "retry") {
  (*this)[b].under_load = true;
  rule = [&](const sent_datagram& message) {
    if (message.type() != message_type::cookie_reply)
      return fate{20ms};
    inject(address_of(66), message.destination, message.content, 20ms);
    return fate{};
  };
  const auto deadline_before = [&] {
    send_packet(a);
    return session(a).next_deadline();
  }();
  run_for(1s);
  CHECK(session(a).path()->remote == (*this)[b].address);
  CHECK(session(a).next_deadline() == deadline_before);
  CHECK(session(a).drops()[drop_reason::invalid_handshake] == 0);
  rule = nullptr;
  run_for(6s);
  CHECK(received(b) == numbers{1}); // it was a valid cookie
}

TEST_CASE_METHOD(pair_network, "A forged cookie reply is refused") {
  (*this)[b].under_load = true;
  rule = [&](const sent_datagram& message) {
    if (message.type() == message_type::cookie_reply) {
      auto forged = message.content;
      forged.back() ^= std::byte{1};
      inject(message.source, message.destination, forged, 20ms);
      return fate{};
    }
    return fate{20ms};
  };
  send_packet(a);
  run_for(1s);
  CHECK(session(a).drops()[drop_reason::invalid_handshake] == 1);
}

TEST_CASE("No handshake is tried with a public key of low order, and packets "
          "for it are dropped at once") {
  network net;
  net.add_host();
  auto& self = net[0];
  for (const auto& key : low_order_public_keys()) {
    peer_session session(self.self(), key, self.indices(), 5, 0, self.random());
    session.set_endpoint(address_of(9));
    session.set_persistent_keepalive(1s, net.at(0));
    session.initiate_handshake(net.at(0));
    CHECK_FALSE(session.has_transmit());
    bytes memory(4096);
    datagram_buffer batch(memory);
    batch.add(100, 112);
    for (int i = 0; i < 1000; ++i) {
      CHECK(session.send(batch, net.at(0))
            == peer_session::send_status::waiting);
    }
    CHECK(peer_session_access::staged(session) == 0);
    CHECK(session.drops()[drop_reason::handshake_failed] == 1000);
    session.handle_deadlines({net.at(0).now + 1h, net.at(0).wall});
    CHECK_FALSE(session.has_transmit());
  }
}

TEST_CASE_METHOD(pair_network,
                 "Forged answers to an initiation are looked at in a bounded "
                 "number, and a right one gets through a little later") {
  lose([](const auto& message) {
    return message.type() == message_type::response;
  });
  session(a).initiate_handshake(at(a));
  collect(a);
  run_for(1s);
  REQUIRE(trace.size() == 2);
  const auto initiation = trace[0].content;
  const auto response = trace[1].content;
  const network_path path{(*this)[b].address, std::nullopt};
  // Cookie replies.
  cookie_checker checker((*this)[b].key(), (*this)[b].random());
  const auto reply
    = checker.make_reply(initiation, (*this)[a].address, at(b).now);
  auto forged_reply = reply;
  forged_reply[wire::cookie_reply_cookie] ^= std::byte{1};
  for (int i = 0; i < 64; ++i)
    give(session(a), forged_reply, path, at(a));
  const auto received = session(a).received().bytes;
  give(session(a), reply, path, at(a));
  CHECK(session(a).received().bytes == received);
  CHECK(session(a).drops()[drop_reason::invalid_handshake] == 65);
  run_for(5ms);
  give(session(a), reply, path, at(a));
  CHECK(session(a).received().bytes == received + wire::cookie_reply_size);
  // Responses.
  auto forged = response;
  forged.at(wire::response_empty) ^= std::byte{1};
  for (int i = 0; i < 64; ++i)
    give(session(a), forged, path, at(a));
  give(session(a), response, path, at(a));
  CHECK_FALSE(session(a).session_created());
  CHECK(session(a).drops()[drop_reason::invalid_handshake] == 65 + 65);
  run_for(5ms);
  give(session(a), response, path, at(a));
  CHECK(session(a).session_created());
}
