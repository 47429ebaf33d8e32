// Traffic between simulated hosts, with a record of what was sent, and bad
// networks.
#pragma once

#include "tests/sim/network.hpp"

#include <set>

namespace weft::test {

/// How bad a network is; chances are out of 1000.
struct weather {
  unsigned lost = 0;
  unsigned duplicated = 0;
  duration shortest = 5ms;
  duration longest = 50ms; ///< packets overtake each other up to the difference
  unsigned stalled = 0;    ///< datagrams that come a minute late
};

/// A rule for network::rule that depends on the seed only.
inline std::function<fate(const sent_datagram&)>
weather_rule(weather how, std::uint64_t seed) {
  return [how, random = std::make_shared<deterministic_random>(seed)](
           const sent_datagram&) {
    const auto range
      = static_cast<std::uint64_t>((how.longest - how.shortest).count()) + 1;
    auto delay = [&] {
      return how.shortest
             + duration(static_cast<duration::rep>(random->below(range)));
    };
    fate result;
    if (random->below(1000) >= how.lost)
      result.push_back(delay());
    if (random->below(1000) < how.duplicated)
      result.push_back(delay());
    if (random->below(1000) < how.stalled)
      result.push_back(delay() + 60s);
    return result;
  };
}

/// What two hosts send each other at random times, and the invariants that hold
/// whatever the network does.
class conversation {
public:
  conversation(network& net, std::uint64_t seed) : net_(net), random_(seed) {
  }

  /// Pauses between bursts are up to `pause`.
  void run(duration span, duration pause, std::size_t largest_burst = 8) {
    const auto end = net_.now() + span;
    while (net_.now() < end) {
      burst(random_.below(2), 1 + random_.below(largest_burst));
      net_.run_for(duration(static_cast<duration::rep>(
        random_.below(static_cast<std::uint64_t>(pause.count())))));
      check_bounds();
    }
  }

  void burst(std::size_t from, std::size_t packets) {
    std::vector<bytes> batch;
    for (std::size_t i = 0; i < packets; ++i)
      batch.push_back(make_packet(++sent_[from], 12 + random_.below(300)));
    net_.send(from, 0, batch);
  }

  /// Packets of `from` so far, and those that arrived.
  std::uint64_t sent(std::size_t from) const {
    return sent_[from];
  }
  std::size_t arrived(std::size_t from) {
    return net_[1 - from].received[0].size();
  }

  /// Of those packets of `from` that were sent after the first `number`.
  std::size_t arrived_since(std::size_t from, std::uint64_t number) {
    const auto& got = net_[1 - from].received[0];
    return static_cast<std::size_t>(
      std::count_if(got.begin(), got.end(),
                    [number](std::uint64_t one) { return one > number; }));
  }

  /// No packet came twice, none that was not sent (changed ones make the
  /// harness throw), and what waits is bounded.
  bool sound() {
    for (std::size_t from : {0u, 1u}) {
      const auto& got = net_[1 - from].received[0];
      const std::set<std::uint64_t> unique(got.begin(), got.end());
      if (unique.size() != got.size())
        return false;
      if (!got.empty()
          && (*unique.begin() < 1 || *unique.rbegin() > sent_[from]))
        return false;
    }
    return bounded_;
  }

private:
  void check_bounds() {
    for (std::size_t who : {0u, 1u}) {
      auto& session = net_[who].peer();
      bounded_ = bounded_ && peer_session_access::staged(session) <= 128
                 && peer_session_access::staged_bytes(session) <= 256 * 1024
                 && !session.has_transmit();
    }
  }

  network& net_;
  deterministic_random random_;
  std::array<std::uint64_t, 2> sent_{};
  bool bounded_ = true;
};

} // namespace weft::test
