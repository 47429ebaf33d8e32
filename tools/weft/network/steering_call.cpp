#include "tools/weft/network/steering_call.hpp"

#include "platform/clock.hpp"
#include "platform/connect.hpp"
#include "platform/epoll.hpp"
#include "platform/stream.hpp"
#include "protocol/network/members.hpp"

#include <array>
#include <cerrno>
#include <string_view>

namespace weft {

namespace {

/// A connection that is used up to a deadline.
class local_call {
public:
  static result<local_call>
  open(const std::string& socket, std::chrono::milliseconds patience) {
    auto fd = start_connect_unix(socket);
    if (!fd) {
      const auto code = fd.error().code;
      if (code == ENOENT || code == ECONNREFUSED)
        return tl::unexpected(make_system_error(
          ECONNREFUSED, "Cannot ask the directory at " + socket,
          "Is this host a directory of the network, and its weftd running?"));
      return tl::unexpected(make_system_error(
        code, "Cannot ask the directory at " + socket, "Run as root"));
    }
    auto events = poller::open();
    if (!events)
      return tl::unexpected(std::move(events.error()));
    return local_call(socket, std::move(*fd), std::move(*events),
                      boot_now() + patience);
  }

  result<void> send(const byte_vector& frame) {
    std::string_view left{reinterpret_cast<const char*>(frame.data()), // NOLINT
                          frame.size()};
    while (!left.empty()) {
      const auto done = write_some(fd_.get(), left);
      if (done.what == stream_result::status::closed)
        return tl::unexpected(broken());
      if (done.what == stream_result::status::would_block) {
        if (!wait_for(interest::write))
          return tl::unexpected(late());
        continue;
      }
      left.remove_prefix(done.bytes);
    }
    return {};
  }

  result<byte_vector> receive() {
    frame_reader frames{most_steering_frame_bytes};
    std::array<char, 16384> room{};
    for (;;) {
      auto next = frames.next();
      if (!next)
        return tl::unexpected(broken());
      if (*next)
        return std::move(**next);
      const auto got = read_some(fd_.get(), room);
      if (got.what == stream_result::status::closed)
        return tl::unexpected(broken());
      if (got.what == stream_result::status::ok)
        frames.append(std::as_bytes(std::span{room}.first(got.bytes)));
      else if (!wait_for(interest::read))
        return tl::unexpected(late());
    }
  }

private:
  local_call(std::string socket, file_descriptor fd, poller events,
             time_point until)
    : socket_(std::move(socket)), fd_(std::move(fd)),
      events_(std::move(events)), until_(until) {
  }

  /// False: the deadline has come.
  bool wait_for(interest what) {
    if (boot_now() >= until_ || !events_.watch(fd_.get(), what, nullptr))
      return false;
    events_.set_deadline(until_);
    events_.wait(true);
    return true;
  }
  system_error broken() const {
    return make_system_error(0,
                             "The directory at " + socket_
                               + " has ended the connection without an "
                                 "answer",
                             "Its log says why; run as root");
  }
  system_error late() const {
    return make_system_error(ETIMEDOUT, "The directory at " + socket_
                                          + " does not answer");
  }

  std::string socket_;
  file_descriptor fd_;
  poller events_;
  time_point until_;
};

} // namespace

result<steering_answer>
ask_directory(const std::string& socket, const steering_question& question,
              std::chrono::milliseconds patience) {
  auto call = local_call::open(socket, patience);
  if (!call)
    return tl::unexpected(std::move(call.error()));
  if (auto sent = call->send(encode_frame(question)); !sent)
    return tl::unexpected(std::move(sent.error()));
  const auto frame = call->receive();
  if (!frame)
    return tl::unexpected(frame.error());
  auto answer = read_steering_answer(*frame);
  if (!answer)
    return tl::unexpected(make_system_error(
      0, "The answer of the directory at " + socket + " cannot be read",
      "Are weft and weftd of one version?"));
  if (const auto* failed = std::get_if<steering_failed>(&*answer))
    return tl::unexpected(system_error{EIO, failed->why});
  return std::move(*answer);
}

} // namespace weft
