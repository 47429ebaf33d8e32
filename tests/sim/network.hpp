// A simulated network: hosts, virtual time that jumps from event to event, and
// a rule for what becomes of each datagram.  The same seed, the same run.
#pragma once

#include "tests/sim/host.hpp"

#include <array>
#include <functional>
#include <queue>

namespace weft::test {

using namespace std::chrono_literals;

/// A datagram that a host has sent.
struct sent_datagram {
  time_point when;
  std::size_t from = 0; ///< the host's number
  endpoint source;
  endpoint destination;
  bytes content;

  message_type type() const {
    return static_cast<message_type>(content[0]);
  }
  bool is_keepalive() const {
    return type() == message_type::transport && content.size() == 32;
  }
};

/// The delays after which copies of a datagram arrive; none: it is lost.
using fate = std::vector<duration>;

class network {
public:
  explicit network(std::uint64_t seed = 1) : seed_(seed) {
  }

  /// How long a datagram takes, as long as `rule` is not set.
  duration latency = 20ms;
  std::function<fate(const sent_datagram&)> rule;
  /// All that was sent; only kept while `tracing`.
  std::vector<sent_datagram> trace;
  bool tracing = true;
  std::uint64_t datagrams_sent = 0;

  time_point now() const {
    return now_;
  }
  instant at(std::size_t who) const {
    return hosts_.at(who)->at(now_);
  }
  host& operator[](std::size_t who) {
    return *hosts_.at(who);
  }
  std::size_t size() const {
    return hosts_.size();
  }

  std::size_t add_host() {
    hosts_.push_back(std::make_unique<host>(hosts_.size() + 1, seed_));
    return hosts_.size() - 1;
  }

  /// Makes two hosts known to each other.  Only the first knows where the
  /// other one is, unless `both`.
  void acquaint(std::size_t a, std::size_t b, bool both = true) {
    hosts_[a]->add_peer(*hosts_[b]).set_endpoint(hosts_[b]->address);
    auto& back = hosts_[b]->add_peer(*hosts_[a]);
    if (both)
      back.set_endpoint(hosts_[a]->address);
  }

  void
  send(std::size_t from, std::size_t slot, const std::vector<bytes>& packets) {
    hosts_[from]->send(slot, packets, now_);
    collect(from);
  }

  /// To be called after tests have touched a session.
  void collect(std::size_t from) {
    for (auto& message : hosts_[from]->take_outgoing(now_)) {
      ++datagrams_sent;
      dispatch({now_, from, hosts_[from]->address, message.to,
                std::move(message.content)});
    }
  }

  /// Puts a datagram onto the network as if `source` had sent it.
  void inject(const endpoint& source, const endpoint& destination,
              const bytes& content, duration delay = 0s) {
    in_flight_.push({now_ + delay, order_++, source, destination, content});
  }

