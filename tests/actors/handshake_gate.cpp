#include "actors/peers/handshake_gate.hpp"

#include "messages/errors.hpp"
#include "messages/udp_port.hpp"
#include "platform/clock.hpp"
#include "tests/actors/line_sink.hpp"
#include "tests/actors/support.hpp"
#include "tests/protocol/support.hpp"

#include <cerrno>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr auto slots = 3u;

endpoint from_host(unsigned number, std::uint16_t port = 51820) {
  return *parse_endpoint("192.0.2." + std::to_string(number) + ":"
                         + std::to_string(port));
}

handshake_message
message_of(const_byte_span datagram, const endpoint& from = from_host(1)) {
  handshake_message message;
  std::copy(datagram.begin(), datagram.end(), message.bytes.begin());
  message.size = static_cast<std::uint8_t>(datagram.size());
  message.path.remote = from;
  return message;
}

std::vector<std::byte> bytes_of_nothing(std::size_t size) {
  return std::vector<std::byte>(size);
}

/// Somebody who shakes hands with `with`.
struct initiator {
  initiator(std::uint64_t seed, const public_key& with)
    : random(seed), self(generate_private_key(random)), to(with),
      stamper(with) {
  }

  const public_key& key() const {
    return self.public_static();
  }
  initiation_message initiation() {
    initiation_message message{};
    const auto statics = static_pair::create(self, to);
    REQUIRE(noise_initiator::start(self, *statics, 7, to_tai64n(wall_now()),
                                   random, message));
    stamper.stamp(message, boot_now());
    return message;
  }
  /// A response that nothing is right of but its MACs.
  response_message response(std::uint32_t receiver) {
    response_message message{};
    message[0] = std::byte{2};
    store_le(message.data() + wire::response_receiver, receiver);
    stamper.stamp(message, boot_now());
    return message;
  }

  deterministic_random random;
  identity self;
  public_key to;
  cookie_stamper stamper;
};

/// A gate with peers in slots 0, 1 and 2, whose keys belong to three
/// initiators.
struct gated {
  gated() : gate(start()) {
    socket.next<gate_started>();
    strangers.next<gate_started>();
    peer_table table;
    peer_entries_changed entries;
    for (std::uint32_t slot = 0; slot < slots; ++slot) {
      callers.push_back(
        std::make_unique<initiator>(100 + slot, self->public_static()));
      peers.push_back(std::make_unique<fake<peer_actor>>(home));
      table.set(slot, peers[slot]->handle());
      entries.entries.push_back(
        {callers[slot]->key(), peers[slot]->handle(), from_host(slot + 1)});
    }
    caf::anon_send(gate, entries);
    snapshot = std::make_shared<routes>(allowed_ips{}, table, indices);
    caf::anon_send(gate, routes_changed{snapshot});
  }

  handshake_gate_actor start() {
    return home.spawn<handshake_gate>(
      loop.loop,
      std::vector<handshake_source_actor>{socket.handle(), strangers.handle()},
      indices, change_identity{self, true},
      std::make_shared<spdlog::logger>("test", lines));
  }

  /// Hands messages to the gate and waits until it has dealt with them; each
  /// is to be given back as processed.
  void pass(std::vector<handshake_message> messages) {
    const auto count = messages.size();
    caf::anon_send(
      gate, incoming_handshakes{
              std::move(messages), {}, source.handle(), strangers.handle()});
    const auto done = source.next<handshakes_processed>();
    CHECK(done.messages == count);
    CHECK(done.unknown == 0);
    settle();
  }
  /// The same behind so many messages with a good MAC1 that there is load.
  /// They are answers to nobody; while there is load they get cookies.
  void pass_under_load(const std::vector<handshake_message>& messages) {
    std::vector<handshake_message> all(
      handshake_gate::load_threshold + 1,
      message_of(crowd.response(indices->encode(slots, 0)), filler));
    all.insert(all.end(), messages.begin(), messages.end());
    pass(std::move(all));
  }
  /// Cookie replies since last time, but for those to fillers.
  std::vector<cookie_reply> cookies() {
    settle();
    std::vector<cookie_reply> all;
    for (auto& sent : strangers.take<send_cookie_replies>()) {
      CHECK_FALSE(sent.replies.empty());
      for (const auto& reply : sent.replies) {
        if (reply.path.remote != filler)
          all.push_back(reply);
      }
    }
    return all;
  }
  void uses_unknown_session(const std::vector<endpoint>& remotes) {
    caf::anon_send(gate, incoming_handshakes{
                           {}, remotes, source.handle(), strangers.handle()});
    CHECK(source.next<handshakes_processed>().unknown == remotes.size());
  }
  void settle() {
    home.settle();
  }
  std::uint64_t drops(drop_reason reason) {
    return home.ask<drop_report>(gate, report_request{}).drops[reason];
  }
  /// Numbers of the peers that got a message of this type since last time.
  template <class T>
  std::vector<std::uint32_t> reached() {
    settle();
    std::vector<std::uint32_t> who;
    for (std::uint32_t slot = 0; slot < slots; ++slot)
      who.insert(who.end(), peers[slot]->template take<T>().size(), slot);
    return who;
  }

