#include "actors/loop/cipher_desk.hpp"

#include "actors/packets/cipher_worker.hpp"
#include "messages/peer.hpp"
#include "tests/actors/support.hpp"
#include "tests/protocol/support.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

constexpr auto each = cipher_desk::jobs_a_worker;

/// There is no memory for its messages.
class no_memory : public caf::event_based_actor {
public:
  using caf::event_based_actor::event_based_actor;
  void enqueue(caf::mailbox_element_ptr, caf::execution_unit*) override {
    throw std::bad_alloc{};
  }
  void enqueue(caf::strong_actor_ptr, caf::message_id, caf::message,
               caf::execution_unit*) override {
    throw std::bad_alloc{};
  }
  caf::behavior make_behavior() override {
    return {[](int) {}};
  }
};

struct desk_in_test {
  desk_in_test() {
    for (std::size_t i = 0; i < 2; ++i) {
      workers.push_back(std::make_unique<fake<cipher_worker_actor>>(home));
      states.push_back(
        std::make_shared<std::atomic<worker_state>>(worker_state::ready));
    }
    desk = std::make_unique<cipher_desk>(std::vector<cipher_desk::worker>{
      {workers[0]->handle(), states[0]}, {workers[1]->handle(), states[1]}});
  }

  /// False: there is no place.
  bool leave_job(const void* owner = nullptr) {
    const auto job = desk->find_place(now);
    if (!job)
      return false;
    outgoing_ptr batch{new outgoing_batch};
    std::ignore = batch->datagrams.add(100, 112);
    job->what = cipher_job::sealing{
      batch, {std::make_shared<const secret<key_size>>(), 7, 1}};
    job->owner = caf::actor_cast<caf::actor>(peer.handle());
    desk->hand_over(job, owner, now);
    return true;
  }
  std::size_t places() {
    std::size_t count = 0;
    while (leave_job())
      ++count;
    return count;
  }
  std::vector<cipher_work> given_to(std::size_t worker) {
    workers[worker]->settle();
    return workers[worker]->take<cipher_work>();
  }

  world home{run_by::hand};
  std::vector<std::unique_ptr<fake<cipher_worker_actor>>> workers;
  std::vector<shared_worker_state> states;
  fake<peer_actor> peer{home};
  std::unique_ptr<cipher_desk> desk;
  time_point now{1h};
};

} // namespace

TEST_CASE_METHOD(desk_in_test,
                 "Each worker gets four jobs, by turns, and another "
                 "one when it has done one") {
  CHECK(places() == 2 * each);
  const auto of_first = given_to(0);
  CHECK(of_first.size() == each);
  const auto of_second = given_to(1);
  CHECK(of_second.size() == each);
  of_second[0].job->begin()->perform();
  CHECK(places() == 1);
  const auto next = given_to(1);
  CHECK(next.size() == 1);
  CHECK(desk->under_way() == 2 * each);
}

TEST_CASE_METHOD(desk_in_test, "A worker that takes longer than 20 ms gets no "
                               "job until it has done that one") {
  CHECK(leave_job());
  const auto slow = given_to(0);
  REQUIRE(slow.size() == 1);
  auto begun = slow[0].job->begin();
  now += 21ms;
  CHECK(places() == each);
  CHECK(given_to(0).empty());
  begun->perform();
  CHECK(places() == each);
  CHECK(given_to(0).size() == each);
}

TEST_CASE_METHOD(desk_in_test, "A worker that is not ready, or has ended, gets "
                               "no jobs") {
  *states[0] = worker_state::starting;
  *states[1] = worker_state::ended;
  CHECK(places() == 0);
  *states[0] = worker_state::ready;
  CHECK(places() == each);
}

TEST_CASE_METHOD(desk_in_test,
                 "A desk that is closed takes no jobs, and what it "
                 "has goes on") {
  CHECK(leave_job());
  desk->open(false);
  CHECK(places() == 0);
  CHECK(desk->help());
  CHECK(desk->under_way() == 0);
  desk->open(true);
  CHECK(places() == 2 * each);
}

TEST_CASE_METHOD(desk_in_test,
                 "While the threads wait for a core no job is handed over, and "
                 "again once they have not for a while") {
  duration waited{5s};
  int looks = 0;
  desk->heed(
    [&] {
      ++looks;
      return std::optional{waited};
    },
    true);
  const auto takes_job_after = [&](duration waiting) {
    now += core_switch::window;
    waited += waiting;
    desk->look_around(now);
    desk->look_around(now + core_switch::window / 2); // too soon
    return leave_job() && desk->help();
  };
  CHECK(takes_job_after(0ms)); // what was before does not count
  CHECK(takes_job_after(500us));
  CHECK_FALSE(takes_job_after(5ms));
  std::uint64_t windows = 1;
  while (!takes_job_after(0ms))
    ++windows;
  CHECK(windows == 8); // 0.5 * 0.8^8 <= 0.1
  CHECK(desk->use() == core_use{3, 0, true, 3, 0, windows});
  CHECK(looks == 3 + static_cast<int>(windows));
}

