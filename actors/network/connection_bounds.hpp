// How many connections a directory has, in all and of one source, and how fast
// new ones may come: who asks for many takes nobody else's place.
#pragma once

#include "actors/network/start_directory.hpp"
#include "protocol/base/token_bucket.hpp"

#include <array>
#include <map>

namespace weft {

/// What a connection counts as: it is unknown until it has proven itself.
enum class connection_kind : std::uint8_t { unknown, joining, member };

class connection_bounds {
public:
  explicit connection_bounds(const directory_limits& limits);

  /// Who is told apart: an IPv4 address, an IPv6 network of /64.
  static ip_address source_of(const ip_address& address);

  /// Whether one more may be accepted, whoever it is.
  bool may_accept(time_point now) const;
  /// One was accepted: whether its source may have one more.
  bool may_come(const ip_address& source, time_point now);
  /// Whether there is room for it, as unknown; then it is counted.
  bool admit(const ip_address& source, time_point now);
  /// Whether one that is unknown may be something else; then it is.
  bool promote(const ip_address& source, connection_kind to);
  void remove(const ip_address& source, connection_kind kind);

  std::size_t count(connection_kind kind) const {
    return all_.at(static_cast<std::size_t>(kind));
  }
  std::size_t count(connection_kind kind, const ip_address& source) const;

private:
  static constexpr std::size_t kinds = 3;
  /// That are remembered for having come often; of others only all together
  /// are bounded.
  static constexpr std::size_t most_sources = 65'536;

  using counts = std::array<std::size_t, kinds>;
  struct source_state {
    explicit source_state(const directory_limits& limits);
    counts connections{};
    token_bucket arrivals;
  };

  bool has_room(connection_kind kind) const;
  bool has_room(const source_state& source, connection_kind kind) const;
  void forget_silent(time_point now);

  const directory_limits& limits_;
  counts all_{};
  token_bucket accepted_;
  token_bucket arrivals_; ///< of those that were let stay
  std::map<ip_address, source_state> sources_;
};

} // namespace weft