  using numbers = std::vector<std::uint32_t>;
  const endpoint filler = from_host(250);

  std::shared_ptr<line_sink> lines = std::make_shared<line_sink>();
  world home{run_by::hand};
  test_loop loop = home.start_loop();
  deterministic_random random{11};
  std::shared_ptr<const identity> self
    = std::make_shared<identity>(generate_private_key(random));
  std::shared_ptr<const receiver_index_codec> indices
    = std::make_shared<receiver_index_codec>(random);
  initiator crowd{9, self->public_static()};
  fake<udp_port_actor> socket{home};
  fake<stranger_port_actor> strangers{home};
  fake<handshake_source_actor> source{home};
  handshake_gate_actor gate;
  std::vector<std::unique_ptr<fake<peer_actor>>> peers;
  std::vector<std::unique_ptr<initiator>> callers;
  routes_ptr snapshot;
};

} // namespace

TEST_CASE_METHOD(gated, "A gate tells the socket where it is") {
  const auto another = start();
  CHECK(socket.next<gate_started>().gate == another);
}

TEST_CASE_METHOD(gated, "A valid initiation reaches its peer and no other") {
  pass({message_of(callers[1]->initiation(), from_host(77))});
  const auto got = peers[1]->next<initiation_received>();
  CHECK(got.claim->initiator() == callers[1]->key());
  CHECK(got.claim->sender() == 7);
  CHECK(got.path == network_path{from_host(77), std::nullopt});
  CHECK(reached<initiation_received>().empty());
  pass({message_of(callers[2]->initiation()),
        message_of(callers[0]->initiation()),
        message_of(callers[2]->initiation())});
  CHECK(reached<initiation_received>() == numbers{0, 2, 2});
}

TEST_CASE_METHOD(gated, "A message whose MAC is wrong goes nowhere") {
  auto initiation = callers[0]->initiation();
  initiation[wire::initiation_size - 32] ^= std::byte{1};
  auto other = callers[0]->initiation();
  other[wire::initiation_timestamp] ^= std::byte{1};
  auto response = callers[0]->response(indices->encode(0, 0));
  response[wire::response_size - 17] ^= std::byte{0x80};
  pass_under_load(
    {message_of(initiation), message_of(other), message_of(response)});
  CHECK(drops(drop_reason::invalid_mac) == 3);
  CHECK(reached<initiation_received>().empty());
  CHECK(reached<answer_received>().empty());
  // Nor is it answered, even under load.
  CHECK(cookies().empty());
}

TEST_CASE_METHOD(gated, "An initiation that cannot be read is dropped") {
  auto message = callers[0]->initiation();
  message[wire::initiation_static] ^= std::byte{1};
  callers[0]->stamper.stamp(message, boot_now());
  pass({message_of(message)});
  CHECK(drops(drop_reason::invalid_handshake) == 1);
  CHECK(reached<initiation_received>().empty());
}

TEST_CASE_METHOD(gated, "An initiation of an unknown key is counted") {
  initiator stranger(5, self->public_static());
  pass({message_of(stranger.initiation())});
  CHECK(drops(drop_reason::unknown_peer) == 1);
  CHECK(reached<initiation_received>().empty());
}

