#include "actors/network/connection_bounds.hpp"

#include <algorithm>

namespace weft {

namespace {

constexpr std::size_t index_of(connection_kind kind) {
  return static_cast<std::size_t>(kind);
}

/// A second's worth at once.
token_bucket bucket_of(unsigned in_second) {
  const auto count = std::max(in_second, 1U);
  return {count, duration{std::chrono::seconds{1}} / count};
}

} // namespace

connection_bounds::source_state::source_state(const directory_limits& limits)
  : arrivals(bucket_of(limits.new_of_source_in_second)) {
}

connection_bounds::connection_bounds(const directory_limits& limits)
  : limits_(limits), accepted_(bucket_of(limits.accepted_in_second)),
    arrivals_(bucket_of(limits.new_in_second)) {
}

ip_address connection_bounds::source_of(const ip_address& address) {
  constexpr std::uint8_t network_bits = 64;
  const auto plain = address.unmapped();
  return plain.is_v4() ? plain
                       : ip_prefix{plain, network_bits}.network().address;
}

bool connection_bounds::may_accept(time_point now) const {
  return accepted_.has(now) && arrivals_.has(now);
}

bool connection_bounds::has_room(connection_kind kind) const {
  const std::array<std::size_t, kinds> bounds{limits_.unknown, limits_.joining,
                                              limits_.members};
  return count(kind) < bounds.at(index_of(kind));
}

bool connection_bounds::has_room(const source_state& source,
                                 connection_kind kind) const {
  const std::array<std::size_t, kinds> bounds{limits_.unknown_of_source,
                                              limits_.joining_of_source,
                                              limits_.members_of_source};
  return source.connections.at(index_of(kind)) < bounds.at(index_of(kind));
}

bool connection_bounds::may_come(const ip_address& source, time_point now) {
  std::ignore = accepted_.take(now);
  if (sources_.size() >= most_sources)
    forget_silent(now);
  auto found = sources_.find(source);
  if (found == sources_.end()) {
    if (sources_.size() >= most_sources)
      return false;
    found = sources_.emplace(source, limits_).first;
  }
  return found->second.arrivals.take(now)
         && has_room(found->second, connection_kind::unknown);
}

bool connection_bounds::admit(const ip_address& source, time_point now) {
  const auto found = sources_.find(source);
  if (found == sources_.end() || !has_room(connection_kind::unknown))
    return false;
  std::ignore = arrivals_.take(now);
  ++found->second.connections.at(index_of(connection_kind::unknown));
  ++all_.at(index_of(connection_kind::unknown));
  return true;
}

bool connection_bounds::promote(const ip_address& source, connection_kind to) {
  const auto found = sources_.find(source);
  if (found == sources_.end() || !has_room(to) || !has_room(found->second, to))
    return false;
  remove(source, connection_kind::unknown);
  ++found->second.connections.at(index_of(to));
  ++all_.at(index_of(to));
  return true;
}

void connection_bounds::remove(const ip_address& source, connection_kind kind) {
  const auto found = sources_.find(source);
  if (found == sources_.end()
      || found->second.connections.at(index_of(kind)) == 0)
    return;
  --found->second.connections.at(index_of(kind));
  --all_.at(index_of(kind));
}

std::size_t
connection_bounds::count(connection_kind kind, const ip_address& source) const {
  const auto found = sources_.find(source);
  return found == sources_.end() ? 0
                                 : found->second.connections.at(index_of(kind));
}

void connection_bounds::forget_silent(time_point now) {
  std::erase_if(sources_, [&](const auto& each) {
    return each.second.connections == counts{}
           && each.second.arrivals.is_full(now);
  });
}

} // namespace weft
