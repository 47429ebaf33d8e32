#include "protocol/network/directory_turns.hpp"

#include <algorithm>
#include <utility>

namespace weft {

namespace {

/// Twice as long each time.
duration rest_after(unsigned refusals) {
  duration rest = directory_turns::first_rest;
  for (unsigned i = 0; i < refusals && rest < directory_turns::longest_rest;
       ++i)
    rest *= 2;
  return std::min<duration>(rest, directory_turns::longest_rest);
}

} // namespace

directory_turns::directory_turns(std::vector<directory_address> places,
                                 std::size_t first)
  : next_(first) {
  for (auto& each : places) {
    auto& made = places_.emplace_back();
    made.where = std::move(each);
  }
}

// -- turns -------------------------------------------------------------------

const directory_address* directory_turns::next(time_point now) {
  for (;; ++next_) {
    next_ %= places_.size();
    if (is_in_turn(places_[next_], now))
      break;
    if (++missed_ >= places_.size()) {
      ++next_;
      return nullptr;
    }
  }
  at_ = next_++;
  who_ = {};
  addresses_ = 0;
  passed_over_ = 0;
  return &present().where;
}

bool directory_turns::miss() {
  if (std::exchange(once_more_, false)) {
    next_ = at_;
    return false;
  }
  if (addresses_ > 0 && passed_over_ >= addresses_)
    present().has_more = false;
  return ++missed_ >= places_.size();
}

bool directory_turns::end_round() {
  missed_ = 0;
  left_.reset();
  takes_cut_off_
    = !takes_cut_off_
      && std::any_of(places_.begin(), places_.end(),
                     [&](const auto& each) { return is_cut_off(each); });
  return takes_cut_off_;
}

/// Those that are cut off have a round of their own.
bool directory_turns::is_in_turn(const place& which, time_point now) const {
  if (now < which.rests_until)
    return false;
  if (takes_cut_off_)
    return is_cut_off(which);
  return which.has_more || which.met.empty()
         || std::any_of(which.met.begin(), which.met.end(),
                        [&](const auto& who) { return !is_passed_over(who); });
}

bool directory_turns::is_cut_off(const place& which) const {
  return std::any_of(which.met.begin(), which.met.end(),
                     [&](const auto& who) { return cut_off_.count(who) != 0; });
}

bool directory_turns::is_passed_over(const verifying_key& who) const {
  return !takes_cut_off_ && (cut_off_.count(who) != 0 || left_ == who);
}

// -- who is there ------------------------------------------------------------

bool directory_turns::meet(const verifying_key& who, std::size_t addresses) {
  who_ = who;
  addresses_ = addresses;
  present().met.insert(who);
  present().has_more = addresses > 1;
  if (!is_passed_over(who))
    return true;
  ++passed_over_;
  return false;
}

bool directory_turns::welcome(bool cut_off) {
  set_cut_off(cut_off);
  present().refusals = 0;
  if (!cut_off)
    present().met = {who_};
  if (!takes_cut_off_ && is_to_be_left()) {
    once_more_ = present().has_more;
    return false;
  }
  missed_ = 0;
  takes_cut_off_ = false;
  left_.reset();
  return true;
}

void directory_turns::refuse(time_point now) {
  present().rests_until = now + rest_after(present().refusals++);
}

// -- the one that is connected -----------------------------------------------

void directory_turns::set_cut_off(bool is_so) {
  if (is_so)
    cut_off_.insert(who_);
  else
    cut_off_.erase(who_);
}

bool directory_turns::is_to_be_left() const {
  return cut_off_.count(who_) != 0 && !is_alone();
}

bool directory_turns::is_alone() const {
  return std::all_of(places_.begin(), places_.end(), [&](const auto& each) {
    return !each.has_more && each.met == std::set{who_};
  });
}

void directory_turns::leave_cut_off() {
  cut_off_ = {who_};
}

void directory_turns::leave() {
  left_ = who_;
}

} // namespace weft
