#include "tools/bench/storm/client.hpp"

#include <algorithm>
#include <stdexcept>

namespace weft::bench {

static_pair
storm_client::must_know(const identity& self, const public_key& server) {
  auto pair = static_pair::create(self, server);
  if (!pair)
    throw std::invalid_argument("no handshake is possible with this server");
  return *pair;
}

void storm_client::initiate(const instant& at, random_source& random) {
  state_ = noise_initiator::start(self_, server_, index_, to_tai64n(at.wall),
                                  random, message_);
  stamper_.stamp(message_, at.now);
}

bool storm_client::take_cookie(
  std::span<const std::byte, wire::cookie_reply_size> reply, time_point now) {
  if (!stamper_.consume_reply(reply, now))
    return false;
  stamper_.stamp(message_, now);
  return true;
}

void storm_client::take_response(
  std::span<const std::byte, wire::response_size> response, time_point now) {
  std::copy(response.begin(), response.end(), response_.begin());
  answered_ = now;
}

bool storm_client::verify() const {
  return state_ && answered_
         && state_->finish(self_, preshared_key{}, response_).has_value();
}

} // namespace weft::bench
