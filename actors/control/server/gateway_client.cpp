#include "actors/control/server/gateway_client.hpp"

#include <array>

namespace weft {

gateway_client::gateway_client(host& owner, std::uint64_t number,
                               channel connection, arrival known,
                               time_point deadline, relay_times times)
  : owner_(owner), number_(number), known_(std::move(known)),
    deadline_(deadline), times_(times), connection_(std::move(connection)) {
}

gateway_client::~gateway_client() {
  if (connection_)
    owner_.clients_loop().forget(connection_->descriptor());
  frames_.reset();
  if (is_inside())
    role_system::close(session_);
}

bool gateway_client::has_spoken() const {
  if (stage_ != stage::handshake)
    return tls() != nullptr || !heard_.empty();
  return tls() != nullptr && tls()->has_heard();
}

bool gateway_client::is_quiet() const {
  if (!frames_)
    return true;
  const auto& filter = static_cast<const frame_filter&>(frames_->policy());
  return frames_->is_drained() && filter.outstanding() == 0;
}

void gateway_client::ready(bool, bool) {
  owner_.client_enters();
  proceed();
}

void gateway_client::failed() {
  end("an unexpected failure");
}

void gateway_client::end(const std::string& why) {
  if (!std::exchange(over_, true))
    owner_.client_ended(number_, why, relay_end::closed); // ends this
}

/// Whether the operation is done; if not, it is waited for, or the end.
bool gateway_client::is_done(const channel_result& result) {
  switch (result.what) {
    case channel_result::status::done:
      return true;
    case channel_result::status::blocked:
      std::ignore = owner_.clients_loop().watch(connection_->descriptor(),
                                                result.wants, this);
      return false;
    case channel_result::status::closed:
      has_gone_ = true;
      end("it was closed by the other end");
      return false;
    case channel_result::status::failed:
      break;
  }
  end(connection_->failure());
  return false;
}

bool gateway_client::shake_hands() {
  if (!is_done(connection_->handshake()))
    return false;
  if (const auto* stream = connection_->tls(); stream && !known_.who)
    owner_.identify(stream->peer(), known_);
  return true;
}

bool gateway_client::listen() {
  std::array<char, client_hello::size> buffer{};
  while (heard_.size() < client_hello::size) {
    const auto got = connection_->read(
      std::span(buffer).first(client_hello::size - heard_.size()));
    if (!is_done(got))
      return false;
    heard_.append(buffer.data(), got.bytes);
  }
  read_hello();
  return true;
}

void gateway_client::read_hello() {
  const auto said = parse_client_hello(heard_);
  reception found;
  if (said) {
    found = owner_.receive(*this, *said);
  } else {
    found.reply.code = EPROTO;
    found.reply.text = "it does not speak weft's control protocol";
  }
  if (found.reply.answer != admission::granted)
    refusal_ = found.reply.text;
  session_ = std::move(found.session);
  policy_ = std::move(found.policy);
  answer_ = to_bytes(found.reply);
}

bool gateway_client::answer() {
  while (!answer_.empty()) {
    const auto sent = connection_->write(answer_);
    if (!is_done(sent))
      return false;
    answer_.erase(0, sent.bytes);
  }
  return true;
}

void gateway_client::proceed() {
  if (frames_) {
    frames_->proceed();
    return;
  }
  if (stage_ == stage::handshake) {
    if (!shake_hands())
      return;
    stage_ = stage::listening;
  }
  if (stage_ == stage::listening) {
    if (!listen())
      return;
    stage_ = stage::answering;
  }
  if (!answer())
    return;
  if (is_inside()) {
    begin_frames();
  } else {
    connection_->end();
    end(refusal_);
  }
}

void gateway_client::begin_frames() {
  auto& loop = owner_.clients_loop();
  loop.forget(connection_->descriptor());
  frame_relay::owner told;
  told.entered = [this] { owner_.client_enters(); };
  told.worked = [this] { owner_.client_worked(*this); };
  told.ended = [this](const std::string& why, relay_end how) {
    if (!std::exchange(over_, true))
      owner_.client_ended(number_, why, how); // ends this object
  };
  frames_ = std::make_unique<frame_relay>(loop, std::move(*connection_),
                                          std::move(session_.connection),
                                          std::move(policy_), times_,
                                          std::move(told));
  connection_.reset();
  frames_->proceed();
}

void gateway_client::check(time_point now) {
  if (frames_)
    frames_->check(now);
  else if (now >= deadline_)
    end(stage_ == stage::handshake ? "it did not complete the TLS handshake"
                                   : "it did not say what it wants");
}

void gateway_client::say_goodbye() {
  if (frames_)
    frames_->say_goodbye();
  else
    connection_->end();
}

} // namespace weft
