#include "tools/issuer/client.hpp"

#include "platform/clock.hpp"
#include "platform/epoll.hpp"
#include "platform/stream.hpp"
#include "platform/unix_socket.hpp"
#include "protocol/base/text.hpp"

#include <array>
#include <cerrno>
#include <tuple>

namespace weft {

namespace {

std::string where(const std::string& socket) {
  return "The issuer at " + socket;
}

/// Nobody listens there.
bool is_absent(const system_error& error) {
  return error.code == ENOENT || error.code == ECONNREFUSED;
}

/// Also to one that was started together with a node, and does not listen yet.
result<file_descriptor> connect_issuer(const std::string& socket) {
  constexpr auto start = std::chrono::seconds{5};
  constexpr auto pause = std::chrono::milliseconds{50};
  const auto until = boot_now() + start;
  for (;;) {
    auto connection = connect_unix(socket);
    if (connection || !is_absent(connection.error()) || boot_now() >= until)
      return connection;
    auto clock = poller::open();
    if (!clock)
      return connection;
    clock->set_deadline(boot_now() + pause);
    std::ignore = clock->wait(true);
  }
}

std::string_view text_of(const_byte_span bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), // NOLINT
          bytes.size()};
}

/// Waits for a descriptor until a deadline.
class waiting {
public:
  static result<waiting> on(int fd, time_point until) {
    auto events = poller::open();
    if (!events)
      return tl::unexpected(std::move(events.error()));
    events->set_deadline(until);
    return waiting{std::move(*events), fd, until};
  }

  /// False: it is too late.
  result<bool> wait(interest what) {
    if (auto watched = events_.watch(fd_, what, nullptr); !watched)
      return tl::unexpected(std::move(watched.error()));
    for (;;) {
      if (!events_.wait(true).empty())
        return true;
      if (boot_now() >= until_)
        return false;
    }
  }

private:
  waiting(poller events, int fd, time_point until)
    : events_(std::move(events)), fd_(fd), until_(until) {
  }

  poller events_;
  int fd_;
  time_point until_;
};

class exchange {
public:
  exchange(const std::string& socket, int fd, waiting& waits)
    : socket_(socket), fd_(fd), waits_(waits) {
  }

  result<void> send(const_byte_span frame) {
    auto rest = text_of(frame);
    while (!rest.empty()) {
      const auto done = write_some(fd_, rest);
      if (done.what == stream_result::status::closed)
        return tl::unexpected(hung_up());
      if (done.what == stream_result::status::ok)
        rest.remove_prefix(done.bytes);
      else if (auto ready = wait(interest::write); !ready)
        return ready;
    }
    return {};
  }

  result<byte_vector> receive() {
    frame_reader reader{most_issuing_frame_bytes};
    std::array<char, std::size_t{64} * 1024> room{};
    for (;;) {
      auto frame = reader.next();
      if (!frame)
        return tl::unexpected(
          make_system_error(0, where(socket_) + ": " + frame.error().what));
      if (*frame)
        return std::move(**frame);
      const auto got = read_some(fd_, room);
      if (got.what == stream_result::status::closed)
        return tl::unexpected(hung_up());
      if (got.what == stream_result::status::ok)
        reader.append(std::as_bytes(std::span(room).first(got.bytes)));
      else if (auto ready = wait(interest::read); !ready)
        return tl::unexpected(std::move(ready.error()));
    }
  }

private:
  result<void> wait(interest what) {
    const auto in_time = waits_.wait(what);
    if (!in_time)
      return tl::unexpected(in_time.error());
    if (!*in_time)
      return tl::unexpected(
        make_system_error(ETIMEDOUT, where(socket_) + " does not answer"));
    return {};
  }
  system_error hung_up() const {
    return make_system_error(0, where(socket_) + " has hung up",
                             "It serves root alone here; its log says more");
  }

  const std::string& socket_;
  int fd_;
  waiting& waits_;
};

/// All pages, of which each is asked for behind the last of the one before.
template <class Item, class Answer, class Question, class Key>
result<std::vector<Item>>
ask_all(const std::string& socket, std::vector<Item> Answer::*items,
        Key key_of) {
  std::vector<Item> all;
  Question question;
  for (;;) {
    auto page = ask_issuer_for<Answer>(socket, question);
    if (!page)
      return tl::unexpected(std::move(page.error()));
    auto& some = (*page).*items;
    std::move(some.begin(), some.end(), std::back_inserter(all));
    if (!page->more || some.empty())
      return all;
    question.after = key_of(all.back());
  }
}

} // namespace

std::string issuer_socket_path(const std::string& network) {
  return "/run/weft-issuer/" + network + ".sock";
}

std::string issuer_directory_socket_path(const std::string& network) {
  return "/run/weft-issuer/" + network + ".directory.sock";
}

std::string issuer_folder(const std::string& network) {
  return "/var/lib/weft-issuer/" + network;
}

int error_code_of(refusal why) {
  switch (why) {
    case refusal::unknown_invitation:
    case refusal::withdrawn:
    case refusal::used_up:
    case refusal::expired:
    case refusal::revoked:
    case refusal::not_allowed:
    case refusal::unproven_key:
      return EACCES;
    case refusal::taken:
      return EEXIST;
    case refusal::malformed:
    case refusal::outside_ranges:
      return EINVAL;
    case refusal::unknown_member:
      return ENOENT;
    case refusal::unavailable:
      return EHOSTDOWN;
    default:
      return EBADMSG;
  }
}

result<issuing_answer>
ask_issuer(const std::string& socket, const issuing_question& question,
           std::chrono::milliseconds patience) {
  const auto connection = connect_issuer(socket);
  if (!connection) {
    if (!is_absent(connection.error()))
      return tl::unexpected(connection.error());
    return tl::unexpected(system_error{
      ECONNREFUSED, "No issuer serves " + socket
                      + ". Run it where the issuer is; there its log says why "
                        "it does not run"});
  }
  auto waits = waiting::on(connection->get(), boot_now() + patience);
  if (!waits)
    return tl::unexpected(std::move(waits.error()));
  exchange with(socket, connection->get(), *waits);
  if (auto sent = with.send(encode_frame(question)); !sent)
    return tl::unexpected(std::move(sent.error()));
  const auto frame = with.receive();
  if (!frame)
    return tl::unexpected(frame.error());
  auto answer = read_issuing_answer(*frame);
  if (!answer)
    return tl::unexpected(
      make_system_error(0, where(socket) + ": " + answer.error().what));
  return std::move(*answer);
}

result<std::vector<tokens_answer::token>>
ask_all_tokens(const std::string& socket) {
  return ask_all<tokens_answer::token, tokens_answer, ask_tokens>(
    socket, &tokens_answer::tokens,
    [](const auto& each) { return each.terms.token; });
}

result<std::vector<members_answer::member>>
ask_all_members(const std::string& socket) {
  return ask_all<members_answer::member, members_answer, ask_members>(
    socket, &members_answer::members,
    [](const auto& each) { return each.terms.contents.id; });
}

system_error
unexpected_answer(const std::string& socket, const issuing_answer& answer) {
  if (const auto* no = std::get_if<issuing_refused>(&answer))
    return system_error{error_code_of(no->why.why),
                        "The issuer says no: " + printable(no->why.what)};
  return make_system_error(
    0, where(socket) + " answers something else than was asked",
    "Have both programs of one version");
}

} // namespace weft
