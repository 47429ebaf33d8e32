#include "protocol/tunnel/peer_health.hpp"

#include <algorithm>

namespace weft {

namespace {

/// Whether a completed handshake shows that this is over.  One that we began
/// says nothing of the peer's clock.
bool ends_with_handshake(const peer_trouble& what) {
  return !std::holds_alternative<trouble::key_shared>(what)
         && !std::holds_alternative<trouble::clock_behind>(what)
         && !std::holds_alternative<trouble::source_refused>(what);
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

// -- facts -------------------------------------------------------------------

void peer_health::identity_changed(bool is_there, time_point now) {
  enabled_ = is_there;
  if (since_ == time_point{})
    since_ = now; // it begins to exist
  forget_attempts();
  update(now);
}

void peer_health::endpoint_known(const std::optional<endpoint>& where,
                                 time_point now) {
  endpoint_ = where;
  update(now);
}

void peer_health::handshake_begun(const endpoint& to, unsigned tries,
                                  time_point now) {
  asked_ = to;
  tries_ = tries;
  // This host says so at each send, ICMP at some only.
  if (finding_ && std::holds_alternative<trouble::not_sent>(finding_->what)
      && now - finding_->when >= 2 * limits::rekey_timeout)
    finding_.reset(); // the try before was sent
  calm_at_.reset();
  attempted(now);
}

void peer_health::heard(time_point now) {
  forget_attempts();
  tries_ = 0;
  update(now);
}

void peer_health::handshake_completed(time_point now) {
  forget_attempts();
  tries_ = 0;
  silent_ = false;
  if (finding_ && ends_with_handshake(finding_->what))
    finding_.reset();
  up_until_ = now + limits::reject_after_time;
  update(now);
}

void peer_health::handshake_given_up(time_point now) {
  calm_at_ = now + limits::reject_after_time;
}

void peer_health::answered(const endpoint& to, unsigned unused,
                           time_point now) {
  calm_at_ = now + limits::reject_after_time;
  if (unused >= most_unused_answers)
    found(trouble::answers_unused{to, unused}, now);
  attempted(now);
}

void peer_health::network_error(int error, const endpoint& address,
                                time_point now) {
  // Anybody can forge it.  The endpoint may have changed since it was sent to.
  if (word_ != peer_word::up && (address == endpoint_ || address == asked_))
    found(trouble::refused_by_network{error, address}, now);
}

void peer_health::send_error(int error, const endpoint& address,
                             time_point now) {
  if (word_ != peer_word::up)
    found(trouble::not_sent{error, address}, now);
}

void peer_health::found(const peer_trouble& what, time_point now) {
  // What anybody may claim at any time says nothing of a peer that is up, and
  // does not hide what was seen.
  if (std::holds_alternative<trouble::wrong_key_used>(what)
      && (word_ == peer_word::up || (finding_ && is_fresh(*finding_, now))))
    return;
  finding_ = {what, now};
}

bool peer_health::is_fresh(const finding& what, time_point now) {
  // What comes with each packet is seen again at once, if it is so still.
  constexpr auto of_packets = std::chrono::seconds{30};
  const duration holds
    = std::holds_alternative<trouble::source_refused>(what.what)
        ? duration{of_packets}
        : duration{limits::reject_after_time};
  return now - what.when < holds;
}

void peer_health::attempted(time_point now) {
  if (!in_vain_since_)
    in_vain_since_ = now;
  if (now - *in_vain_since_ >= patience)
    failing_ = true;
  update(now);
}

void peer_health::forget_attempts() {
  in_vain_since_.reset();
  calm_at_.reset();
  failing_ = false;
}

// -- time --------------------------------------------------------------------

std::optional<time_point> peer_health::next_deadline() const {
  if (up_until_ && calm_at_)
    return std::min(*up_until_, *calm_at_);
  return up_until_ ? up_until_ : calm_at_;
}

void peer_health::handle_deadline(time_point now) {
  if (up_until_ && now >= *up_until_) {
    up_until_.reset();
    silent_ = true;
  }
  if (calm_at_ && now >= *calm_at_)
    forget_attempts();
  update(now);
}

// -- what it comes to --------------------------------------------------------

std::optional<peer_trouble> peer_health::reason(time_point now) const {
  if (word_ == peer_word::disabled)
    return std::nullopt;
  if (finding_ && is_fresh(*finding_, now))
    return finding_->what;
  if (word_ == peer_word::waiting)
    return trouble::no_endpoint{};
  if ((word_ == peer_word::failing || word_ == peer_word::idle) && asked_
      && tries_ > 0)
    return trouble::no_answer{*asked_, tries_};
  if (word_ == peer_word::idle && silent_)
    return trouble::no_handshake{};
  return std::nullopt;
}

std::optional<peer_trouble> peer_health::take_news(time_point now) {
  auto news = reason(now);
  // A peer that nobody wants anything of is no trouble.
  if (!news || word_ == peer_word::waiting
      || std::holds_alternative<trouble::no_handshake>(*news))
    return std::nullopt;
  auto& told = told_.at(news->index());
  if (told && now - *told < news_interval)
    return std::nullopt;
  told = now;
  return news;
}

peer_word peer_health::judge() const {
  if (!enabled_)
    return peer_word::disabled;
  if (failing_)
    return peer_word::failing;
  if (up_until_)
    return peer_word::up;
  if (!endpoint_)
    return peer_word::waiting;
  return in_vain_since_ ? peer_word::connecting : peer_word::idle;
}

void peer_health::update(time_point now) {
  const auto word = judge();
  if (word == word_)
    return;
  word_ = word;
  since_ = now;
}

} // namespace weft
