// The public-key operations of a handshake, and the MACs that stand in front of
// them.
#include "platform/random.hpp"
#include "protocol/tunnel/cookie.hpp"
#include "protocol/tunnel/noise.hpp"
#include "tests/protocol/support.hpp"
#include "tools/bench/micro/support.hpp"

namespace {

using namespace weft;

/// Two hosts that know each other, and one handshake between them.
struct hosts {
  hosts() {
    initiate();
    respond();
  }

  void initiate() {
    initiator = noise_initiator::start(pair.a, pair.a_knows_b, 1, timestamp,
                                       random, initiation);
    to_b.stamp(initiation, now);
  }
  std::optional<noise_responder> read_initiation() const {
    const auto claim = noise_claim::open(pair.b, initiation);
    return claim ? noise_responder::accept(*claim, pair.b_knows_a)
                 : std::nullopt;
  }
  void respond() {
    responder = read_initiation();
    answer();
  }
  std::optional<session_keys> answer() {
    auto keys = responder->respond(psk, 2, random, response);
    to_a.stamp(response, now);
    return keys;
  }

  system_random random;
  test::acquainted_pair pair{random};
  preshared_key psk{generate_private_key(random).bytes()};
  tai64n timestamp = to_tai64n(wall_time(std::chrono::seconds(1700000000)));
  time_point now{std::chrono::hours(1)};
  cookie_stamper to_b{pair.b.public_static()};
  cookie_stamper to_a{pair.a.public_static()};
  initiation_message initiation{};
  response_message response{};
  std::optional<noise_initiator> initiator;
  std::optional<noise_responder> responder;
};

void items(benchmark::State& state) {
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

/// -> e, es, s, ss, {t}, and MAC1.
void initiation_created(benchmark::State& state) {
  hosts both;
  for (auto _ : state)
    both.initiate();
  items(state);
}
BENCHMARK(initiation_created)->Unit(benchmark::kMicrosecond);

/// MAC1, then all that the initiation says.
void initiation_consumed(benchmark::State& state) {
  hosts both;
  cookie_checker checker(both.pair.b.public_static(), both.random);
  for (auto _ : state) {
    benchmark::DoNotOptimize(checker.check(both.initiation, {}, both.now));
    if (!both.read_initiation())
      state.SkipWithError("an initiation was not accepted");
  }
  items(state);
}
BENCHMARK(initiation_consumed)->Unit(benchmark::kMicrosecond);

/// The part of it that a stranger can cause: one Diffie-Hellman operation.
void initiator_named(benchmark::State& state) {
  const hosts both;
  for (auto _ : state)
    benchmark::DoNotOptimize(noise_claim::open(both.pair.b, both.initiation));
  items(state);
}
BENCHMARK(initiator_named)->Unit(benchmark::kMicrosecond);

/// <- e, ee, se, psk, {}, the keys, and MAC1.
void response_created(benchmark::State& state) {
  hosts both;
  for (auto _ : state)
    benchmark::DoNotOptimize(both.answer());
  items(state);
}
BENCHMARK(response_created)->Unit(benchmark::kMicrosecond);

void response_consumed(benchmark::State& state) {
  const hosts both;
  for (auto _ : state) {
    if (!both.initiator->finish(both.pair.a, both.psk, both.response))
      state.SkipWithError("a response was not accepted");
  }
  items(state);
}
BENCHMARK(response_consumed)->Unit(benchmark::kMicrosecond);

/// What a message without a valid MAC1 costs, and one with it.
void mac_checked(benchmark::State& state, bool valid) {
  hosts both;
  cookie_checker checker(both.pair.b.public_static(), both.random);
  if (!valid)
    both.initiation[wire::initiation_ephemeral] ^= std::byte{1};
  for (auto _ : state)
    benchmark::DoNotOptimize(checker.check(both.initiation, {}, both.now));
  items(state);
}
BENCHMARK_CAPTURE(mac_checked, forged, false);
BENCHMARK_CAPTURE(mac_checked, valid, true);

void cookie_reply_made(benchmark::State& state) {
  hosts both;
  cookie_checker checker(both.pair.b.public_static(), both.random);
  for (auto _ : state)
    benchmark::DoNotOptimize(checker.make_reply(both.initiation, {}, both.now));
  items(state);
}
BENCHMARK(cookie_reply_made);

} // namespace
