#include "platform/replacement.hpp"

#include "platform/clock.hpp"
#include "platform/linux/descriptors_in_message.hpp"
#include "platform/state_memory.hpp"
#include "platform/stream.hpp"
#include "platform/unix_socket.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace weft {

namespace {

/// How the list of descriptors begins; a name in each line follows, and an
/// empty line ends it.  Before them come the old process and the state.
constexpr std::string_view title = "weft hand-over 1";
constexpr std::size_t unnamed_descriptors = 2;
constexpr std::size_t longest_list = 16384;

/// A process that is killed ends once the kernel has done what it is at.
constexpr auto patience_when_killed = std::chrono::seconds{20};

constexpr std::string_view ready_line = "READY\n";
constexpr std::string_view commit_line = "COMMIT\n";
constexpr std::string_view abort_line = "ABORT\n";
constexpr std::string_view busy_word = "BUSY "; ///< a reason follows

tl::unexpected<system_error> failed(int code, const char* what) {
  return tl::unexpected(make_system_error(code, what));
}

result<void> check_user(const file_descriptor& connection) {
  const auto other = credentials_of(connection.get());
  if (!other)
    return tl::unexpected(other.error());
  if (other->user != ::geteuid())
    return tl::unexpected(system_error{
      EACCES, "Only a process of the same user can take the place of another; "
              "process "
                + std::to_string(other->process) + " is of user "
                + std::to_string(other->user)});
  return {};
}

/// The next line of the other's, with its end; nothing with errno: it did not
/// come (ETIMEDOUT), or never will (ECONNRESET).
std::optional<std::string> read_line(int connection, time_point until) {
  std::string line;
  for (;;) {
    char next = 0;
    if (!wait_readable(connection, until)) {
      errno = ETIMEDOUT;
      return std::nullopt;
    }
    const auto got = read_some(connection, {&next, 1});
    if (got.what == stream_result::status::would_block)
      continue;
    if (got.what == stream_result::status::closed || line.size() > 16) {
      errno = ECONNRESET;
      return std::nullopt;
    }
    line += next;
    if (next == '\n')
      return line;
  }
}

/// A line is short: the socket takes it whole, or its other end is gone.
bool write_line(int connection, std::string_view line) {
  return write_some(connection, line).bytes == line.size();
}

/// The names in a list; nothing: it is none.
std::optional<std::vector<std::string>> names_in(std::string_view list) {
  std::vector<std::string> lines;
  while (!list.empty()) {
    const auto end = list.find('\n');
    if (end == std::string_view::npos)
      return std::nullopt;
    lines.emplace_back(list.substr(0, end));
    list.remove_prefix(end + 1);
  }
  if (lines.size() < 2 || lines.front() != title || !lines.back().empty())
    return std::nullopt;
  lines.erase(lines.begin());
  lines.pop_back();
  if (!std::all_of(lines.begin(), lines.end(), is_descriptor_name))
    return std::nullopt;
  return lines;
}

} // namespace

// -- the side of the process that ends --

result<giving_place> giving_place::to(file_descriptor connection) {
  if (const auto checked = check_user(connection); !checked)
    return tl::unexpected(checked.error());
  return giving_place{std::move(connection)};
}

giving_place::~giving_place() {
  abort();
}

void giving_place::turn_away(std::string_view why) noexcept {
  const auto connection = std::exchange(connection_, {});
  for (const auto part :
       {busy_word, why.substr(0, why.find('\n')), std::string_view{"\n"}})
    std::ignore = write_line(connection.get(), part);
}

result<void> giving_place::give(const state_memory& state,
                                std::span<const named_descriptor> descriptors,
                                time_point until) {
  if (descriptors.size() > max_handed_descriptors)
    return failed(EMSGSIZE, "Cannot hand over so many descriptors");
  // Not in every C library that the packages are built with.
  const file_descriptor self{
    static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0))};
  if (!self)
    return failed(errno, "Cannot name this process to its successor");
  std::string list{title};
  std::vector<int> passed{self.get(), state.descriptor()};
  for (const auto& [name, descriptor] : descriptors) {
    list += '\n' + name;
    passed.push_back(descriptor.get());
  }
  list += "\n\n";
  if (!wait_writable(connection_.get(), until))
    return failed(ETIMEDOUT, "The successor does not listen");
  const auto sent = send_with_descriptors(connection_.get(), list, passed);
  if (sent != static_cast<ssize_t>(list.size()))
    return failed(sent < 0 ? errno : EIO, "Cannot hand over");
  return {};
}

