// Peers whose packets others seal and open: here by hand, one job after the
// other, in the order that a test wants.
#include "config/saved_node.hpp"
#include "messages/errors.hpp"
#include "tests/actors/node.hpp"

#include <algorithm>
#include <cerrno>
#include <map>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

using types = std::vector<message_type>;

shared_worker_state state_of(worker_state what) {
  return std::make_shared<std::atomic<worker_state>>(what);
}

void perform(const cipher_work& given) {
  auto begun = given.job->begin();
  REQUIRE(begun);
  begun->perform();
}

/// Two hosts that are each other's peer, each with a worker.
struct helped {
  helped()
    : left(home, loop.loop, 1), right(home, loop.loop, 2), sealer(home),
      opener(home), a{left, left.spawn_peer(home, 5, right.as_peer())},
      b{right, right.spawn_peer(home, 9, left.as_peer())} {
    left.allow({{"10.0.0.2/32", 5}});
    right.allow({{"10.0.0.1/32", 9}});
    left.space->desk = desk_of(sealer);
    right.space->desk = desk_of(opener);
    send({udp_packet(1, 2, 50)});
    exchange(home, a, b);
    REQUIRE(right.delivered.take<bytes>().size() == 1);
  }

  static std::shared_ptr<cipher_desk>
  desk_of(const fake<cipher_worker_actor>& worker) {
    return std::make_shared<cipher_desk>(std::vector<cipher_desk::worker>{
      {worker.handle(), state_of(worker_state::ready)}});
  }

  void send(const std::vector<bytes>& packets) {
    caf::anon_send(a.actor, outgoing_of(packets));
  }
  /// Packets with the next numbers, for a worker if there are many.
  std::vector<bytes> numbered(std::size_t count) {
    std::vector<bytes> packets;
    for (std::size_t i = 0; i < count; ++i) {
      all.push_back(++number);
      packets.push_back(udp_packet(1, 2, 1300, number));
    }
    return packets;
  }
  /// The same in a batch of a pool, as the reader would send it.
  outgoing_packets batch_of(const std::shared_ptr<outgoing_pool>& pool,
                            std::size_t count, bool contended = false) {
    auto batch = pool->acquire();
    REQUIRE(batch);
    for (const auto& packet : numbered(count)) {
      const auto room = batch->datagrams.add(packet.size(), packet.size());
      std::copy(packet.begin(), packet.end(), room.begin());
    }
    return {std::move(batch), contended};
  }
  /// Of those the host has got, since the last call.
  std::vector<std::uint32_t> delivered() {
    std::vector<std::uint32_t> numbers;
    for (const auto& packet : right.delivered.take<bytes>())
      numbers.push_back(
        load_be<std::uint32_t>(packet.data() + packet.size() - 1300));
    return numbers;
  }
  void send_full() {
    send(numbered(full));
  }
  cipher_work to_seal() {
    return sealer.next<cipher_work>();
  }
  /// Carries what has been sent to the other end, as it is.
  std::vector<outgoing_datagrams> carry_all() {
    auto sent = a.sent(home);
    for (const auto& one : sent)
      carry(one, left.address, right, b.actor);
    b.report(home);
    opener.settle();
    return sent;
  }
  std::vector<std::uint32_t> received() {
    b.report(home);
    return delivered();
  }
  std::size_t sent_packets() {
    std::size_t count = 0;
    for (const auto& one : a.sent(home))
      count += one.batch->datagrams.size();
    return count;
  }
  std::uint64_t drops(const tunnel_end& end, drop_reason reason) {
    return end.report(home).drops[reason];
  }
  /// The end is to stand still: what it is then is `frozen`, or it has
  /// `refused`.
  void freeze(const tunnel_end& end) {
    auto all = std::make_shared<saved_node>();
    all->peers.resize(1);
    const auto let_go = [this, all](saved_node*) {
      auto& session = all->peers[0].session;
      if (session)
        frozen = std::make_shared<saved_session>(std::move(*session));
      refused = !frozen;
      caf::anon_send(left.registry.handle(), peers_stand_still{all});
    };
    caf::anon_send(end.actor, freeze_peer{{all.get(), let_go}, 0});
    home.settle();
  }

  /// As many packets of `numbered()` are worth a worker.
  static constexpr std::size_t full = 30;

