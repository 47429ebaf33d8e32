#include "actors/network/issuer_link.hpp"

#include "platform/connect.hpp"

#include <utility>

namespace weft {

namespace {

/// Beyond what the issuer was asked to wait.
constexpr std::chrono::seconds items_delay{10};
constexpr std::chrono::seconds no_patience{0};
constexpr std::uint64_t items_number = 0;

} // namespace

issuer_link::issuer_link(io_loop& loop, std::string path,
                         std::chrono::milliseconds patience, listener told)
  : loop_(loop), path_(std::move(path)), patience_(patience),
    told_(std::move(told)), pauses_(loop.random()), alarm_(loop, [this] {
      told_.enters();
      try {
        check();
      } catch (...) {
        told_.failed();
      }
    }) {
  connects_at_ = loop_.now();
  alarm_.set(*connects_at_);
}

issuer_link::~issuer_link() {
  alarm_.stop();
}

result<std::unique_ptr<frame_stream>> issuer_link::open(std::uint64_t number) {
  auto socket = start_connect_unix(path_);
  if (!socket)
    return tl::unexpected(std::move(socket.error()));
  return std::make_unique<frame_stream>(
    loop_, static_cast<frame_stream::owner&>(*this), number, std::move(*socket),
    most_issuing_frame_bytes);
}

/// They may be at work still when they end.
void issuer_link::bury(std::unique_ptr<frame_stream> stream) {
  stream->drop();
  buried_.push_back(std::move(stream));
  alarm_.set(loop_.now());
}

// -- the issuer comes and goes -----------------------------------------------

void issuer_link::connect() {
  connects_at_.reset();
  auto stream = open(items_number);
  if (!stream) {
    lose(stream.error().message);
    return;
  }
  items_ = std::move(*stream);
  // Whether it answers at all: what comes of it is asked for once more.
  items_->send(
    encode_frame(issuing_question{ask_items{asked_after_, no_patience}}));
  items_until_ = loop_.now() + items_delay;
  alarm_.set(*items_until_);
}

void issuer_link::lose(const std::string& why) {
  if (items_)
    bury(std::move(items_));
  answered_ = false;
  items_until_.reset();
  trouble_ = why;
  connects_at_ = loop_.now() + pauses_.next();
  alarm_.set(*connects_at_);
  told_.there(false, why);
}

void issuer_link::stream_ended(frame_stream& which, const std::string& why) {
  if (which.number() == items_number) {
    if (items_.get() == &which)
      lose("The connection to the issuer at " + path_ + " was lost: " + why);
    return;
  }
  const auto found = lines_.find(which.number());
  if (found == lines_.end())
    return;
  auto ended = std::move(found->second);
  lines_.erase(found);
  bury(std::move(ended.stream));
  if (ended.under_way)
    give_up(*ended.under_way, why);
  ask_next();
}

// -- items -------------------------------------------------------------------

void issuer_link::ask_for_items(std::uint64_t after) {
  if (!is_there())
    return;
  asked_after_ = after;
  items_->send(
    encode_frame(issuing_question{ask_items{after, items_patience}}));
  items_until_ = loop_.now() + items_patience + items_delay;
  alarm_.set(*items_until_);
}

void issuer_link::take_items(const_byte_span frame) {
  items_until_.reset();
  auto read = read_issuing_answer(frame);
  if (!read) {
    lose("The issuer at " + path_
         + " gives answers that this weft does not understand: "
         + read.error().what);
    return;
  }
  if (!std::exchange(answered_, true)) {
    trouble_.clear();
    pauses_.reset();
    told_.there(true, {});
    ask_next();
    return;
  }
  if (auto* items = std::get_if<issued_items>(&*read))
    told_.items(std::move(*items));
  else if (auto* refused = std::get_if<issuing_refused>(&*read))
    told_.items(tl::unexpected(std::move(refused->why)));
  else
    lose("The issuer at " + path_ + " answers what it was not asked");
}

void issuer_link::stream_has(frame_stream& which, byte_vector frame) {
  if (which.number() == items_number) {
    if (items_.get() == &which)
      take_items(frame);
    return;
  }
  if (const auto found = lines_.find(which.number()); found != lines_.end())
    take_answer(found->second, frame);
}

// -- questions ---------------------------------------------------------------

void issuer_link::ask(const issuing_question& question, answer then) {
  waiting_.push_back(
    {encode_frame(question), std::move(then), loop_.now() + patience_});
  alarm_.set(loop_.now()); // later, as promised
}

void issuer_link::give_up(const asked& what, const std::string& why) {
  what.then(refuse(refusal::unavailable,
                   "the issuer of the network cannot be asked now: " + why));
}

void issuer_link::take_answer(line& from, const_byte_span frame) {
  if (!from.under_way) {
    stream_ended(*from.stream, "it answers what it was not asked");
    return;
  }
  auto read = read_issuing_answer(frame);
  auto answered = std::move(*std::exchange(from.under_way, {}));
  ask_next();
  if (!read)
    answered.then(tl::unexpected(std::move(read.error())));
  else if (auto* no = std::get_if<issuing_refused>(&*read))
    answered.then(tl::unexpected(std::move(no->why)));
  else
    answered.then(std::move(*read));
}

issuer_link::line* issuer_link::find_line() {
  for (auto& [number, each] : lines_) {
    if (!each.under_way)
      return &each;
  }
  if (lines_.size() >= most_asked)
    return nullptr;
  auto stream = open(++last_number_);
  if (!stream)
    return nullptr; // whoever waits has a deadline
  auto& made = lines_[last_number_];
  made.stream = std::move(*stream);
  return &made;
}

void issuer_link::ask_next() {
  while (is_there() && !waiting_.empty()) {
    auto* to = find_line();
    if (to == nullptr)
      return;
    to->under_way = std::move(waiting_.front());
    waiting_.pop_front();
    to->stream->send(std::exchange(to->under_way->question, {}));
    alarm_.set(to->under_way->until);
  }
}

// -- time --------------------------------------------------------------------

void issuer_link::check() {
  const auto now = loop_.now();
  buried_.clear();
  if (connects_at_ && *connects_at_ <= now)
    connect();
  if (items_until_ && *items_until_ <= now)
    lose("The issuer at " + path_ + " does not answer");
  std::vector<asked> late;
  while (!waiting_.empty()
         && (!is_there() || waiting_.front().until <= now
             || waiting_.size() > most_waiting)) {
    late.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  std::vector<std::uint64_t> silent;
  for (const auto& [number, each] : lines_) {
    if (each.under_way && each.under_way->until <= now)
      silent.push_back(number);
  }
  for (const auto number : silent)
    stream_ended(*lines_.at(number).stream, "it does not answer");
  for (const auto& each : late)
    give_up(each, is_there() ? "it has more to do than it can" : trouble_);
  ask_next();
  for (const auto& each : waiting_)
    alarm_.set(each.until);
  for (const auto& [number, each] : lines_) {
    if (each.under_way)
      alarm_.set(each.under_way->until);
  }
  if (items_until_)
    alarm_.set(*items_until_);
  if (connects_at_)
    alarm_.set(*connects_at_);
}

} // namespace weft