result<void> giving_place::wait_until_ready(time_point until) {
  const auto line = read_line(connection_.get(), until);
  if (!line)
    return failed(errno, "The successor is not ready");
  if (*line != ready_line)
    return failed(EPROTO, "The successor says something else than READY");
  if (boot_now() >= until) // this process was stopped meanwhile
    return failed(ETIMEDOUT, "The successor was ready too late");
  return {};
}

result<void> giving_place::commit() {
  const auto connection = std::exchange(connection_, {});
  if (!write_line(connection.get(), commit_line))
    return failed(ECONNRESET, "The successor has ended");
  return {};
}

void giving_place::abort() noexcept {
  if (const auto connection = std::exchange(connection_, {}))
    write_line(connection.get(), abort_line);
}

// -- the side of the process that begins --

void wait_while_busy() {
  std::this_thread::sleep_for(std::chrono::seconds{1});
}

result<taking_place> taking_place::of(const std::string& socket) {
  auto connection = connect_unix(socket);
  if (!connection)
    return tl::unexpected(connection.error());
  return from(std::move(*connection));
}

result<taking_place> taking_place::from(file_descriptor connection) {
  if (const auto checked = check_user(connection); !checked)
    return tl::unexpected(checked.error());
  return taking_place{std::move(connection)};
}

result<handed_over> taking_place::receive(time_point until) {
  std::string list;
  std::vector<file_descriptor> received;
  while (!list.ends_with("\n\n")) {
    if (!wait_readable(connection_.get(), until))
      return failed(ETIMEDOUT, "The process that runs hands nothing over");
    std::array<char, 4096> part{};
    const auto size
      = receive_with_descriptors(connection_.get(), part, received);
    if (size <= 0)
      return failed(size < 0 ? errno : ECONNRESET,
                    "The process that runs hands nothing over");
    list.append(part.data(), static_cast<std::size_t>(size));
    if (list == abort_line)
      return failed(ECANCELED, "The process that runs goes on");
    if (list.starts_with(busy_word) && list.ends_with('\n'))
      return tl::unexpected(
        system_error{EBUSY, list.substr(busy_word.size(),
                                        list.size() - busy_word.size() - 1)});
    if (list.size() > longest_list)
      return failed(EINVAL, "What was handed over has no end");
  }
  const auto names = names_in(list);
  if (!names || received.size() != names->size() + unnamed_descriptors)
    return failed(EINVAL, "What was handed over is of another version");
  old_process_ = std::move(received[0]);
  auto state = state_memory::open(std::move(received[1]));
  if (!state)
    return tl::unexpected(state.error());
  auto bytes = state->take();
  if (!bytes)
    return failed(EINVAL, "The state was taken by somebody else");
  handed_over all{std::move(*bytes), {}};
  for (std::size_t i = 0; i < names->size(); ++i)
    all.descriptors.push_back(
      {(*names)[i], std::move(received[i + unnamed_descriptors])});
  return all;
}

void taking_place::tell_ready() {
  // If it has ended, what it said last is still to be read.
  write_line(connection_.get(), ready_line);
}

result<void> taking_place::wait_for_place(time_point until) {
  const auto line = read_line(connection_.get(), until);
  if (line)
    return *line == commit_line
             ? result<void>{}
             : failed(ECANCELED, "The process that runs goes on");
  if (errno != ECONNRESET || !old_process_
      || !wait_readable(old_process_.get(), until)) // it is dead
    return failed(ETIMEDOUT, "It is not known whether the other process ended");
  return {};
}

result<void> taking_place::wait_until_ended(time_point until) {
  if (wait_readable(old_process_.get(), until))
    return {};
  ::syscall(SYS_pidfd_send_signal, old_process_.get(), SIGKILL, nullptr, 0);
  if (!wait_readable(old_process_.get(), boot_now() + patience_when_killed))
    return failed(ETIMEDOUT, "The process that gave its place does not end");
  return {};
}

} // namespace weft