  world home{run_by::hand};
  test_loop loop = home.start_loop();
  node left;
  node right;
  fake<cipher_worker_actor> sealer;
  fake<cipher_worker_actor> opener;
  tunnel_end a;
  tunnel_end b;
  std::shared_ptr<saved_session> frozen;
  bool refused = false;
  std::uint32_t number = 0;
  std::vector<std::uint32_t> all; ///< numbers that were sent, in order
};

/// Where what comes in is opened by the test.
struct helped_opening : helped {
  helped_opening() {
    left.space->desk.reset();
  }
  void send_and_carry(std::size_t count) {
    send(numbered(count));
    carry_all();
  }
  /// Numbered packets, which are received into a batch of this pool.
  void send_in_batch_of(const std::shared_ptr<incoming_pool>& pool,
                        std::size_t count) {
    send(numbered(count));
    const auto sent = a.sent(home);
    REQUIRE(sent.size() == 1);
    const auto batch = pool->acquire();
    REQUIRE(batch);
    std::size_t used = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto datagram = sent[0].batch->datagrams[i];
      const auto place = batch->memory().subspan(used, datagram.size());
      std::copy(datagram.begin(), datagram.end(), place.begin());
      used += datagram.size();
      const auto next = i + 1 < count ? i + 1 : incoming_batch::end;
      batch->datagrams.push_back({place, 0, static_cast<std::uint16_t>(next)});
    }
    batch->paths.push_back({{left.address, right.local}, {}});
    caf::anon_send(b.actor, incoming_datagrams{batch, 0, right.allowed});
  }
  cipher_work to_open() {
    return opener.next<cipher_work>();
  }
};

} // namespace

// -- out ---------------------------------------------------------------------

TEST_CASE_METHOD(helped,
                 "Batches that workers finish in another order leave in "
                 "the order in which they came, and what was sealed "
                 "meanwhile behind them") {
  std::vector<cipher_work> works;
  while (works.size() < cipher_desk::jobs_a_worker) {
    send_full();
    works.push_back(to_seal());
  }
  send(numbered(2));
  send_full(); // no place is left
  while (!works.empty()) {
    CHECK(a.sent(home).empty());
    perform(works.back());
    works.pop_back();
  }
  const auto sent = carry_all();
  REQUIRE(sent.size() == cipher_desk::jobs_a_worker + 2);
  CHECK(opener.count<cipher_work>() == cipher_desk::jobs_a_worker);
  for (const auto& work : opener.take<cipher_work>())
    perform(work);
  CHECK(received() == all);
}

TEST_CASE_METHOD(helped, "Without a job under way a small batch is sealed at "
                         "once, and no worker hears of it") {
  send(numbered(3));
  CHECK(sent_packets() == 3);
  CHECK(sealer.count<cipher_work>() == 0);
  CHECK(left.space->desk->under_way() == 0);
}

TEST_CASE_METHOD(helped, "Handshakes overtake a batch that waits for its "
                         "worker, packets that waited for a session do not") {
  send_full();
  const auto work = to_seal();
  home.advance(180s); // the keys are too old for what comes now
  send(numbered(1));
  auto sent = a.sent(home);
  REQUIRE(sent.size() == 1);
  CHECK(types_in(sent[0]) == types{message_type::initiation});
  carry(sent[0], left.address, right, b.actor);
  sent = b.sent(home);
  REQUIRE(sent.size() == 1);
  carry(sent[0], right.address, left, a.actor);
  // What says that the session works is empty, and overtakes as well.
  sent = a.sent(home);
  REQUIRE(sent.size() <= 1);
  for (const auto& one : sent)
    CHECK(one.batch->datagrams.used() == transport_overhead);
  perform(work);
  sent = a.sent(home);
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].batch->datagrams.size() == full);
  CHECK(sent[1].batch->datagrams.size() == 1);
  CHECK(receiver_of(sent[0].batch->datagrams[0])
        != receiver_of(sent[1].batch->datagrams[0]));
}

TEST_CASE_METHOD(helped, "A job that was begun before its session was renewed "
                         "is sealed with the former keys, and arrives") {
  send_full();
  const auto work = to_seal();
  home.advance(6s);
  caf::anon_send(a.actor, handshake_wanted{});
  exchange(home, a, b);
  CHECK(received().empty());
  perform(work);
  send(numbered(1));
  carry_all();
  perform(opener.next<cipher_work>());
  CHECK(received() == all);
}

