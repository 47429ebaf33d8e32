#include "protocol/tunnel/peer_health.hpp"

#include "protocol/base/wireguard.hpp"

namespace weft {

namespace {

std::string seconds_of(duration time) {
  return std::to_string(
           std::chrono::duration_cast<std::chrono::seconds>(time).count())
         + " s";
}

} // namespace

std::string_view to_string(peer_word word) {
  switch (word) {
    case peer_word::up:
      return "up";
    case peer_word::idle:
      return "idle";
    case peer_word::connecting:
      return "connecting";
    case peer_word::waiting:
      return "waiting";
    case peer_word::failing:
      return "failing";
    case peer_word::disabled:
      return "disabled";
  }
  return "unknown";
}

std::string to_string(peer_trouble what) {
  switch (what) {
    case peer_trouble::no_answer:
      return "no answer for " + seconds_of(limits::rekey_attempt_time)
             + ": is the other side running, does it know our public key, and "
               "does a firewall let UDP through?";
    case peer_trouble::no_handshake:
      return "no handshake for " + seconds_of(limits::reject_after_time);
  }
  return "unknown";
}

void peer_health::identity_changed(bool is_there, time_point now) {
  enabled_ = is_there;
  asked_for_ = false;
  update(now);
}

void peer_health::endpoint_known(bool is, time_point now) {
  endpoint_known_ = is;
  update(now);
}

void peer_health::handshake_begun(time_point now) {
  asked_for_ = true;
  update(now);
}

void peer_health::handshake_completed(time_point now) {
  asked_for_ = false;
  trouble_.reset();
  up_until_ = now + limits::reject_after_time;
  update(now);
}

void peer_health::handshake_given_up(time_point now) {
  asked_for_ = false;
  trouble_ = peer_trouble::no_answer;
  update(now);
}

void peer_health::handle_deadline(time_point now) {
  if (!up_until_ || now < *up_until_)
    return;
  up_until_.reset();
  if (!trouble_)
    trouble_ = peer_trouble::no_handshake;
  update(now);
}

peer_word peer_health::judge() const {
  if (!enabled_)
    return peer_word::disabled;
  if (up_until_)
    return peer_word::up;
  if (!endpoint_known_)
    return peer_word::waiting;
  if (!asked_for_)
    return peer_word::idle;
  return trouble_ == peer_trouble::no_answer ? peer_word::failing
                                             : peer_word::connecting;
}

void peer_health::update(time_point now) {
  const auto word = judge();
  if (word == word_)
    return;
  word_ = word;
  since_ = now;
}

} // namespace weft