  void run_for(duration span) {
    run_until(now_ + span);
  }
  void run_until(time_point end) {
    unsigned events_at_once = 0;
    while (const auto event = next_event()) {
      if (event->when > end)
        break;
      events_at_once = event->when > now_ ? 0 : events_at_once + 1;
      if (events_at_once > 100'000)
        throw std::logic_error("time stands still");
      now_ = std::max(now_, event->when);
      perform(*event);
    }
    now_ = end;
  }

  /// When the next deadline of any session is.
  std::optional<time_point> next_deadline() const {
    const auto next = earliest_deadline();
    return next ? std::optional(next->when) : std::nullopt;
  }

private:
  struct in_flight {
    time_point when;
    std::uint64_t order;
    endpoint source, destination;
    bytes content;
    bool operator<(const in_flight& other) const {
      return std::pair(when, order) > std::pair(other.when, other.order);
    }
  };
  struct next_step {
    time_point when;
    bool arrival = false;
    std::size_t who = 0, slot = 0;
  };

  std::optional<next_step> earliest_deadline() const {
    std::optional<next_step> earliest;
    for (std::size_t who = 0; who < hosts_.size(); ++who) {
      auto& owner = *hosts_[who];
      for (std::size_t slot = 0; !owner.asleep && slot < owner.peer_count();
           ++slot) {
        const auto next = owner.peer(slot).next_deadline();
        if (next && (!earliest || *next - owner.boot_error < earliest->when))
          earliest = next_step{*next - owner.boot_error, false, who, slot};
      }
    }
    return earliest;
  }

  std::optional<next_step> next_event() const {
    auto earliest = earliest_deadline();
    if (!in_flight_.empty()
        && (!earliest || in_flight_.top().when <= earliest->when))
      earliest = next_step{in_flight_.top().when, true};
    return earliest;
  }

  void perform(const next_step& what) {
    if (!what.arrival) {
      hosts_[what.who]->handle_deadlines(what.slot, now_);
      collect(what.who);
      return;
    }
    const auto message = in_flight_.top();
    in_flight_.pop();
    for (std::size_t who = 0; who < hosts_.size(); ++who) {
      auto& receiver = *hosts_[who];
      if (receiver.address != message.destination || receiver.asleep)
        continue;
      receiver.receive(message.content,
                       {message.source, local_of(receiver.address)}, now_);
      collect(who);
    }
  }

  void dispatch(sent_datagram message) {
    const auto delays = rule ? rule(message) : fate{latency};
    for (const auto delay : delays)
      inject(message.source, message.destination, message.content, delay);
    if (tracing)
      trace.push_back(std::move(message));
  }

  std::uint64_t seed_;
  time_point now_ = time_point(24h);
  std::vector<std::unique_ptr<host>> hosts_;
  std::priority_queue<in_flight> in_flight_;
  std::uint64_t order_ = 0;
};

/// Two hosts that know each other; most tests need no more.
struct pair_network : network {
  explicit pair_network(std::uint64_t seed = 1) : network(seed) {
    add_host();
    add_host();
    acquaint(0, 1);
  }

  static constexpr std::size_t a = 0;
  static constexpr std::size_t b = 1;

  peer_session& session(std::size_t who) {
    return (*this)[who].peer();
  }
  /// Sends the next packet of `who`.
  void send_packet(std::size_t who, std::size_t length = 100) {
    send(who, 0, {make_packet(++numbers_[who], length)});
  }
  /// Numbers of the packets that `who` has received, in order.
  const std::vector<std::uint64_t>& received(std::size_t who) {
    return (*this)[who].received[0];
  }
  /// A session that `a` has initiated, and no packet sent but one keepalive.
  void establish() {
    session(a).initiate_handshake(at(a));
    collect(a);
    run_for(1s);
    if (!session(a).session_created() || !session(b).session_created())
      throw std::logic_error("no session");
    trace.clear();
  }
  std::size_t count(message_type type, std::size_t from) const {
    return static_cast<std::size_t>(
      std::count_if(trace.begin(), trace.end(), [&](const auto& sent) {
        return sent.type() == type && sent.from == from;
      }));
  }
  std::size_t initiations(std::size_t from) const {
    return count(message_type::initiation, from);
  }
  std::size_t keepalives(std::size_t from) const {
    return static_cast<std::size_t>(
      std::count_if(trace.begin(), trace.end(), [&](const auto& sent) {
        return sent.is_keepalive() && sent.from == from;
      }));
  }
  /// A rule that loses what `lost` says, and delays the rest by `latency`.
  void lose(std::function<bool(const sent_datagram&)> lost) {
    rule = [this, lost = std::move(lost)](const sent_datagram& message) {
      return lost(message) ? fate{} : fate{latency};
    };
  }
  void lose_all() {
    lose([](const auto&) { return true; });
  }
  void lose_nothing() {
    rule = nullptr;
  }

private:
  std::array<std::uint64_t, 2> numbers_{};
};

} // namespace weft::test