TEST_CASE_METHOD(helped, "What a worker never looked at is sealed by its peer, "
                         "and nothing is lost") {
  const bool has_ended = GENERATE(true, false);
  if (has_ended) {
    sealer.end(); // whoever sends it something learns of that at once
    send_full();
  } else {
    send_full();
    to_seal();
  }
  send(numbered(1));
  carry_all();
  perform(opener.next<cipher_work>());
  CHECK(received() == all);
  CHECK(drops(a, drop_reason::worker_failed) == 0);
}

TEST_CASE_METHOD(helped, "What a worker fails with is never sent, is counted, "
                         "and holds nobody up") {
  send_full();
  send(numbered(1));
  {
    const auto work = to_seal();
    const auto begun = work.job->begin();
    REQUIRE(begun);
    CHECK(a.sent(home).empty());
  }
  CHECK(sent_packets() == 1);
  CHECK(drops(a, drop_reason::worker_failed) == full);
}

TEST_CASE_METHOD(helped, "A job that nobody tells the end of leaves when "
                         "something else happens to its peer") {
  send_full();
  const auto work = to_seal();
  auto begun = work.job->begin();
  REQUIRE(begun);
  work.job->owner = nullptr; // as where the message finds no memory
  begun->perform();
  CHECK(a.sent(home).empty());
  send(numbered(1));
  carry_all();
  perform(opener.next<cipher_work>());
  CHECK(received() == all);
}

TEST_CASE_METHOD(helped, "A job is begun once, by the worker or by who would "
                         "have to wait") {
  send_full();
  send_full();
  const auto first = to_seal();
  const auto second = to_seal();
  CHECK(left.space->desk->help()); // the oldest
  CHECK(sent_packets() == full);
  CHECK_FALSE(first.job->begin());
  perform(second);
  CHECK(sent_packets() == full);
  CHECK_FALSE(left.space->desk->help());
}

TEST_CASE_METHOD(helped, "When the link goes down nothing leaves any more, and "
                         "no key is left but with who is sealing") {
  send_full();
  send_full();
  const auto begun_work = to_seal();
  const auto waiting_work = to_seal();
  const auto key_of = [](const cipher_work& work) {
    return std::weak_ptr<const secret<key_size>>{
      std::get<cipher_job::sealing>(work.job->what).order.key};
  };
  const auto key = key_of(begun_work);
  auto begun = begun_work.job->begin();
  REQUIRE(begun);
  caf::anon_send(a.actor, change_identity{left.self, false});
  CHECK(a.sent(home).empty());
  CHECK_FALSE(waiting_work.job->begin());
  CHECK(key.use_count() == 1);
  begun->perform();
  CHECK(key.expired());
  CHECK(a.sent(home).empty());
  CHECK(drops(a, drop_reason::expired_session) == 2 * full);
  // And it goes on as usual.
  caf::anon_send(a.actor, change_identity{left.self, true});
  home.advance(1s);
  send(numbered(1));
  exchange(home, a, b);
  received();
  all.clear();
  send_full();
  perform(to_seal());
  carry_all();
  perform(opener.next<cipher_work>());
  CHECK(received() == all);
}

TEST_CASE_METHOD(helped, "Keys that are wiped for their age are wiped in jobs "
                         "that nobody has begun, too") {
  send_full();
  const auto work = to_seal();
  home.advance(541s);
  caf::anon_send(a.actor, deadline_passed{});
  a.report(home);
  CHECK_FALSE(work.job->begin());
  CHECK(drops(a, drop_reason::expired_session) == full);
}

TEST_CASE_METHOD(helped,
                 "A peer that ends leaves no key, no batch and no packet "
                 "uncounted, whatever is under way") {
  const bool fails = GENERATE(true, false);
  constexpr auto batches = cipher_desk::jobs_a_worker + 1;
  const auto pool = std::make_shared<outgoing_pool>(batches + 1);
  for (std::size_t i = 0; i < batches; ++i) // the last one finds no place
    caf::anon_send(a.actor, batch_of(pool, full));
  auto begun_work = to_seal();
  sealer.settle();
  auto waiting = sealer.take<cipher_work>();
  auto begun = begun_work.job->begin();
  REQUIRE(begun);
  left.registry.settle();
  left.registry.take<session_ended>();
  home.end(a.actor, fails ? caf::exit_reason::unhandled_exception
                          : caf::exit_reason::user_shutdown);
  REQUIRE(waiting.size() == cipher_desk::jobs_a_worker - 1);
  for (const auto& work : waiting)
    CHECK_FALSE(work.job->begin());
  CHECK(left.registry.next<session_ended>().drops[drop_reason::expired_session]
        == batches * full);
  begun->perform();
  begun.reset();
  begun_work.job.reset();
  waiting.clear();
  home.settle();
  CHECK_FALSE(left.space->desk->help());
  CHECK(pool->left() == pool->size());
  CHECK(left.space->batches_in_line == 0);
  CHECK(a.host.socket.count<outgoing_datagrams>() == 0);
}

