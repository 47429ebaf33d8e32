// What the peer actor tells of its session: events, its health, and lines in
// the log.
#include "actors/peers/peer.hpp"
#include "platform/network.hpp"
#include "protocol/tunnel/trouble_words.hpp"

namespace weft {

void peer::tell_events(const instant& at) {
  const auto& path = session_.path();
  if (path && told_.remote != path->remote) {
    told_.remote = path->remote;
    path_mtu_ = 0; // it was another path's
    health_.endpoint_known(told_.remote, at.now);
    tell(event_kind::endpoint_changed, at);
    endpoint_moved(path->remote, at);
    if (path->local) // it was heard from there, and not only tried
      note();
  }
  if (told_.handshake != session_.last_handshake()) {
    told_.handshake = session_.last_handshake();
    handshake_completed(at);
  }
  if (told_.given_up != session_.handshakes_given_up()) {
    told_.given_up = session_.handshakes_given_up();
    health_.handshake_given_up(at.now);
    const auto reason = health_.reason(at.now);
    tell(event_kind::handshake_failed, at, reason ? words_for(*reason) : "");
    arm(health_.next_deadline());
  }
  if (initiations_changed(at)) {
    if (told_.unanswered > 1 && !endpoint_host_.empty()) {
      send(neighbours_.registry, endpoint_unanswered{session_.key()});
    } else if (told_.unanswered > 1 && session_.path()) {
      // For the next repetition: an answer to this one must find its handshake.
      if (const auto next = turns_.next(session_.path()->remote)) {
        session_.set_endpoint(*next);
        swings_.redirected(*next);
      }
    }
    tell_health(at);
  }
}

void peer::handshake_completed(const instant& at) {
  const auto was_up = health_.is_up();
  health_.handshake_completed(at.now);
  told_.unused_answers = 0;
  tell(event_kind::handshake_completed, at);
  note();
  if (!was_up)
    tell(event_kind::peer_up, at);
  tell_health(at);
  arm(health_.next_deadline());
}

void peer::tell_silence(const instant& at) {
  const auto was_up = health_.is_up();
  health_.handle_deadline(at.now);
  if (was_up && !health_.is_up())
    tell(event_kind::peer_down, at, to_string(trouble::no_handshake{}));
  tell_health(at);
}

bool peer::initiations_changed(const instant& at) {
  if (told_.unanswered == session_.unanswered())
    return false;
  told_.unanswered = session_.unanswered();
  if (told_.unanswered > 0) {
    hear(at);
    health_.handshake_begun(session_.path()->remote, told_.unanswered, at.now);
  }
  return true;
}

void peer::hear(const instant& at) {
  if (told_.received == session_.received().packets)
    return;
  told_.received = session_.received().packets;
  health_.heard(at.now);
}

void peer::endpoint_moved(const endpoint& to, const instant& at) {
  if (const auto both = swings_.moved(to, at.now)) {
    health_.found(trouble::key_shared{both->first, both->second}, at.now);
    tell_health(at);
  }
}

void peer::note_handshake(const endpoint& from, const instant& at) {
  using cause = handshake_refusal::cause;
  if (const auto refused = session_.take_refusal()) {
    if (refused->why == cause::answer_not_opened)
      health_.found(trouble::answer_not_opened{refused->from}, at.now);
    // One alone may be a datagram that the network has doubled.
    else if (refused->in_a_row > 1 && refused->behind.count() > 0)
      health_.found(trouble::clock_behind{refused->from, refused->behind},
                    at.now);
  }
  if (told_.unused_answers != session_.unused_answers()) {
    told_.unused_answers = session_.unused_answers();
    if (told_.unused_answers > 0) {
      hear(at);
      health_.answered(from, told_.unused_answers, at.now);
      arm(health_.next_deadline());
    }
  }
  tell_health(at);
}

void peer::tell_health(const instant& at) {
  const auto fails = health_.word() == peer_word::failing;
  const auto reason = health_.reason(at.now);
  if (told_.failing != fails) {
    told_.failing = fails;
    auto text = std::string{to_string(health_.word())};
    if (reason)
      text += ": " + words_for(*reason);
    tell(event_kind::peer_state_changed, at, std::move(text));
  }
  if (const auto news = health_.take_news(at.now))
    tell(event_kind::peer_troubled, at, words_for(*news));
}

void peer::note_refused(const ip_address& source, const instant& at) {
  constexpr duration pause
    = std::chrono::seconds{1}; // a peer may send anything
  auto& [asked, is_ours, when] = asked_about_;
  if (source != asked && (!when || at.now - *when >= pause)) {
    // What is for an address of its own, a host sends from that address.
    const auto way = find_route(source);
    asked = source;
    is_ours = way && way->source == source;
    when = at.now;
  }
  health_.found(trouble::source_refused{source}, at.now);
  tell_health(at);
}

bool peer::is_same_address(const peer_trouble& what) const {
  const auto* refused = std::get_if<trouble::source_refused>(&what);
  return refused != nullptr && asked_about_.is_ours
         && refused->source == asked_about_.source;
}

std::string peer::words_for(const peer_trouble& what) const {
  return is_same_address(what) ? same_address_text(asked_about_.source)
                               : to_string(what);
}

// -- lines in the log --------------------------------------------------------

std::string name_in_log(const std::string& name, const public_key& key) {
  return name.empty() ? shortened(to_string(key)) : name;
}

std::string peer::line_start() const {
  return "peer " + name_in_log(name_, session_.key()) + ": ";
}

void peer::log_handshake(std::string_view what, message_type type,
                         const endpoint& where) const {
  if (space_->lines)
    space_->lines->line(spdlog::level::debug, [&] {
      return line_start() + std::string{to_string(type)} + ' '
             + std::string{what} + ' ' + to_string(where);
    });
}

void peer::log_sent_handshakes(const datagram_buffer& sent) const {
  if (!space_->lines || !space_->lines->wants(spdlog::level::debug))
    return;
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const auto type = wire::classify(sent[i]);
    if (type && *type != message_type::transport)
      log_handshake("sent to", *type, session_.path()->remote);
  }
}

void peer::tell(event_kind kind, const instant& at, std::string reason) {
  overlay_event event;
  event.kind = kind;
  event.when = at.wall;
  event.peer = session_.key();
  event.peer_name = name_;
  if (kind != event_kind::peer_down) // nobody knows where it is
    event.endpoint = told_.remote;
  event.reason = std::move(reason);
  send(neighbours_.events, std::move(event));
}

} // namespace weft