TEST_CASE_METHOD(desk_in_test, "Where nobody can tell whether a core is idle, "
                               "jobs are handed over as was said, and nobody "
                               "is asked again") {
  const bool otherwise = GENERATE(true, false);
  int looks = 0;
  desk->heed(
    [&]() -> std::optional<duration> {
      ++looks;
      return std::nullopt;
    },
    otherwise);
  for (int i = 0; i < 3; ++i, now += 1s)
    desk->look_around(now);
  CHECK(looks == 1);
  CHECK(leave_job() == otherwise);
  CHECK(desk->use().is_shared == otherwise);
}

TEST_CASE_METHOD(desk_in_test, "What became of full batches is counted, and "
                               "which workers there are") {
  CHECK(desk->use() == core_use{3, 0, true, 0, 0, 0});
  CHECK(places() == 2 * each);
  desk->open(false);
  CHECK_FALSE(leave_job());
  CHECK(desk->use() == core_use{3, 0, false, 2 * each, 1, 1});
  *states[0] = worker_state::starting;
  *states[1] = worker_state::ended;
  desk->open(true);
  CHECK(desk->use() == core_use{1, 1, false, 2 * each, 1, 1});
}

TEST_CASE_METHOD(desk_in_test, "Who helps does the oldest job that nobody has "
                               "begun") {
  CHECK(leave_job());
  CHECK(leave_job());
  CHECK(leave_job());
  const auto of_first = given_to(0);
  const auto of_second = given_to(1);
  const auto begun = of_first[0].job->begin();
  CHECK(desk->help());
  CHECK(of_second[0].job->has_ended());
  CHECK(of_second[0].job->ended() == cipher_job::outcome::done);
  CHECK(desk->help());
  CHECK_FALSE(desk->help());
  CHECK(desk->under_way() == 1);
}

TEST_CASE_METHOD(desk_in_test, "A worker that reads nothing gets no more than "
                               "eight messages, whoever does its jobs") {
  *states[1] = worker_state::ended;
  std::size_t left = 0;
  while (left < 100 && leave_job()) {
    ++left;
    CHECK(desk->help());
  }
  CHECK(left == cipher_desk::most_unread);
  CHECK(desk->under_way() == 0);
  CHECK(given_to(0).size() == left); // and lets go of them
  CHECK(places() == each);
}

TEST_CASE_METHOD(desk_in_test, "Who helps goes on also when there is no memory "
                               "to say so") {
  const auto job = desk->find_place(now);
  job->owner = caf::actor_cast<caf::actor>(home.system().spawn<no_memory>());
  desk->hand_over(job, nullptr, now);
  CHECK(leave_job());
  CHECK(desk->help());
  CHECK(job->has_ended());
  CHECK(desk->help());
  CHECK_FALSE(desk->help());
}

TEST_CASE_METHOD(desk_in_test,
                 "Of one peer nothing is begun any more, and others "
                 "do not notice") {
  const int one = 1;
  const int other = 2;
  CHECK(leave_job(&one));
  CHECK(leave_job(&other));
  desk->call_off(&one);
  const auto of_first = given_to(0);
  CHECK_FALSE(of_first[0].job->begin());
  CHECK(of_first[0].job->ended() == cipher_job::outcome::called_off);
  CHECK(std::get<cipher_job::sealing>(of_first[0].job->what).order.key
        == nullptr);
  CHECK(given_to(1)[0].job->begin());
}

TEST_CASE("A worker is ready once its thread can seal, seals what it gets, and "
          "says when it has ended") {
  world home;
  const auto loop = home.start_loop("test-cipher");
  const auto state
    = std::make_shared<std::atomic<worker_state>>(worker_state::starting);
  const auto worker = home.spawn<cipher_worker>(loop.loop, state);
  CHECK(eventually([&] { return *state == worker_state::ready; }));
  fake<peer_actor> peer(home);
  cipher_desk desk({{worker, state}});
  const auto now = loop.loop->now();
  const auto job = desk.find_place(now);
  REQUIRE(job);
  outgoing_ptr batch{new outgoing_batch};
  deterministic_random random{1};
  const auto key
    = std::make_shared<const secret<key_size>>(generate_private_key(random));
  for (int i = 0; i < 3; ++i)
    std::ignore = batch->datagrams.add(100, 112);
  job->what = cipher_job::sealing{batch, {key, 7, 41}};
  job->owner = caf::actor_cast<caf::actor>(peer.handle());
  desk.hand_over(job, nullptr, now);
  const auto done = peer.next<cipher_done>();
  CHECK(done.job->has_ended());
  CHECK(done.job->ended() == cipher_job::outcome::done);
  transport_cipher cipher{*key};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto datagram = batch->datagrams[i];
    CHECK(receiver_of(datagram) == 7);
    CHECK(counter_of(datagram) == 41 + i);
    CHECK(open_datagram(cipher, datagram));
  }
  CHECK(key.use_count() == 1);
  home.end(worker, caf::exit_reason::unhandled_exception);
  CHECK(*state == worker_state::ended);
  CHECK_FALSE(desk.find_place(now));
}