TEST_CASE_METHOD(helped, "Who waits for a worker leaves two batches to others, "
                         "if there are any") {
  const bool contended = GENERATE(true, false);
  const auto pool = std::make_shared<outgoing_pool>(4);
  for (const auto count : {full, std::size_t{1}, std::size_t{1}})
    caf::anon_send(a.actor, batch_of(pool, count, contended));
  const auto work = to_seal();
  a.report(home);
  CHECK(pool->left() == (contended ? 2 : 1));
  CHECK(drops(a, drop_reason::queue_full) == (contended ? 1 : 0));
  perform(work);
  CHECK(sent_packets() == full + (contended ? 1 : 2));
  CHECK(left.space->batches_in_line == 0);
}

TEST_CASE_METHOD(helped, "Where several readers read, what waits is held "
                         "against the batches of all of them") {
  left.space->readers = 2;
  const std::array pools{std::make_shared<outgoing_pool>(4),
                         std::make_shared<outgoing_pool>(4)};
  for (std::size_t i = 0; i < 8; ++i)
    caf::anon_send(a.actor, batch_of(pools[i % 2], i == 0 ? full : 1, true));
  const auto work = to_seal();
  a.report(home);
  CHECK(drops(a, drop_reason::queue_full) == 2);
  CHECK(pools[0]->left() + pools[1]->left() == cipher_desk::left_for_others);
  perform(work);
  CHECK(sent_packets() == full + 5);
  CHECK(left.space->batches_in_line == 0);
}

TEST_CASE_METHOD(helped, "That one pass of the reader has taken all batches "
                         "costs no packet") {
  const auto pool = std::make_shared<outgoing_pool>(8);
  std::vector<outgoing_packets> pass; // of several peers
  for (const auto count : {full, full, std::size_t{1}, std::size_t{1}})
    pass.push_back(batch_of(pool, count, true));
  std::vector<outgoing_ptr> of_others;
  while (auto batch = pool->acquire())
    of_others.push_back(std::move(batch));
  for (auto& packets : pass)
    caf::anon_send(a.actor, std::move(packets));
  perform(to_seal());
  perform(to_seal());
  CHECK(sent_packets() == all.size());
  CHECK(drops(a, drop_reason::queue_full) == 0);
}

TEST_CASE_METHOD(helped, "What a worker has done leaves before packets behind "
                         "it in the mailbox would be dropped") {
  const auto pool = std::make_shared<outgoing_pool>(8);
  caf::anon_send(a.actor, batch_of(pool, full, true));
  caf::anon_send(a.actor, batch_of(pool, full, true));
  const auto first = to_seal();
  const auto second = to_seal();
  for (int i = 0; i < 6; ++i)
    caf::anon_send(a.actor, batch_of(pool, 1, true));
  perform(second);
  perform(first);
  const auto sent = carry_all();
  CHECK(sent.size() == 8);
  CHECK(drops(a, drop_reason::queue_full) == 0);
  for (const auto& work : opener.take<cipher_work>())
    perform(work);
  CHECK(received() == all);
  CHECK(left.space->batches_in_line == 0);
}

TEST_CASE_METHOD(helped, "A peer that lost prefixes answers once all that was "
                         "routed to it before has left it") {
  send_full();
  const auto work = to_seal();
  bool answered = false;
  left.registry.run([&] {
    auto* asker = left.registry.self();
    asker->request(a.actor, caf::infinite, prefixes_lost{left.allowed})
      .then([&answered] { answered = true; }, [](const caf::error&) {});
  });
  home.settle();
  CHECK_FALSE(answered);
  SECTION("by itself, or with its end") {
    home.end(a.actor);
    CHECK(eventually([&] { return answered; }));
    return;
  }
  perform(work);
  CHECK(eventually([&] { return answered; }));
  // Without anything under way it answers at once.
  CHECK_FALSE(home.command(a.actor, prefixes_lost{left.allowed}));
}

