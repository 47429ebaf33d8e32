#include "actors/network/directory_link.hpp"

#include "platform/connect.hpp"

#include <algorithm>
#include <array>
#include <system_error>
#include <tuple>

namespace weft {

directory_link::directory_link(io_loop& loop, owner told)
  : loop_(loop), owner_(std::move(told)) {
}

directory_link::~directory_link() {
  loop_.call_off_all(this);
  drop();
}

void directory_link::drop() {
  ++connection_;
  if (socket_)
    loop_.forget(socket_.get());
  if (stream_)
    loop_.forget(stream_->descriptor());
  socket_.reset();
  stream_.reset();
  queued_.clear();
  queued_.shrink_to_fit();
  overflowed_ = false;
  wants_write_ = false;
  stage_ = stage::closed;
  deadline_ = time_point::max();
}

void directory_link::close() {
  addresses_.clear();
  drop();
}

// -- an attempt --------------------------------------------------------------

void directory_link::dial(std::shared_ptr<const network_tls> tls,
                          std::vector<endpoint> addresses,
                          time_point deadline) {
  drop();
  tls_ = std::move(tls);
  addresses_.assign(addresses.begin(), addresses.end());
  all_addresses_ = addresses.size();
  last_deadline_ = deadline;
  try_next(loop_.now());
}

void directory_link::try_next(time_point now) {
  if (addresses_.empty()) {
    lose("it has no address");
    return;
  }
  // Each of those that are left has the same share of the time.
  const auto left = static_cast<std::int64_t>(addresses_.size());
  deadline_ = now + (last_deadline_ - now) / left;
  const auto to = addresses_.front();
  addresses_.pop_front();
  current_ = to_string(to);
  stage_ = stage::connecting;
  auto socket = start_connect_tcp(to);
  if (!socket) {
    fail(current_ + " cannot be reached: "
         + std::system_category().message(socket.error().code));
    return;
  }
  socket_ = std::move(*socket);
  if (!loop_.watch(socket_.get(), interest::write, this))
    fail("this host has no more descriptors to watch");
}

void directory_link::check(time_point now) {
  if (now < deadline_)
    return;
  fail(current_
       + (stage_ == stage::connecting ? " did not answer in time"
                                      : " did not complete TLS in time"));
}

void directory_link::fail(std::string why) {
  const bool was_open = stage_ == stage::open;
  drop();
  if (was_open || addresses_.empty())
    lose(std::move(why));
  else
    try_next(loop_.now());
}

void directory_link::lose(std::string why) {
  close();
  owner_.lost(std::move(why));
}

bool directory_link::finish_connecting() {
  if (const auto code = connect_error(socket_.get()); code != 0) {
    fail(current_
         + " cannot be reached: " + std::system_category().message(code));
    return false;
  }
  loop_.forget(socket_.get());
  auto stream = tls_->connect(std::move(socket_));
  if (!stream) {
    fail(stream.error().message);
    return false;
  }
  stream_.emplace(std::move(*stream));
  stage_ = stage::handshake;
  return true;
}

std::optional<ip_address> directory_link::local() const {
  if (!stream_)
    return std::nullopt;
  return local_end(stream_->descriptor()).address.unmapped();
}

// -- a connection ------------------------------------------------------------

void directory_link::failed() {
  fail("an unexpected failure");
}

void directory_link::ready(bool, bool) {
  owner_.entered();
  proceed();
}

bool directory_link::is_done(const tls_result& result) {
  switch (result.status) {
    case tls_status::done:
      return true;
    case tls_status::wants_write:
      wants_write_ = true;
      return false;
    case tls_status::wants_read:
      return false;
    case tls_status::closed:
      fail(current_ + " has closed the connection");
      return false;
    case tls_status::failed:
      break;
  }
  fail(current_ + ": " + stream_->failure());
  return false;
}

void directory_link::proceed() {
  const auto mine = connection_;
  wants_write_ = false;
  if (stage_ == stage::connecting && !finish_connecting())
    return;
  if (stage_ == stage::handshake) {
    if (is_done(stream_->handshake())) {
      if (const auto why = owner_.met(stream_->peer_chain(), all_addresses_)) {
        fail(current_ + " is passed over: " + *why);
        return;
      }
      stage_ = stage::open;
      deadline_ = time_point::max();
      owner_.connected();
    }
  }
  if (mine == connection_ && stage_ == stage::open)
    read();
  if (mine == connection_ && stage_ == stage::open)
    write();
  if (mine == connection_)
    watch();
}

void directory_link::read() {
  const auto mine = connection_;
  std::array<std::byte, std::size_t{16} * 1024> buffer{};
  // Others on this loop have their turns: what is left shows again.
  constexpr int most_at_a_time = 64;
  for (int i = 0; i < most_at_a_time; ++i) {
    const auto got = stream_->read(buffer);
    if (!is_done(got))
      return;
    owner_.received(const_byte_span(buffer).first(got.bytes));
    if (mine != connection_)
      return;
  }
  // The socket does not show what is left of a record.
  loop_.call_at(
    loop_.now(),
    [this, mine] {
      if (mine != connection_)
        return;
      owner_.entered();
      proceed();
    },
    this);
}

void directory_link::write() {
  std::size_t sent = 0;
  while (sent < queued_.size()) {
    const auto done = stream_->write(const_byte_span(queued_).subspan(sent));
    if (done.status == tls_status::done) {
      sent += done.bytes;
      continue;
    }
    if (!is_done(done) && !stream_)
      return; // it is over
    break;
  }
  queued_.erase(queued_.begin(),
                queued_.begin() + static_cast<std::ptrdiff_t>(sent));
  if (overflowed_)
    fail(current_ + " takes nothing that it is sent");
}

void directory_link::send(byte_vector bytes) {
  if (stage_ != stage::open)
    return;
  if (queued_.size() + bytes.size() > most_queued)
    overflowed_ = true;
  else
    queued_.insert(queued_.end(), bytes.begin(), bytes.end());
  watch();
}

void directory_link::watch() {
  const bool writes = wants_write_ || !queued_.empty() || overflowed_;
  if (stage_ != stage::handshake && stage_ != stage::open)
    return;
  std::ignore = loop_.watch(stream_->descriptor(),
                            writes ? interest::both : interest::read, this);
}

} // namespace weft
