// Peers whose packets workers seal.
#include "tests/actors/helped_tunnel.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

TEST_CASE_METHOD(helped_tunnel,
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

TEST_CASE_METHOD(helped_tunnel,
                 "Without a job under way a small batch is sealed at "
                 "once, and no worker hears of it") {
  send(numbered(3));
  CHECK(sent_packets() == 3);
  CHECK(sealer.count<cipher_work>() == 0);
  CHECK(left.space->desk->under_way() == 0);
}

TEST_CASE_METHOD(helped_tunnel,
                 "Handshakes overtake a batch that waits for its "
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

TEST_CASE_METHOD(helped_tunnel,
                 "A job that was begun before its session was renewed "
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

TEST_CASE_METHOD(helped_tunnel,
                 "What a worker never looked at is sealed by its peer, "
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

TEST_CASE_METHOD(helped_tunnel,
                 "What a worker fails with is never sent, is counted, "
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

TEST_CASE_METHOD(helped_tunnel,
                 "A job that nobody tells the end of leaves when "
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

TEST_CASE_METHOD(helped_tunnel,
                 "A job is begun once, by the worker or by who would "
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

TEST_CASE_METHOD(helped_tunnel,
                 "When the link goes down nothing leaves any more, and "
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

TEST_CASE_METHOD(helped_tunnel,
                 "Keys that are wiped for their age are wiped in jobs "
                 "that nobody has begun, too") {
  send_full();
  const auto work = to_seal();
  home.advance(541s);
  caf::anon_send(a.actor, deadline_passed{});
  a.report(home);
  CHECK_FALSE(work.job->begin());
  CHECK(drops(a, drop_reason::expired_session) == full);
}

TEST_CASE_METHOD(helped_tunnel,
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

TEST_CASE_METHOD(helped_tunnel,
                 "Who waits for a worker leaves two batches to others, "
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

TEST_CASE_METHOD(helped_tunnel,
                 "Where several readers read, what waits is held "
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

TEST_CASE_METHOD(helped_tunnel,
                 "That one pass of the reader has taken all batches "
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

TEST_CASE_METHOD(helped_tunnel,
                 "What a worker has done leaves before packets behind "
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

TEST_CASE_METHOD(helped_tunnel,
                 "A peer that lost prefixes answers once all that was "
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