TEST_CASE_METHOD(helped, "A peer that is to stand still leaves what it is once "
                         "all jobs have come back, or goes on") {
  send_full();
  const auto first = to_seal();
  send_full();
  const auto second = to_seal();
  send(numbered(1));
  std::optional<bool> ended_before;
  left.registry.on<peers_stand_still>(
    [&](const peers_stand_still&) -> caf::result<void> {
      ended_before = left.registry.count<session_ended>() > 0;
      return caf::unit;
    });
  freeze(a);
  perform(second);
  home.settle();
  CHECK_FALSE(frozen);
  SECTION("with the counters of what has left") {
    perform(first);
    REQUIRE(eventually([&] { return frozen != nullptr; }));
    const auto& keys = frozen->session.keys.current;
    REQUIRE(keys);
    std::uint64_t newest = 0;
    for (const auto& one : carry_all())
      newest
        = counter_of(one.batch->datagrams[one.batch->datagrams.size() - 1]);
    CHECK(keys->send_counter > newest);
    send(numbered(1)); // for its successor alone
    CHECK(a.sent(home).empty());
    return;
  }
  SECTION("that is thawed meanwhile, or ends") {
    const bool ends = GENERATE(true, false);
    left.registry.take<session_ended>();
    if (ends)
      home.end(a.actor);
    else
      caf::anon_send(a.actor, thaw{});
    CHECK(eventually([&] { return refused; }));
    CHECK_FALSE(frozen);
    if (ends) {
      // The registry knows what it was before it notices that it is gone.
      CHECK(eventually([&] { return ended_before.has_value(); }));
      CHECK(ended_before == true);
      return;
    }
    perform(first);
    send(numbered(1));
    CHECK(sent_packets() == all.size());
    CHECK_FALSE(frozen);
  }
}

// -- in ----------------------------------------------------------------------

TEST_CASE_METHOD(helped_opening, "Chains that workers open in another order "
                                 "reach the host in the order of arrival, and "
                                 "what came meanwhile behind them") {
  std::vector<cipher_work> works;
  while (works.size() < cipher_desk::jobs_a_worker) {
    send_and_carry(full);
    works.push_back(to_open());
  }
  send_and_carry(2);
  send_and_carry(full); // no place is left
  while (!works.empty()) {
    CHECK(received().empty());
    perform(works.back());
    works.pop_back();
  }
  CHECK(received() == all);
  CHECK(opener.count<cipher_work>() == 0);
}

TEST_CASE_METHOD(helped_opening, "Of two copies that are opened at a time one "
                                 "counts, and a forged one costs nobody else") {
  send(numbered(full));
  const auto sent = a.sent(home);
  REQUIRE(sent.size() == 1);
  carry(sent[0], left.address, right, b.actor);
  const auto first = to_open();
  const auto forged = sent[0].batch->datagrams[3];
  forged[forged.size() - 1] ^= std::byte{1};
  carry(sent[0], left.address, right, b.actor);
  const auto second = to_open();
  perform(second);
  perform(first);
  CHECK(received() == all);
  CHECK(drops(b, drop_reason::replayed) == full - 1);
  CHECK(drops(b, drop_reason::invalid_tag) == 1);
  // What is known to be a copy is not opened any more.
  carry(sent[0], left.address, right, b.actor);
  received();
  CHECK(opener.count<cipher_work>() == 0);
  CHECK(drops(b, drop_reason::replayed) == 2 * full - 1);
}

TEST_CASE_METHOD(helped_opening,
                 "An endpoint follows, and sources are looked at "
                 "with the routes of their arrival, when it is "
                 "their turn") {
  send(numbered(full));
  const auto before = left.address;
  left.address = endpoint_of("192.0.2.77:7");
  carry_all();
  const auto work = to_open();
  right.allow({{"10.0.0.1/32", 3}});
  CHECK(b.report(home).status.endpoint == before);
  perform(work);
  CHECK(received() == all);
  CHECK(b.report(home).status.endpoint == left.address);
  send_and_carry(full);
  perform(to_open());
  received();
  CHECK(drops(b, drop_reason::wrong_source) == full);
}

