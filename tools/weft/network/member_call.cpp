#include "tools/weft/network/member_call.hpp"

#include "actors/network/member_files.hpp"
#include "platform/clock.hpp"
#include "platform/connect.hpp"
#include "platform/network_tls.hpp"
#include "platform/resolve.hpp"
#include "platform/stream.hpp"
#include "tools/weft/network/node_folder.hpp"
#include "tools/weft/network/refusals.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

namespace weft {

namespace {

/// Of the one request that a connection has.
constexpr std::uint64_t request_number = 1;

system_error lost(std::string why) {
  return {ENOTCONN, std::move(why)};
}

/// What is against a directory; nothing: it is one of the network.
std::optional<refused> judge_directory(const network_certificate& root,
                                       std::span<const byte_vector> chain) {
  const auto leaf = verify_chain(root, chain, network_now());
  if (!leaf)
    return leaf.error();
  if (!std::holds_alternative<directory_contents>(leaf->contents))
    return refused{refusal::wrong_role, "it is no directory"};
  return std::nullopt;
}

/// A connection to one directory, up to a deadline.
class directory_talk {
public:
  static result<directory_talk>
  open(const member_identity& self, const endpoint& where, time_point until) {
    auto socket = start_connect_tcp(where);
    if (!socket)
      return tl::unexpected(lost(socket.error().message));
    if (!wait_writable(socket->get(), until))
      return tl::unexpected(lost("it does not answer"));
    if (const int code = connect_error(socket->get()); code != 0)
      return tl::unexpected(
        lost(make_system_error(code, "no connection").message));
    const auto tls = network_tls::member(
      {self.chain, self.seed},
      [root = self.root](network_purpose, std::span<const byte_vector> chain) {
        return judge_directory(root, chain);
      });
    if (!tls)
      return tl::unexpected(tls.error());
    auto stream = tls->connect(std::move(*socket));
    if (!stream)
      return tl::unexpected(std::move(stream.error()));
    directory_talk talk(std::move(*stream), until);
    if (auto done = talk.run([&] { return talk.stream_.handshake(); }); !done)
      return tl::unexpected(std::move(done.error()));
    return talk;
  }

  result<void> send(const member_message& message) {
    const auto frame = encode_frame(message);
    for (const_byte_span left = frame; !left.empty();) {
      const auto done = run([&] { return stream_.write(left); });
      if (!done)
        return tl::unexpected(done.error());
      left = left.subspan(*done);
    }
    return {};
  }

  /// The next one that this program knows.
  result<directory_message> receive() {
    std::array<std::byte, 16384> room{};
    for (;;) {
      auto frame = frames_.next();
      if (!frame)
        return tl::unexpected(lost(frame.error().what));
      if (*frame) {
        auto message = read_directory_message(**frame);
        if (!message)
          return tl::unexpected(lost(message.error().what));
        if (*message)
          return std::move(**message);
        continue;
      }
      const auto got = run([&] { return stream_.read(room); });
      if (!got)
        return tl::unexpected(got.error());
      frames_.append(std::span{room}.first(*got));
    }
  }

private:
  directory_talk(network_stream stream, time_point until)
    : stream_(std::move(stream)), until_(until) {
  }

  template <class Operation>
  result<std::size_t> run(Operation operation) {
    for (;;) {
      const tls_result done = operation();
      bool in_time = true;
      switch (done.status) {
        case tls_status::done:
          return done.bytes;
        case tls_status::failed:
          return tl::unexpected(lost(stream_.failure()));
        case tls_status::closed:
          return tl::unexpected(lost("it has ended the connection"));
        case tls_status::wants_read:
          in_time = wait_readable(stream_.descriptor(), until_);
          break;
        case tls_status::wants_write:
          in_time = wait_writable(stream_.descriptor(), until_);
          break;
      }
      if (!in_time)
        return tl::unexpected(lost("it does not answer in time"));
    }
  }

  network_stream stream_;
  time_point until_;
  frame_reader frames_{most_directory_frame_bytes};
};

/// What came of a request: that it is done, certificates, or a no, which
/// another directory would say as well.
using request_outcome = std::variant<request_done, request_certified, refused>;

/// Asks one directory.
result<request_outcome>
ask_at(const member_identity& self, const endpoint& where,
       const member_message& request, time_point until) {
  auto talk = directory_talk::open(self, where, until);
  if (!talk)
    return tl::unexpected(std::move(talk.error()));
  for (const auto& each : {member_message{member_hello{}}, request})
    if (auto sent = talk->send(each); !sent)
      return tl::unexpected(std::move(sent.error()));
  for (;;) {
    const auto message = talk->receive();
    if (!message)
      return tl::unexpected(message.error());
    if (const auto* no = std::get_if<request_refused>(&*message))
      return no->why;
    if (const auto* given = std::get_if<request_certified>(&*message);
        given != nullptr && given->number == request_number)
      return *given;
    if (const auto* done = std::get_if<request_done>(&*message);
        done != nullptr && done->number == request_number)
      return *done;
  }
}

result<request_outcome>
ask_any(const network_config& member, const member_identity& self,
        const member_message& request, std::chrono::milliseconds patience) {
  const auto until = boot_now() + patience;
  std::string obstacles;
  for (const auto& directory : member.directories) {
    const auto found = resolve_host(directory.host, directory.port);
    if (!found) {
      obstacles += "; " + found.error().message;
      continue;
    }
    for (const auto& each : *found) {
      constexpr std::chrono::seconds for_one{15};
      auto asked
        = ask_at(self, each, request, std::min(until, boot_now() + for_one));
      if (asked || asked.error().code != ENOTCONN)
        return asked;
      obstacles += "; " + to_string(each) + ": " + asked.error().message;
    }
  }
  return tl::unexpected(
    system_error{ENOTCONN, "No directory of the network could be asked: "
                             + obstacles.substr(obstacles.empty() ? 0 : 2)
                             + ". Try again when one is reached"});
}

} // namespace

result<std::vector<byte_vector>>
ask_for_renewal(const network_config& member, const renewal_request& request,
                std::chrono::milliseconds patience) {
  const auto self = load_identity(member);
  if (!self)
    return tl::unexpected(self.error());
  auto asked = ask_any(member, *self,
                       renew_certificate{request_number,
                                         make_renewal(request, self->seed)},
                       patience);
  if (!asked)
    return tl::unexpected(std::move(asked.error()));
  if (const auto* no = std::get_if<refused>(&*asked))
    return tl::unexpected(to_error(*no));
  auto* given = std::get_if<request_certified>(&*asked);
  if (given == nullptr || given->certificates.empty())
    return tl::unexpected(
      system_error{EBADMSG, "The directory answered without a certificate"});
  return std::move(given->certificates);
}

result<leave_outcome>
ask_to_leave(const network_config& member, std::chrono::milliseconds patience) {
  const auto self = load_identity(member);
  if (!self)
    return tl::unexpected(self.error());
  const auto& own = self->contents();
  const auto asked
    = ask_any(member, *self,
              leave_network{request_number,
                            make_leave({own.network, own.id, own.generation},
                                       self->seed)},
              patience);
  if (!asked)
    return tl::unexpected(asked.error());
  const auto* no = std::get_if<refused>(&*asked);
  if (no == nullptr)
    return leave_outcome::left;
  if (no->why == refusal::revoked)
    return leave_outcome::was_removed;
  return tl::unexpected(to_error(*no));
}

} // namespace weft