TEST_CASE_METHOD(gated, "A stranger is told of with key and address, once a "
                        "minute") {
  initiator stranger(5, self->public_static());
  const auto key = to_string(stranger.key());
  for (int i = 0; i < 3; ++i)
    pass({message_of(stranger.initiation(), from_host(77))});
  CHECK(lines->count("a stranger with the key "
                     + key // `weft peer add` takes it
                     + " (claimed) asks for a handshake from 192.0.2.77:51820")
        == 1);
}

TEST_CASE_METHOD(gated, "An initiation that comes before its peer is known "
                        "reaches it once it is") {
  initiator early(5, self->public_static());
  const auto becomes_known = [&](const peer_actor& as) {
    caf::anon_send(gate, peer_entries_changed{{{early.key(), as, {}}}});
    caf::anon_send(gate, routes_changed{snapshot});
    settle();
  };
  fake<peer_actor> peer(home);
  const auto first = early.initiation();
  pass({message_of(first, from_host(77)), message_of(early.initiation())});
  pass({message_of(early.initiation(), from_host(78))});
  caf::anon_send(gate, routes_changed{snapshot}); // of other peers
  becomes_known(peer.handle());
  const auto got = peer.take<initiation_received>();
  REQUIRE(got.size() == 1); // the newest
  CHECK(got[0].claim->initiator() == early.key());
  CHECK(got[0].path.remote == from_host(78));
  // Once.
  becomes_known(peer.handle());
  CHECK(peer.take<initiation_received>().empty());

  // Not when it has been repeated anyway, nor if it was for another key.
  becomes_known({});
  pass({message_of(early.initiation())});
  home.advance(handshake_gate::early_patience);
  becomes_known(peer.handle());
  CHECK(peer.take<initiation_received>().empty());
  becomes_known({});
  pass({message_of(early.initiation())});
  caf::anon_send(gate, change_identity{self, false});
  becomes_known(peer.handle());
  CHECK(peer.take<initiation_received>().empty());
}

TEST_CASE_METHOD(gated, "Of many who come before they are peers the last are "
                        "remembered") {
  std::vector<std::unique_ptr<initiator>> all;
  std::vector<std::unique_ptr<fake<peer_actor>>> theirs;
  peer_entries_changed changed;
  for (std::size_t i = 0; i < handshake_gate::most_early + 2; ++i) {
    all.push_back(std::make_unique<initiator>(1000 + i, self->public_static()));
    theirs.push_back(std::make_unique<fake<peer_actor>>(home));
    pass({message_of(all.back()->initiation())});
    changed.entries.push_back({all.back()->key(), theirs.back()->handle(), {}});
  }
  caf::anon_send(gate, changed);
  caf::anon_send(gate, routes_changed{snapshot});
  settle();
  for (std::size_t i = 0; i < theirs.size(); ++i)
    CHECK(theirs[i]->take<initiation_received>().size() == (i < 2 ? 0 : 1));
}

TEST_CASE_METHOD(gated, "Who uses a wrong key for this node is told of in one "
                        "line, but at a peer's address that peer hears it") {
  initiator mistaken(6, callers[1]->key());
  for (int i = 0; i < 3; ++i)
    pass({message_of(mistaken.initiation(), from_host(77))});
  CHECK(lines->count("1 handshake message(s) for another public key than ours, "
                     "the last from 192.0.2.77:51820 (claimed)")
        == 1);
  CHECK(reached<wrong_key_claimed>().empty());
  peer_entries_changed changed;
  changed.entries.push_back(
    {callers[2]->key(), peers[2]->handle(), from_host(77, 9)});
  caf::anon_send(gate, changed);
  for (int i = 0; i < 3; ++i)
    pass({message_of(mistaken.initiation(), from_host(77))});
  CHECK(reached<wrong_key_claimed>() == numbers{2});
  CHECK(lines->count("another public key") == 1);
}

