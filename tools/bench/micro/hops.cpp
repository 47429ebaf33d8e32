// What it costs to hand a batch from actor to actor: both on one I/O loop, on
// two loops, and on CAF's scheduler.
#include "actors/loop/io_loop.hpp"
#include "messages/timer.hpp"
#include "tools/bench/micro/support.hpp"

#include <future>

namespace {

using weft::outgoing_packets;

struct meet;
struct begin_rounds;
using hop_actor
  = caf::typed_actor<caf::reacts_to<meet>, caf::reacts_to<begin_rounds>,
                     caf::reacts_to<outgoing_packets>>;

/// Send what you get to `partner`.
struct meet {
  hop_actor partner;
};

/// Send `batches` to the partner, and each that comes back again, until
/// `rounds` have come back in all.
struct begin_rounds {
  std::uint64_t batches = 0;
  std::uint64_t rounds = 0;
  std::shared_ptr<std::promise<void>> finished;
};

} // namespace

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(meet)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(begin_rounds)

namespace {

/// Base decides where it runs.
template <class Base>
class hopper final : public Base {
public:
  using Base::Base;

  hop_actor::behavior_type make_behavior() override {
    return {
      [this](const meet& other) { partner_ = other.partner; },
      [this](const begin_rounds& order) { begin(order); },
      [this](outgoing_packets& packets) { hop(packets); },
    };
  }
  void on_exit() override {
    partner_ = nullptr;
  }

private:
  void begin(const begin_rounds& order) {
    finished_ = order.finished;
    to_send_ = order.rounds - order.batches;
    to_come_ = order.rounds;
    for (std::uint64_t i = 0; i < order.batches; ++i)
      this->send(partner_, outgoing_packets{pool_->acquire()});
  }
  void hop(outgoing_packets& packets) {
    if (!finished_) { // the partner that only returns
      this->send(partner_, std::move(packets));
      return;
    }
    if (to_send_ > 0) {
      --to_send_;
      this->send(partner_, std::move(packets));
    } else {
      packets.batch.reset();
    }
    if (--to_come_ == 0)
      finished_->set_value();
  }

  hop_actor partner_;
  std::shared_ptr<weft::outgoing_pool> pool_
    = std::make_shared<weft::outgoing_pool>(16);
  std::shared_ptr<std::promise<void>> finished_;
  std::uint64_t to_send_ = 0;
  std::uint64_t to_come_ = 0;
};

/// Batches go to and fro, `state.range(0)` at a time.  One alone waits for
/// the wake-up of the other side; many show the cost of the hop itself.
void run_rounds(benchmark::State& state, const hop_actor& near,
                const hop_actor& far) {
  constexpr std::uint64_t rounds = 5000;
  caf::anon_send(near, meet{far});
  caf::anon_send(far, meet{near});
  for (auto _ : state) {
    auto finished = std::make_shared<std::promise<void>>();
    auto wait = finished->get_future();
    caf::anon_send(near,
                   begin_rounds{static_cast<std::uint64_t>(state.range(0)),
                                rounds, std::move(finished)});
    wait.wait();
  }
  weft::bench::report_time_of_each(
    state, "hop", static_cast<std::uint64_t>(state.iterations()) * rounds * 2);
  caf::anon_send_exit(near, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(far, caf::exit_reason::user_shutdown);
}

void hop_on_loops(benchmark::State& state, bool two_loops) {
  using hosted_hopper = hopper<weft::hosted<hop_actor::base>>;
  caf::actor_system_config config;
  config.set("scheduler.max-threads", std::size_t{1});
  config.set("scheduler.policy", caf::atom("sharing"));
  caf::actor_system system{config};
  auto first = weft::io_loop::start(system, "first");
  auto second = two_loops ? weft::io_loop::start(system, "second") : first;
  if (!first || !second) {
    state.SkipWithError("an I/O loop did not start");
    return;
  }
  run_rounds(state, system.spawn<hosted_hopper>(*first),
             system.spawn<hosted_hopper>(*second));
  (*first)->stop();
  (*second)->stop();
}
BENCHMARK_CAPTURE(hop_on_loops, one_loop, false)
  ->Arg(1)
  ->Arg(16)
  ->UseRealTime()
  ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(hop_on_loops, two_loops, true)
  ->Arg(1)
  ->Arg(16)
  ->UseRealTime()
  ->MeasureProcessCPUTime();

void hop_on_scheduler(benchmark::State& state, bool stealing) {
  caf::actor_system_config config;
  config.set("scheduler.max-threads", std::size_t{2});
  config.set("scheduler.policy",
             stealing ? caf::atom("stealing") : caf::atom("sharing"));
  caf::actor_system system{config};
  using scheduled_hopper = hopper<hop_actor::base>;
  run_rounds(state, system.spawn<scheduled_hopper>(),
             system.spawn<scheduled_hopper>());
}
BENCHMARK_CAPTURE(hop_on_scheduler, sharing, false)
  ->Arg(1)
  ->Arg(16)
  ->UseRealTime()
  ->MeasureProcessCPUTime();
BENCHMARK_CAPTURE(hop_on_scheduler, stealing, true)
  ->Arg(1)
  ->Arg(16)
  ->UseRealTime()
  ->MeasureProcessCPUTime();

} // namespace
