#include "actors/network/frame_stream.hpp"

#include "platform/connect.hpp"
#include "platform/stream.hpp"

#include <array>
#include <cstring>

namespace weft {

namespace {

constexpr std::size_t read_bytes = std::size_t{16} * 1024;
/// Of one stream, before others on the loop have their turn.
constexpr int most_reads = 8;
constexpr int most_writes = 16;

interest both_of(interest a, interest b) {
  return static_cast<interest>(static_cast<unsigned>(a)
                               | static_cast<unsigned>(b));
}

tls_result from_socket(const stream_result& done, tls_status waits) {
  switch (done.what) {
    case stream_result::status::ok:
      return {tls_status::done, done.bytes};
    case stream_result::status::would_block:
      return {waits, 0};
    case stream_result::status::closed:
      break;
  }
  return {tls_status::closed, 0};
}

std::string_view as_text(const_byte_span bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace

frame_stream::frame_stream(io_loop& loop, owner& told, std::uint64_t number,
                           transport over, std::size_t most_frame_bytes)
  : loop_(loop), owner_(told), number_(number), transport_(std::move(over)),
    reader_(most_frame_bytes) {
  work_soon();
}

frame_stream::~frame_stream() {
  drop();
}

int frame_stream::descriptor() const {
  if (const auto* stream = tls())
    return stream->descriptor();
  return std::get<file_descriptor>(transport_).get();
}

void frame_stream::set_bound(std::size_t most_frame_bytes) {
  reader_ = frame_reader(most_frame_bytes);
}

void frame_stream::send(std::shared_ptr<const byte_vector> frame) {
  if (over_ || finishing_ || frame->empty())
    return;
  if (queue_.empty())
    stuck_since_ = loop_.now();
  queued_bytes_ += frame->size();
  queue_.push_back(std::move(frame));
  work_soon();
}

void frame_stream::finish() {
  if (over_ || std::exchange(finishing_, true))
    return;
  leaves_ = loop_.call_at(loop_.now() + farewell, [this] {
    leaves_ = {};
    owner_.stream_enters();
    end("it was told to go");
  });
  work_soon();
}

void frame_stream::drop() {
  if (std::exchange(over_, true))
    return;
  loop_.call_off(std::exchange(works_, {}));
  loop_.call_off(std::exchange(leaves_, {}));
  loop_.forget(descriptor());
  queue_.clear();
  queued_bytes_ = 0;
  stuck_since_.reset();
  if (auto* stream = std::get_if<network_stream>(&transport_);
      stream != nullptr && stands_ && !said_all_)
    std::ignore = stream->shutdown();
}

void frame_stream::end(const std::string& why) {
  if (over_)
    return;
  drop();
  owner_.stream_ended(*this, why);
}

// -- what happens ------------------------------------------------------------

void frame_stream::ready(bool, bool) {
  owner_.stream_enters();
  work();
}

void frame_stream::failed() {
  end("an unexpected failure");
}

/// So that nobody is told of what becomes of it within a call of its own.
void frame_stream::work_soon() {
  if (over_ || works_)
    return;
  works_ = loop_.call_at(loop_.now(), [this] {
    works_ = {};
    owner_.stream_enters();
    try {
      work();
    } catch (...) {
      failed();
    }
  });
}

void frame_stream::work() {
  if (over_ || !begin())
    return;
  send_queued();
  if (!over_ && finishing_ && queue_.empty())
    say_goodbye();
  if (!over_)
    receive();
  if (!over_)
    watch();
}

/// What comes is read until the other side has ended as well: a socket that is
/// closed before would take back what is on its way there.
void frame_stream::say_goodbye() {
  if (std::exchange(said_all_, true))
    return;
  if (auto* stream = std::get_if<network_stream>(&transport_))
    std::ignore = stream->shutdown();
  else
    end("there is nothing more to say");
}

bool frame_stream::begin() {
  if (stands_)
    return true;
  if (judge(try_handshake(), reads_) != outcome::done) {
    if (!over_)
      watch();
    return false;
  }
  stands_ = true;
  reads_ = interest::read;
  owner_.stream_stands(*this);
  return !over_;
}

void frame_stream::send_queued() {
  writes_ = interest::none;
  bool moved = false;
  for (int i = 0; i < most_writes && !queue_.empty(); ++i) {
    const auto& first = *queue_.front();
    const auto result
      = try_write(const_byte_span(first).subspan(sent_of_first_));
    const auto came_of_it = judge(result, writes_);
    if (came_of_it == outcome::over)
      return;
    if (came_of_it == outcome::blocked)
      break;
    moved = true;
    sent_of_first_ += result.bytes;
    queued_bytes_ -= result.bytes;
    if (sent_of_first_ < first.size())
      continue;
    queue_.pop_front();
    sent_of_first_ = 0;
  }
  if (!moved)
    return;
  stuck_since_ = queue_.empty() ? std::nullopt : std::optional{loop_.now()};
  if (writes_ == interest::none && !queue_.empty())
    work_soon();
  owner_.stream_sent(*this);
}

void frame_stream::receive() {
  std::array<std::byte, read_bytes> buffer; // NOLINT: read() fills it
  for (int i = 0; i < most_reads; ++i) {
    const auto result = try_read(buffer);
    if (judge(result, reads_) != outcome::done)
      return;
    if (finishing_)
      continue; // too late
    reader_.append(byte_span(buffer).first(result.bytes));
    take_frames();
    if (over_)
      return;
  }
  // The socket does not show what TLS has read of it already.
  work_soon();
}

void frame_stream::take_frames() {
  while (!over_ && !finishing_) {
    auto frame = reader_.next();
    if (!frame) {
      end(frame.error().what);
      return;
    }
    if (!*frame)
      return;
    owner_.stream_has(*this, std::move(**frame));
  }
}

void frame_stream::watch() {
  const auto wanted = both_of(reads_, writes_);
  if (watched_ == wanted)
    return;
  if (auto done = loop_.watch(descriptor(), wanted, this); !done) {
    end(done.error().message);
    return;
  }
  watched_ = wanted;
}

// -- the transport -----------------------------------------------------------

frame_stream::outcome
frame_stream::judge(const tls_result& result, interest& wants) {
  switch (result.status) {
    case tls_status::done:
      return outcome::done;
    case tls_status::wants_read:
      wants = interest::read;
      return outcome::blocked;
    case tls_status::wants_write:
      wants = interest::write;
      return outcome::blocked;
    case tls_status::closed:
      end("it was closed by the other end");
      return outcome::over;
    case tls_status::failed:
      break;
  }
  end(tls() != nullptr ? tls()->failure() : "it failed");
  return outcome::over;
}

tls_result frame_stream::try_handshake() {
  if (auto* stream = std::get_if<network_stream>(&transport_))
    return stream->handshake();
  return {tls_status::done, 0}; // a Unix socket is connected, or is none
}

tls_result frame_stream::try_read(byte_span into) {
  if (auto* stream = std::get_if<network_stream>(&transport_))
    return stream->read(into);
  return from_socket(
    read_some(descriptor(),
              {reinterpret_cast<char*>(into.data()), into.size()}),
    tls_status::wants_read);
}

tls_result frame_stream::try_write(const_byte_span bytes) {
  if (auto* stream = std::get_if<network_stream>(&transport_))
    return stream->write(bytes);
  return from_socket(write_some(descriptor(), as_text(bytes)),
                     tls_status::wants_write);
}

} // namespace weft