TEST_CASE_METHOD(gated, "A peer that was removed or replaced is not reached") {
  fake<peer_actor> successor(home);
  peer_entries_changed changed;
  changed.entries.push_back({callers[0]->key(), {}, {}});
  changed.entries.push_back({callers[1]->key(), successor.handle(), {}});
  caf::anon_send(gate, changed);
  pass({message_of(callers[0]->initiation()),
        message_of(callers[1]->initiation())});
  CHECK(reached<initiation_received>().empty());
  CHECK(drops(drop_reason::unknown_peer) == 1);
  CHECK(successor.next<initiation_received>().claim->initiator()
        == callers[1]->key());
}

TEST_CASE_METHOD(gated, "Answers are routed by the index that they answer") {
  pass({message_of(callers[0]->response(indices->encode(2, 5)), from_host(9))});
  const auto answer = peers[2]->next<answer_received>();
  CHECK(answer.message.size == wire::response_size);
  CHECK(answer.message.path.remote == from_host(9));
  // A cookie reply has no MAC of ours.
  cookie_reply_message reply{};
  reply[0] = std::byte{3};
  store_le(reply.data() + wire::cookie_reply_receiver, indices->encode(1, 0));
  pass({message_of(reply)});
  CHECK(reached<answer_received>() == numbers{1});
  pass({message_of(callers[0]->response(indices->encode(slots, 0)))});
  CHECK(reached<answer_received>().empty());
  CHECK(drops(drop_reason::unknown_index) == 1);
}

TEST_CASE_METHOD(gated,
                 "Without load nobody needs a cookie: not behind as many "
                 "messages as may wait, nor behind any number without "
                 "MACs") {
  std::vector<handshake_message> messages(
    4 * handshake_gate::load_threshold,
    message_of(bytes_of_nothing(wire::initiation_size), filler));
  messages.resize(5 * handshake_gate::load_threshold - 1,
                  message_of(crowd.response(indices->encode(slots, 0))));
  messages.push_back(message_of(callers[0]->initiation()));
  pass(messages);
  CHECK(strangers.count<send_cookie_replies>() == 0);
  CHECK(reached<initiation_received>() == numbers{0});
  CHECK(drops(drop_reason::invalid_mac) == 4 * handshake_gate::load_threshold);
}

TEST_CASE_METHOD(gated, "Junk that looks like cookie replies is no load") {
  cookie_reply_message junk{};
  junk[0] = std::byte{3};
  store_le(junk.data() + wire::cookie_reply_receiver,
           indices->encode(slots, 0));
  std::vector<handshake_message> messages(2 * handshake_gate::load_threshold,
                                          message_of(junk));
  messages.push_back(message_of(callers[2]->initiation()));
  pass(messages);
  CHECK(strangers.count<send_cookie_replies>() == 0);
  CHECK(reached<initiation_received>() == numbers{2});
}

TEST_CASE_METHOD(gated, "Under load a message without a cookie is answered "
                        "with one, and passes with it") {
  const auto where = from_host(40, 4000);
  auto first = message_of(callers[1]->initiation(), where);
  first.path.local = source_address{from_host(200).address, 2};
  pass_under_load({first});
  CHECK(reached<initiation_received>().empty());
  auto replies = cookies();
  REQUIRE(replies.size() == 1);
  CHECK(replies[0].path == first.path);
  REQUIRE(callers[1]->stamper.consume_reply(replies[0].message, boot_now()));
  const auto second = callers[1]->initiation();
  pass_under_load({message_of(second, where)});
  CHECK(reached<initiation_received>() == numbers{1});
  CHECK(cookies().empty());
  // The cookie holds for that address and port only.
  pass_under_load({message_of(second, from_host(40, 4001)),
                   message_of(second, from_host(41, 4000))});
  CHECK(reached<initiation_received>().empty());
  CHECK(cookies().size() == 2);
  // The packets' port has no part in it.
  CHECK(socket.count<send_cookie_replies>() == 0);
}

TEST_CASE_METHOD(gated, "Cookie replies to messages that came together leave "
                        "together") {
  pass_under_load({});
  strangers.take<send_cookie_replies>();
  pass_under_load({message_of(callers[0]->initiation(), from_host(7)),
                   message_of(callers[1]->initiation(), from_host(8))});
  CHECK(strangers.count<send_cookie_replies>() == 1);
  CHECK(cookies().size() == 2);
}

