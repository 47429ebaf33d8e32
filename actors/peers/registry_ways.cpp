// Endpoints that lie behind the tunnel that they are to make: found before the
// first datagram goes there.
#include "actors/peers/registry.hpp"
#include "protocol/tunnel/trouble_words.hpp"

#include <utility>

namespace weft {

namespace {

std::string why_it_leads_home(const endpoint& where) {
  return to_string(where)
         + " is routed into the tunnel itself: take its address out of "
           "cluster_networks and allowed IPs that are routed";
}

} // namespace

void registry::check_way(slot_number slot) {
  auto& seat = seats_[slot];
  const auto& where = directory_.at(slot).address;
  if (!where || !neighbours_.leads_home)
    return seat.leads_home.reset();
  if (seat.leads_home != where)
    seat.leads_home.reset(); // it was another one that did
  if (!way_checks_.take(loop().now()))
    return; // as it was known last
  const auto known = std::exchange(seat.leads_home, std::nullopt);
  if (!neighbours_.leads_home(where->address))
    return;
  seat.leads_home = where;
  if (known != where)
    tell_event(event_kind::peer_troubled, slot, why_it_leads_home(*where));
}

void registry::check_ways() {
  // Where the round before has stopped: all have their turn, however often
  // the routes change.
  ways_left_ = directory_.slots();
  go_on_checking_ways();
}

void registry::go_on_checking_ways() {
  call_off(next_way_check_);
  for (; ways_left_ > 0; --ways_left_, ++next_way_) {
    if (next_way_ >= directory_.slots())
      next_way_ = 0;
    if (directory_.find(next_way_) == nullptr)
      continue;
    if (!way_checks_.has(loop().now())) {
      next_way_check_
        = call_at(way_checks_.available(), [this] { go_on_checking_ways(); });
      return;
    }
    check_way(next_way_);
  }
}

void registry::explain_way(slot_number slot, peer_status& status) const {
  const auto& home = seats_[slot].leads_home;
  if (!home || status.endpoint != home || status.state.word == peer_word::up)
    return;
  status.state.reason = why_it_leads_home(*home);
  status.state.cause = cause::own_tunnel;
}

} // namespace weft
