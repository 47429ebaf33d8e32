#include "protocol/tunnel/peer_health.hpp"

#include <cstring>

namespace weft {

namespace {

std::string seconds_of(duration time) {
  return std::to_string(
           std::chrono::duration_cast<std::chrono::seconds>(time).count())
         + " s";
}

std::string text_of(int error) {
  return std::string{std::strerror(error)};
}

struct sentence {
  std::string operator()(const trouble::no_answer&) const {
    return "no answer for " + seconds_of(limits::rekey_attempt_time)
           + ": is the other side running, does it know our public key, and "
             "does a firewall let UDP through?";
  }
  std::string operator()(const trouble::icmp& what) const {
    return to_string(what.from) + " says: " + text_of(what.error);
  }
  std::string operator()(const trouble::send_failed& what) const {
    return "this host cannot send to it: " + text_of(what.error);
  }
  std::string operator()(const trouble::name_not_found&) const {
    return "the name of its endpoint is not found";
  }
  std::string operator()(const trouble::wrong_key& what) const {
    return to_string(what.from) + " uses another key for this node";
  }
  std::string operator()(const trouble::source_refused& what) const {
    return "it sends from " + to_string(what.address)
           + ", which is not in its allowed IPs";
  }
  std::string operator()(const trouble::no_handshake&) const {
    return "no handshake for " + seconds_of(limits::reject_after_time);
  }
};

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

std::string to_string(const peer_trouble& what) {
  return std::visit(sentence{}, what);
}

void peer_health::enabled(bool is, time_point now) {
  enabled_ = is;
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
  is_up_to_ = now + silence_;
  update(now);
}

void peer_health::handshake_ended(time_point now) {
  asked_for_ = false;
  update(now);
}

void peer_health::found(const peer_trouble& what, time_point now) {
  trouble_ = what;
  update(now);
}

std::optional<time_point> peer_health::next_deadline() const {
  return is_up_to_;
}

void peer_health::handle_deadline(time_point now) {
  if (!is_up_to_ || now < *is_up_to_)
    return;
  is_up_to_.reset();
  if (!trouble_)
    trouble_ = trouble::no_handshake{};
  update(now);
}

peer_word peer_health::judge() const {
  if (!enabled_)
    return peer_word::disabled;
  if (is_up_to_)
    return peer_word::up;
  if (!asked_for_)
    return peer_word::idle;
  if (!endpoint_known_)
    return peer_word::waiting;
  const auto is_in_the_way
    = trouble_ && !std::holds_alternative<trouble::no_handshake>(*trouble_);
  return is_in_the_way ? peer_word::failing : peer_word::connecting;
}

void peer_health::update(time_point now) {
  const auto word = judge();
  if (word == word_)
    return;
  word_ = word;
  since_ = now;
}

} // namespace weft