TEST_CASE_METHOD(helped_opening, "A session that a chain confirms is confirmed "
                                 "in its turn") {
  home.advance(180s);
  // 60 packets wait for the handshake, and confirm it.
  for (int i = 0; i < 2; ++i)
    send(numbered(full));
  auto sent = a.sent(home);
  REQUIRE(sent.size() == 1);
  carry(sent[0], left.address, right, b.actor);
  sent = b.sent(home);
  REQUIRE(sent.size() == 1);
  const auto handshake = b.report(home).status.last_handshake;
  carry(sent[0], right.address, left, a.actor);
  carry_all();
  const auto work = to_open();
  CHECK(b.report(home).status.last_handshake == handshake);
  perform(work);
  CHECK(received() == all);
  CHECK(b.report(home).status.last_handshake != handshake);
}

TEST_CASE_METHOD(helped_opening, "What belongs to a session that has ended "
                                 "reaches no host, and is counted") {
  send_and_carry(full);
  const auto begun_work = to_open();
  send_and_carry(full);
  const auto waiting_work = to_open();
  auto begun = begun_work.job->begin();
  REQUIRE(begun);
  caf::anon_send(b.actor, change_identity{right.self, false});
  b.report(home);
  CHECK_FALSE(waiting_work.job->begin());
  begun->perform();
  CHECK(received().empty());
  CHECK(drops(b, drop_reason::expired_session) == 2 * full);
}

TEST_CASE_METHOD(helped_opening, "What a worker fails to open is lost and "
                                 "counted, what it never looked at is not") {
  send_and_carry(full);
  {
    const auto work = to_open();
    const auto begun = work.job->begin();
    REQUIRE(begun);
  }
  CHECK(received().empty());
  CHECK(drops(b, drop_reason::worker_failed) == full);
  all.clear();
  send_and_carry(full);
  to_open();
  CHECK(received() == all);
}

TEST_CASE_METHOD(helped_opening, "What comes in behind a worker leaves two "
                                 "batches to others") {
  const auto pool = std::make_shared<incoming_pool>(4);
  for (const auto count : {full, full, std::size_t{1}})
    send_in_batch_of(pool, count);
  const auto first = to_open();
  const auto second = to_open();
  CHECK(drops(b, drop_reason::overload) == 1);
  CHECK(pool->left() == 2);
  perform(second);
  perform(first);
  all.pop_back();
  CHECK(received() == all);
}

TEST_CASE_METHOD(helped_opening, "What comes in behind a worker is not dropped "
                                 "because the host has all batches") {
  const auto pool = std::make_shared<incoming_pool>(4);
  const std::array held{pool->acquire(), pool->acquire()};
  for (const auto count : {full, std::size_t{1}})
    send_in_batch_of(pool, count);
  const auto work = to_open();
  CHECK(pool->left() == 0);
  CHECK(drops(b, drop_reason::overload) == 0);
  perform(work);
  CHECK(received() == all);
}

// -- another process takes the place -----------------------------------------

TEST_CASE_METHOD(helped, "A peer stands still once all that workers have is "
                         "back, and leaves no counter that was used") {
  send_full();
  const auto first = to_seal();
  send_full();
  const auto second = to_seal();
  freeze(a);
  CHECK_FALSE(frozen);
  perform(second);
  CHECK(a.sent(home).empty());
  CHECK_FALSE(frozen);
  perform(first);
  const auto sent = a.sent(home);
  REQUIRE(sent.size() == 2);
  REQUIRE(frozen);
  REQUIRE(frozen->session.keys.current);
  const auto& keys = *frozen->session.keys.current;
  for (const auto& one : sent)
    for (std::size_t i = 0; i < one.batch->datagrams.size(); ++i)
      CHECK(counter_of(one.batch->datagrams[i]) < keys.send_counter);
  send_full();
  CHECK(a.sent(home).empty());
  CHECK(sealer.count<cipher_work>() == 0);
}

TEST_CASE_METHOD(helped, "A peer that nobody succeeds while it waits for its "
                         "workers says so, and goes on") {
  send_full();
  const auto work = to_seal();
  freeze(a);
  caf::anon_send(a.actor, thaw{});
  home.settle();
  CHECK(eventually([&] { return refused; }));
  CHECK_FALSE(frozen);
  perform(work);
  CHECK(sent_packets() == full);
  send(numbered(1));
  CHECK(sent_packets() == 1);
  freeze(a);
  CHECK(eventually([&] { return frozen != nullptr; }));
  caf::anon_send(a.actor, thaw{});
  send(numbered(1));
  CHECK(sent_packets() == 1);
}