TEST_CASE_METHOD(gated,
                 "A second after the last load nobody needs a cookie any "
                 "more") {
  pass_under_load({message_of(callers[0]->initiation())});
  REQUIRE(cookies().size() == 1);
  home.advance(1s - 1ns);
  pass({message_of(callers[0]->initiation())});
  CHECK(cookies().size() == 1);
  CHECK(reached<initiation_received>().empty());
  home.advance(1ns);
  pass({message_of(callers[0]->initiation())});
  CHECK(reached<initiation_received>() == numbers{0});
}

TEST_CASE_METHOD(gated, "Under load one source may send five at once, and "
                        "others are not punished") {
  for (auto& caller : callers) {
    pass_under_load({message_of(caller->initiation())});
    REQUIRE(caller->stamper.consume_reply(cookies().at(0).message, boot_now()));
  }
  std::vector<handshake_message> flood;
  for (int i = 0; i < 8; ++i)
    flood.push_back(message_of(callers[0]->initiation()));
  pass_under_load(flood);
  CHECK(reached<initiation_received>() == numbers(5, 0));
  CHECK(drops(drop_reason::rate_limited) == 3);
}

TEST_CASE_METHOD(gated, "Everything that was handed to the gate is given back "
                        "as processed") {
  pass({});
  pass({message_of(bytes_of_nothing(wire::initiation_size)),
        message_of(bytes_of_nothing(wire::response_size)),
        message_of(bytes_of_nothing(wire::cookie_reply_size))});
  caf::anon_send(gate, change_identity{nullptr, true});
  pass(std::vector<handshake_message>(handshake_gate::load_threshold + 9,
                                      message_of(callers[0]->initiation())));
  CHECK(reached<initiation_received>().empty());
  CHECK(cookies().empty());
}

TEST_CASE_METHOD(gated, "A new key takes the place of the old one at once") {
  const auto old_message = callers[0]->initiation();
  const auto next = std::make_shared<identity>(generate_private_key(random));
  caf::anon_send(gate, change_identity{next, true});
  pass({message_of(old_message)});
  CHECK(drops(drop_reason::invalid_mac) == 1);
  initiator caller(100, next->public_static()); // of slot 0
  pass({message_of(caller.initiation())});
  CHECK(reached<initiation_received>() == numbers{0});
}

TEST_CASE_METHOD(gated, "While the link is down no handshake gets through") {
  caf::anon_send(gate, change_identity{self, false});
  pass({message_of(callers[0]->initiation()),
        message_of(callers[0]->response(indices->encode(0, 0)))});
  CHECK(reached<initiation_received>().empty());
  CHECK(reached<answer_received>().empty());
  caf::anon_send(gate, change_identity{self, true});
  pass({message_of(callers[0]->initiation())});
  CHECK(reached<initiation_received>() == numbers{0});
}

TEST_CASE_METHOD(gated, "Whoever uses an unknown session wakes the peer that "
                        "is configured to be there") {
  uses_unknown_session({from_host(2, 4), from_host(99)});
  CHECK(reached<session_wanted>().empty());
  // However many strangers there are before it.
  std::vector<endpoint> remotes;
  for (std::uint16_t port = 1; port < 1000; ++port)
    remotes.push_back(from_host(98, port));
  remotes.push_back(from_host(2));
  uses_unknown_session(remotes);
  CHECK(reached<session_wanted>() == numbers{1});
}

TEST_CASE_METHOD(gated, "Whoever forges a peer's address does not wake it for "
                        "each datagram") {
  uses_unknown_session(std::vector<endpoint>(1000, from_host(2)));
  uses_unknown_session({from_host(3)});
  CHECK(reached<session_wanted>() == numbers{1, 2});
}

TEST_CASE_METHOD(gated, "A peer's endpoint counts until it is changed or the "
                        "peer is removed") {
  peer_entries_changed changed;
  changed.entries.push_back({callers[0]->key(), {}, {}});
  changed.entries.push_back(
    {callers[1]->key(), peers[1]->handle(), from_host(50)});
  caf::anon_send(gate, changed);
  uses_unknown_session({from_host(1), from_host(2)});
  CHECK(reached<session_wanted>().empty());
  uses_unknown_session({from_host(50)});
  CHECK(reached<session_wanted>() == numbers{1});
}

