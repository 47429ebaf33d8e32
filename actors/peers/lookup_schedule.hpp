// Which host name is looked up when, so that names that nobody answers for hold
// up none of the others.  Plain data: time comes in, names come out.
#pragma once

#include "config/node_config.hpp"
#include "protocol/base/time.hpp"

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace weft {

/// A look-up that takes long does not count any more among those that go on at
/// a time, so the next one begins.  Names that took long the last time come
/// last, and leave places free.
class lookup_schedule {
public:
  /// So long the addresses of a name are used that a server says has none any
  /// more.
  static constexpr duration known_while_gone = std::chrono::minutes{10};

  struct limits {
    std::size_t at_a_time = 8; ///< of those that have not taken long
    std::size_t slow = 32;     ///< names that took long the last time
    std::size_t in_all = 64;
    duration takes_long = std::chrono::seconds{1};
    duration too_long = std::chrono::seconds{10}; ///< whoever asked hears of it
  };

  lookup_schedule() : lookup_schedule(limits{}) {
  }
  explicit lookup_schedule(const limits& most) : most_(most) {
  }

  /// Asks for `host`, unless that has been asked for already.
  void add(const host_endpoint& host, time_point now);
  /// Nobody waits for it any more.  A look-up that goes on is not interrupted.
  void remove(const host_endpoint& host);
  /// The look-ups to be begun now.
  std::vector<host_endpoint> begin(time_point now);
  /// A look-up has ended.
  void finished(const host_endpoint& host, time_point now);
  /// Those that have become too long, each named once.
  std::vector<host_endpoint> too_long(time_point now);
  /// When begin() or too_long() may have something to say again.
  std::optional<time_point> next_change(time_point now) const;

private:
  using key = std::pair<std::string, std::uint16_t>;
  struct lookup {
    time_point began;
    bool was_slow = false;            ///< the time before
    std::optional<time_point> report; ///< that it takes too long
  };

  static key key_of(const host_endpoint& host) {
    return {host.host, host.port};
  }

  limits most_;
  std::deque<host_endpoint> waiting_;
  std::set<key> is_waiting_;
  std::map<key, lookup> going_on_;
  std::set<key> slow_; ///< names that took long the last time
};

} // namespace weft
