#include "actors/control/wire/frame_relay.hpp"

#include "platform/stream.hpp"
#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <cstring>

namespace weft {

namespace {

/// Turns of one frame_relay before others on the loop have theirs.
constexpr int most_turns = 16;

std::string seconds(std::chrono::milliseconds time) {
  auto text = std::to_string(time.count() / 1000);
  if (time.count() % 1000 != 0)
    text += '.' + std::to_string(time.count() % 1000 / 100);
  return text + " s";
}

} // namespace

// -- the buffer --------------------------------------------------------------

relay_buffer::relay_buffer() : bytes_(capacity, '\0') {
}

relay_buffer::~relay_buffer() {
  wipe_text(bytes_); // keys go through it
}

void relay_buffer::wipe(std::size_t from, std::size_t to) {
  wipe_text(std::span(bytes_).subspan(from, to - from));
}

void relay_buffer::move_to_front() {
  std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
  wipe(std::max(end_ - begin_, begin_), end_);
  passed_ -= begin_;
  end_ -= begin_;
  begin_ = 0;
}

std::span<char> relay_buffer::room() {
  if (begin_ > 0 && capacity - end_ < capacity / 4)
    move_to_front();
  return std::span(bytes_).subspan(end_);
}

void relay_buffer::drop(std::size_t count) {
  auto* place = bytes_.data() + passed_;
  std::memmove(place, place + count, end_ - passed_ - count);
  wipe(end_ - count, end_);
  end_ -= count;
}

void relay_buffer::sent(std::size_t count) {
  wipe(begin_, begin_ + count);
  begin_ += count;
  if (begin_ == end_)
    begin_ = passed_ = end_ = 0;
}

bool relay_buffer::insert(std::string_view frame) {
  if (capacity - end_ < frame.size())
    move_to_front();
  if (capacity - end_ < frame.size())
    return false;
  auto* place = bytes_.data() + passed_;
  std::memmove(place + frame.size(), place, end_ - passed_);
  std::memcpy(place, frame.data(), frame.size());
  passed_ += frame.size();
  end_ += frame.size();
  return true;
}

// -- the relay ----------------------------------------------------------------

void frame_relay::side::ready(bool, bool) {
  auto* const owner = whole; // this object may be gone afterwards
  owner->owner_.entered();
  owner->proceed();
}

void frame_relay::side::failed() {
  whole->give_up("an unexpected failure");
  whole->end();
}

frame_relay::frame_relay(io_loop& loop, channel remote, file_descriptor local,
                         std::unique_ptr<frame_policy> policy,
                         relay_times times, owner told)
  : loop_(loop), remote_(std::move(remote)), local_(std::move(local)),
    policy_(std::move(policy)), times_(times), owner_(std::move(told)) {
  remote_side_.whole = this;
  local_side_.whole = this;
  heard_ = spoken_ = written_ = checked_ = loop_.now();
}

frame_relay::~frame_relay() {
  loop_.forget(remote_.descriptor());
  loop_.forget(local_.get());
}

bool frame_relay::is_drained() const {
  return outgoing_.passed().empty() && outgoing_.waiting().empty();
}

void frame_relay::give_up(std::string why, relay_end how) {
  if (!ending_)
    ending_.emplace(std::move(why), how);
}

void frame_relay::end() {
  const auto ended = owner_.ended; // survives the relay
  const auto [why, how] = *ending_;
  ended(why, how);
}

/// Takes a result over.  True: it lets something move.
bool frame_relay::decide(relay_buffer& buffer, const filter_result& result) {
  buffer.pass(result.pass);
  if (result.drop > 0)
    buffer.drop(result.drop);
  if (!result.violation.empty())
    give_up(result.violation, relay_end::violation);
  return result.pass + result.drop > 0;
}

/// A read or a write was not done: it waits, or the connection is over.
void frame_relay::meet_obstacle(const channel_result& met, interest& wants) {
  switch (met.what) {
    case channel_result::status::done:
      break;
    case channel_result::status::blocked:
      wants = met.wants;
      break;
    case channel_result::status::closed:
      give_up("it was closed by the other end");
      break;
    case channel_result::status::failed:
      give_up(remote_.failure());
      break;
  }
}

bool frame_relay::receive(time_point now) {
  bool moved = false;
  read_wants_ = interest::none;
  if (const auto room = incoming_.room(); !room.empty()) {
    const auto got = remote_.read(room);
    if (got.what == channel_result::status::done) {
      incoming_.added(got.bytes);
      heard_ = now;
      moved = true;
    } else {
      meet_obstacle(got, read_wants_);
    }
  }
  held_ = false;
  if (const auto waiting = incoming_.waiting(); !waiting.empty()) {
    policy_->set_time(now);
    const auto result = policy_->from_remote(waiting);
    held_ = result.held;
    moved = decide(incoming_, result) || moved;
  }
  return moved;
}

bool frame_relay::send_locally() {
  const auto bytes = incoming_.passed();
  if (bytes.empty() || local_ended_)
    return false;
  const auto done = write_some(local_.get(), bytes);
  if (done.what == stream_result::status::closed)
    local_ended_ = true;
  incoming_.sent(done.bytes);
  return done.bytes > 0;
}

bool frame_relay::receive_locally() {
  bool moved = false;
  if (const auto room = outgoing_.room(); !room.empty() && !local_ended_) {
    const auto got = read_some(local_.get(), room);
    if (got.what == stream_result::status::closed)
      local_ended_ = true;
    outgoing_.added(got.bytes);
    moved = got.bytes > 0;
  }
  if (const auto waiting = outgoing_.waiting(); !waiting.empty())
    moved = decide(outgoing_, policy_->to_remote(waiting)) || moved;
  return moved;
}

bool frame_relay::send(time_point now) {
  const auto bytes = outgoing_.passed();
  write_wants_ = interest::none;
  if (bytes.empty()) {
    written_ = now;
    return false;
  }
  const auto done = remote_.write(bytes);
  if (done.what != channel_result::status::done) {
    meet_obstacle(done, write_wants_);
    return false;
  }
  outgoing_.sent(done.bytes);
  spoken_ = written_ = now;
  return true;
}

bool frame_relay::proceed() {
  const auto now = loop_.now();
  bool moved = true;
  for (int turn = 0; moved && turn < most_turns && !ending_; ++turn) {
    moved = receive(now);
    moved = send_locally() || moved;
    moved = receive_locally() || moved;
    moved = send(now) || moved;
  }
  if (!ending_ && local_ended_ && outgoing_.passed().empty())
    give_up("the other side of it has ended");
  if (ending_) {
    end();
    return false;
  }
  note_reading(now);
  note_frames(now, moved);
  watch(moved);
  owner_.worked();
  return true;
}

/// Silence counts only while the other end is listened to.
void frame_relay::note_reading(time_point now) {
  const auto reads = read_wants_ != interest::none;
  if (!reads && !not_reading_since_) {
    not_reading_since_ = now;
  } else if (reads && not_reading_since_) {
    not_reading_since_.reset();
    heard_ = now;
  }
}

time_point
frame_relay::unfinished_frame::deadline(const relay_times& times) const {
  return since + times.frame
         + std::chrono::seconds{
           static_cast<std::int64_t>(size / relay_times::slowest)};
}

/// A frame whose other bytes do not come keeps a place, and the middleman's
/// memory for it.
void frame_relay::note_frames(time_point now, bool moved) {
  const auto heard = policy_->heard();
  if (!heard || (unfinished_ && unfinished_->number != heard->complete))
    unfinished_.reset();
  if (!heard || moved)
    return; // more may be there already
  if (held_ || read_wants_ == interest::none
      || (heard->size == 0 && incoming_.waiting().empty())) {
    unfinished_.reset();
    return;
  }
  if (!unfinished_)
    unfinished_ = unfinished_frame{heard->complete, now, 0};
  unfinished_->size = heard->size;
}

void frame_relay::watch(bool again) {
  // Writable at once: the loop comes back after the others had their turn.
  auto local = again ? interest::both : interest::none;
  if (!outgoing_.room().empty() && !local_ended_)
    local = local | interest::read;
  if (!incoming_.passed().empty())
    local = local | interest::write;
  const auto remote = read_wants_ | write_wants_;
  if (!loop_.watch(local_.get(), local, &local_side_)
      || !loop_.watch(remote_.descriptor(), remote, &remote_side_))
    give_up("it cannot be watched"); // seen at the next check
}

bool frame_relay::check(time_point now) {
  // What came meanwhile counts, however late this is called.  If that is much
  // later than it was to be, the host may have slept, and the other end too.
  if (!proceed())
    return false;
  if (now - checked_ > times_.silence / 2)
    heard_ = std::max(heard_, now - times_.silence / 2);
  checked_ = now;
  const auto waits = not_reading_since_ ? *not_reading_since_ : now;
  if (!not_reading_since_ && now - heard_ >= times_.silence)
    give_up("nothing was heard for " + seconds(times_.silence),
            relay_end::silent);
  else if (now - written_ >= times_.stall)
    give_up("it took no answer for " + seconds(times_.stall),
            relay_end::silent);
  else if (now - waits >= times_.stall)
    give_up("its requests stood still for " + seconds(times_.stall),
            relay_end::silent);
  else if (unfinished_ && now >= unfinished_->deadline(times_))
    give_up("it did not complete what it sends for "
              + seconds(std::chrono::duration_cast<std::chrono::milliseconds>(
                now - unfinished_->since)),
            relay_end::silent);
  if (ending_) {
    end();
    return false;
  }
  if (now - spoken_ >= times_.heartbeat && outgoing_.passed().empty()
      && policy_->between_frames() && outgoing_.insert(basp::heartbeat()))
    return proceed();
  return true;
}

time_point frame_relay::next_check() const {
  if (ending_)
    return {};
  auto next = std::min(checked_ + times_.heartbeat,
                       not_reading_since_ ? *not_reading_since_ + times_.stall
                                          : heard_ + times_.silence);
  if (unfinished_)
    next = std::min(next, unfinished_->deadline(times_));
  if (const auto resumes = policy_->resumes_at())
    next = std::min(next, *resumes);
  const auto may_speak
    = outgoing_.passed().empty() && policy_->between_frames();
  return may_speak ? std::min(next, spoken_ + times_.heartbeat) : next;
}

} // namespace weft