TEST_CASE_METHOD(gated, "All peers that are configured to be at one place are "
                        "woken, and the end of one does not silence others") {
  peer_entries_changed changed;
  changed.entries.push_back(
    {callers[1]->key(), peers[1]->handle(), from_host(1)});
  changed.entries.push_back(
    {callers[2]->key(), peers[2]->handle(), from_host(1)});
  caf::anon_send(gate, changed);
  uses_unknown_session({from_host(1)});
  CHECK(reached<session_wanted>() == numbers{0, 1, 2});
  changed.entries = {{callers[1]->key(), {}, {}},
                     {callers[2]->key(), {}, {}},
                     {callers[2]->key(), peers[2]->handle(), from_host(1)},
                     {callers[0]->key(), peers[0]->handle(), from_host(9)}};
  caf::anon_send(gate, changed);
  uses_unknown_session({from_host(1)});
  CHECK(reached<session_wanted>() == numbers{2});
}

TEST_CASE("An error of an actor carries an errno and a sentence") {
  const auto error = make_error(EADDRINUSE, "the port is taken");
  CHECK(error_code(error) == EADDRINUSE);
  CHECK(error_message(error) == "the port is taken");
  // Any other has at least a text.
  const caf::error other{caf::sec::request_receiver_down};
  CHECK(error_code(other) == EIO);
  CHECK_THAT(error_message(other), Catch::Contains("request_receiver_down"));
  CHECK(error_code(caf::make_error(caf::sec::runtime_error, "text")) == EIO);
}

TEST_CASE(
  "A snapshot of the routes does not change when the registry goes on") {
  world home;
  fake<peer_actor> first(home);
  fake<peer_actor> second(home);
  deterministic_random random;
  const auto indices = std::make_shared<receiver_index_codec>(random);
  allowed_ips prefixes;
  prefixes.insert(*parse_ip_prefix("10.0.0.0/8"), 300);
  peer_table table;
  table.set(300, first);
  table.set(301, first);
  const routes snapshot{prefixes, table, indices};
  prefixes.insert(*parse_ip_prefix("10.0.0.0/8"), 0);
  table.set(300, {});
  table.set(301, second);
  table.set(5000, second);
  CHECK(snapshot.slot_of(*parse_ip_address("10.1.2.3")) == 300u);
  CHECK_FALSE(snapshot.slot_of(*parse_ip_address("11.1.2.3")));
  REQUIRE(snapshot.peer(300) != nullptr);
  CHECK(*snapshot.peer(300) == first.handle());
  CHECK(*snapshot.peer(301) == first.handle());
  CHECK(snapshot.slot_of_index(indices->encode(300, 9)) == 300);
  const routes later{prefixes, table, indices};
  CHECK(later.peer(300) == nullptr);
  CHECK(*later.peer(301) == second.handle());
  CHECK(*later.peer(5000) == second.handle());
  for (const auto nobody : {0u, 255u, 256u, 299u, 5001u, 1u << 19, ~0u})
    CHECK(later.peer(nobody) == nullptr);
}

TEST_CASE_METHOD(gated, "Answers that anybody can send reach a peer in a "
                        "bounded number, and those of one kind or to one peer "
                        "take nothing from others") {
  cookie_reply_message junk{};
  junk[0] = std::byte{3};
  store_le(junk.data() + wire::cookie_reply_receiver, indices->encode(1, 0));
  const auto flood = [&](const handshake_message& message) {
    constexpr std::size_t sent = 400;
    const auto before = drops(drop_reason::rate_limited);
    pass(std::vector<handshake_message>(sent, message));
    CHECK(reached<answer_received>() == numbers(64, 1));
    CHECK(drops(drop_reason::rate_limited) - before == sent - 64);
    home.advance(5ms);
    pass({message, message});
    CHECK(reached<answer_received>() == numbers{1});
  };
  flood(message_of(junk));
  flood(message_of(callers[1]->response(indices->encode(1, 0))));
  pass({message_of(callers[2]->response(indices->encode(2, 0)))});
  CHECK(reached<answer_received>() == numbers{2});
}