TEST_CASE_METHOD(helped, "A peer that ends while it waits for its workers "
                         "leaves no session") {
  send_full();
  const auto work = to_seal();
  freeze(a);
  home.end(a.actor, caf::exit_reason::unhandled_exception);
  CHECK(eventually([&] { return refused; }));
  CHECK_FALSE(frozen);
}

TEST_CASE_METHOD(helped_opening, "What workers have opened is in the window of "
                                 "a peer that stands still, and what that lets "
                                 "go leaves before") {
  home.advance(180s);
  for (int i = 0; i < 2; ++i) // they wait for the handshake, and confirm it
    send(numbered(full));
  auto sent = a.sent(home);
  REQUIRE(sent.size() == 1);
  carry(sent[0], left.address, right, b.actor);
  sent = b.sent(home);
  REQUIRE(sent.size() == 1);
  carry(sent[0], right.address, left, a.actor);
  carry_all();
  const auto work = to_open();
  // It waits until the session is confirmed.
  caf::anon_send(b.actor, outgoing_of({udp_packet(2, 1, 50)}));
  for (const auto& one : b.sent(home))
    CHECK(types_in(one) == types{message_type::initiation});
  freeze(b);
  CHECK_FALSE(frozen);
  perform(work);
  CHECK(received() == all);
  sent = b.sent(home);
  REQUIRE(sent.size() == 1);
  CHECK(types_in(sent[0]) == types{message_type::transport});
  REQUIRE(frozen);
  REQUIRE(frozen->session.keys.current);
  CHECK_FALSE(frozen->session.keys.next);
  CHECK(frozen->session.keys.current->send_counter
        > counter_of(sent[0].batch->datagrams[0]));
}

// -- both ways ---------------------------------------------------------------

TEST_CASE("Packets in are packets out and drops, in their order, whatever "
          "workers do") {
  helped two;
  deterministic_random random{GENERATE(range(1U, 9U))};
  std::vector<cipher_work> under_way;
  std::vector<std::uint32_t> got;
  const auto gather = [&] {
    for (auto* worker : {&two.sealer, &two.opener})
      for (auto& work : worker->take<cipher_work>())
        under_way.push_back(std::move(work));
    for (const auto packet : two.delivered())
      got.push_back(packet);
  };
  const auto end_one = [&] {
    if (under_way.empty())
      return;
    const auto which
      = under_way.begin()
        + static_cast<std::ptrdiff_t>(random.below(under_way.size()));
    const auto work = std::move(*which);
    under_way.erase(which);
    auto begun = work.job->begin();
    if (!begun)
      return; // it was helped with
    switch (random.below(16)) {
      case 0:
        break; // it fails
      case 1:
        begun->give_back();
        break;
      default:
        begun->perform();
    }
  };
  bool renewed = false; // the session, while jobs are under way
  for (int round = 0; round < 200; ++round) {
    switch (random.below(8)) {
      case 0:
      case 1:
        two.send_full();
        break;
      case 2:
        two.send(two.numbered(1 + random.below(3)));
        break;
      case 3:
        two.left.space->desk->help();
        break;
      case 4:
        two.right.space->desk->help();
        break;
      case 5:
        // Who is late for two new sessions is lost.
        if (!std::exchange(renewed, true)) {
          two.home.advance(6s);
          caf::anon_send(two.a.actor, handshake_wanted{});
        }
        break;
      default:
        end_one();
    }
    exchange(two.home, two.a, two.b);
    gather();
    renewed = renewed && !under_way.empty();
  }
  while (!under_way.empty()) {
    end_one();
    exchange(two.home, two.a, two.b);
    gather();
  }
  const auto left = two.a.report(two.home);
  const auto right = two.b.report(two.home);
  CHECK(got.size() + left.drops[drop_reason::worker_failed]
          + right.drops[drop_reason::worker_failed]
        == two.all.size());
  // What came is in order.
  auto expected = two.all.begin();
  for (const auto packet : got) {
    expected = std::find(expected, two.all.end(), packet);
    REQUIRE(expected != two.all.end());
    ++expected;
  }
  CHECK(two.left.space->desk->under_way() == 0);
  CHECK(two.right.space->desk->under_way() == 0);
}
