#include "actors/peers/strangers.hpp"

#include <algorithm>
#include <utility>

namespace weft {

namespace {

ip_prefix network_of(const ip_address& address) {
  const std::uint8_t length = address.is_v4() ? 24 : 64;
  return ip_prefix{address, length}.network();
}

} // namespace

bool strangers::knocks(const public_key& key, const endpoint& from,
                       time_point now) {
  std::erase_if(known_, [now](const stranger& one) {
    return now - one.told >= stranger_interval;
  });
  const auto network = network_of(from.address);
  const auto is_there = [&](const stranger& one) {
    return one.network == network && one.key == key;
  };
  const auto neighbours
    = std::ranges::count(known_, network, &stranger::network);
  if (known_.size() == most
      || static_cast<std::size_t>(neighbours) == most_of_network
      || std::ranges::any_of(known_, is_there))
    return false;
  known_.push_back({network, key, now});
  return true;
}

std::optional<wrong_key_summary>
strangers::uses_wrong_key(const endpoint& from, time_point now) {
  ++untold_.messages;
  untold_.last = from;
  if (summary_told_ && now - *summary_told_ < summary_interval)
    return std::nullopt;
  summary_told_ = now;
  return std::exchange(untold_, {});
}

} // namespace weft
