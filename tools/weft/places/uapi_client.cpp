#include "tools/weft/places/uapi_client.hpp"

#include "config/uapi_codec.hpp"
#include "platform/unix_socket.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <tuple>

namespace weft {

namespace {

constexpr std::chrono::seconds answer_timeout{5};
constexpr std::size_t max_answer = std::size_t{256} << 20;

/// A daemon that hangs up while it is written to must not end this process.
class ignored_pipe_signal {
public:
  ignored_pipe_signal() : before_(std::signal(SIGPIPE, SIG_IGN)) {
  }
  ignored_pipe_signal(const ignored_pipe_signal&) = delete;
  ignored_pipe_signal& operator=(const ignored_pipe_signal&) = delete;
  ~ignored_pipe_signal() {
    if (before_ != SIG_ERR)
      std::ignore = std::signal(SIGPIPE, before_);
  }

private:
  void (*before_)(int);
};

system_error no_answer(const std::string& path) {
  return {0, path + ": the daemon closed the connection without an answer"};
}

/// Waits until there is something to read, or the connection is closed.
result<void> wait_readable(int fd, const std::string& path) {
  pollfd waiting{fd, POLLIN, 0};
  for (;;) {
    const auto ready = ::poll(
      &waiting, 1,
      static_cast<int>(std::chrono::milliseconds{answer_timeout}.count()));
    if (ready > 0)
      return {};
    if (ready == 0)
      return tl::unexpected(
        system_error{ETIMEDOUT, path
                                  + ": the daemon does not answer: look "
                                    "into its log, or restart it"});
    if (errno != EINTR)
      return tl::unexpected(make_system_error(errno, path));
  }
}

result<void> send_all(int fd, std::string_view text, const std::string& path) {
  const ignored_pipe_signal ignored;
  while (!text.empty()) {
    const auto written = ::write(fd, text.data(), text.size());
    if (written >= 0)
      text.remove_prefix(static_cast<std::size_t>(written));
    else if (errno != EINTR)
      return tl::unexpected(no_answer(path));
  }
  return {};
}

/// Reads up to the empty line that ends an answer.
result<std::string> receive_answer(int fd, const std::string& path) {
  std::string answer;
  std::array<char, 65536> buffer{};
  while (answer.size() < max_answer) {
    if (auto readable = wait_readable(fd, path); !readable)
      return tl::unexpected(readable.error());
    const auto count = ::read(fd, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return tl::unexpected(no_answer(path));
    // The two line ends may come in two pieces.
    const auto scan_from = answer.empty() ? 0 : answer.size() - 1;
    answer.append(buffer.data(), static_cast<std::size_t>(count));
    if (answer.find("\n\n", scan_from) != std::string::npos)
      return answer;
  }
  return tl::unexpected(
    system_error{EMSGSIZE, path + ": the daemon's answer does not end"});
}

/// The number behind `errno=` in the last line of an answer, if there is one.
std::optional<int> stated_errno(std::string_view answer) {
  constexpr std::string_view key = "errno=";
  const auto at = answer.rfind(key);
  if (at == std::string_view::npos || (at > 0 && answer[at - 1] != '\n'))
    return std::nullopt;
  answer.remove_prefix(at + key.size());
  int code = 0;
  const auto parsed
    = std::from_chars(answer.data(), answer.data() + answer.size(), code);
  if (parsed.ec != std::errc{})
    return std::nullopt;
  return code;
}

system_error connect_error(const system_error& error, const std::string& folder,
                           const std::string& name, const std::string& path) {
  switch (error.code) {
    case ENOENT:
    case ENOTDIR:
      return {error.code, "no weft or WireGuard userspace interface named '"
                            + name + "': sockets are in " + folder
                            + "; start one with weftd --config FILE"};
    case EACCES:
    case EPERM:
      return {error.code,
              path + ": permission denied: run this command as root"};
    case ECONNREFUSED:
      return {error.code, path
                            + ": nobody serves this socket (its daemon has "
                              "ended): start weftd again or remove the file"};
    default:
      return error;
  }
}

/// One request on a connection of its own.
result<device_status>
ask(int fd, const std::string& path, std::string_view request) {
  if (auto sent = send_all(fd, request, path); !sent)
    return tl::unexpected(sent.error());
  auto answer = receive_answer(fd, path);
  if (!answer)
    return tl::unexpected(answer.error());
  // Some implementations answer with negated numbers.
  const auto code = std::abs(stated_errno(*answer).value_or(EPROTO));
  if (code != 0)
    return tl::unexpected(
      make_system_error(code, path + ": the daemon refuses to tell"));
  auto status = parse_uapi_status(*answer);
  if (!status)
    return tl::unexpected(system_error{
      EPROTO, path + ": the daemon's answer is not in WireGuard's format"});
  return std::move(*status);
}

} // namespace

result<std::vector<std::string>> list_interfaces(const std::string& folder) {
  namespace fs = std::filesystem;
  std::vector<std::string> names;
  std::error_code failure;
  fs::directory_iterator entries(folder, failure);
  for (; !failure && entries != fs::directory_iterator();
       entries.increment(failure)) {
    const auto& path = entries->path();
    if (path.extension() == ".sock")
      names.push_back(path.stem().string());
  }
  if (failure == std::errc::no_such_file_or_directory)
    return names;
  if (failure == std::errc::permission_denied)
    return tl::unexpected(
      system_error{EACCES, folder
                             + ": permission denied: run this command as "
                               "root"});
  if (failure)
    return tl::unexpected(make_system_error(failure.value(), folder));
  std::sort(names.begin(), names.end());
  return names;
}

result<device_status>
query_interface(const std::string& folder, const std::string& name) {
  const auto path = folder + '/' + name + ".sock";
  result<device_status> status;
  // Implementations that do not know the second line answer with an error or
  // hang up; they are asked again without it.
  for (const auto* request : {"get=1\nweft=1\n\n", "get=1\n\n"}) {
    auto connection = connect_unix(path);
    if (!connection)
      return tl::unexpected(
        connect_error(connection.error(), folder, name, path));
    status = ask(connection->get(), path, request);
    if (status)
      break;
  }
  if (status)
    status->interface = name;
  return status;
}

} // namespace weft
