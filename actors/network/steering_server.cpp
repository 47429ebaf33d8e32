#include "actors/network/steering_server.hpp"

#include "platform/accounts.hpp"

#include <utility>

namespace weft {

namespace {

constexpr mode_t socket_mode = 0600;

} // namespace

result<std::unique_ptr<steering_server>>
steering_server::open(io_loop& loop, const std::string& path, host told) {
  auto socket = unix_listener::open(path, socket_mode);
  if (!socket)
    return tl::unexpected(std::move(socket.error()));
  return std::unique_ptr<steering_server>(
    new steering_server(loop, std::move(*socket), std::move(told)));
}

steering_server::steering_server(io_loop& loop, unix_listener socket, host told)
  : loop_(loop), socket_(std::move(socket)), told_(std::move(told)),
    self_(std::make_shared<steering_server*>(this)) {
  listener::owner callbacks;
  callbacks.accept = [this] { return accept(); };
  callbacks.rests = [this](time_point until) {
    loop_.call_off(std::exchange(rests_, {}));
    rests_ = loop_.call_at(until, [this] {
      rests_ = {};
      listener_->check(loop_.now());
    });
  };
  callbacks.failed = [this] { told_.failed(); };
  listener_ = std::make_unique<listener>(loop_, socket_.descriptor(),
                                         std::move(callbacks));
}

steering_server::~steering_server() {
  *self_ = nullptr;
  loop_.call_off(clears_);
  loop_.call_off(rests_);
}

bool steering_server::accept() {
  if (clients_.size() >= most_clients)
    return false;
  auto connection = socket_.accept();
  if (!connection)
    return false;
  const auto who = credentials_of(connection.get());
  if (!who || (who->user != 0 && who->user != own_user()))
    return true; // closed, without a word
  const auto number = ++last_number_;
  clients_[number].stream = std::make_unique<frame_stream>(
    loop_, static_cast<frame_stream::owner&>(*this), number,
    std::move(connection), most_question_bytes);
  return true;
}

void steering_server::stream_has(frame_stream& which, byte_vector frame) {
  const auto found = clients_.find(which.number());
  if (found == clients_.end())
    return;
  if (std::exchange(found->second.waits, true)) {
    which.finish(); // one question after the other
    return;
  }
  const auto number = which.number();
  auto question = read_steering_question(frame);
  if (!question) {
    answer(number, steering_failed{question.error().what});
    return;
  }
  told_.asked(*question, [self = self_, number](const steering_answer& what) {
    if (*self != nullptr)
      (*self)->answer(number, what);
  });
}

void steering_server::answer(std::uint64_t number,
                             const steering_answer& what) {
  const auto found = clients_.find(number);
  if (found == clients_.end())
    return;
  found->second.waits = false;
  found->second.stream->send(encode_frame(what));
}

/// It is at work, and ends later.
void steering_server::stream_ended(frame_stream& which, const std::string&) {
  const auto found = clients_.find(which.number());
  if (found == clients_.end())
    return;
  buried_.push_back(std::move(found->second.stream));
  clients_.erase(found);
  if (!clears_)
    clears_ = loop_.call_at(loop_.now(), [this] {
      clears_ = {};
      buried_.clear();
    });
}

} // namespace weft
