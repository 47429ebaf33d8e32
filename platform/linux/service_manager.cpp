#include "platform/service_manager.hpp"

#include "platform/clock.hpp"
#include "platform/linux/descriptors_in_message.hpp"
#include "platform/program.hpp"
#include "platform/stream.hpp"

#include <fcntl.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <sstream>
#include <tuple>

namespace weft {

namespace {

using namespace std::chrono_literals;

/// sd_listen_fds(3): the first number that it passes.
constexpr int first_passed = 3;

/// How long it may take to have what it was given.
constexpr auto patience_for_store = 5s;

// NOLINTBEGIN(concurrency-mt-unsafe): nobody changes the environment later
std::string take_from_environment(const char* name) {
  const char* const given = std::getenv(name);
  std::string text = given == nullptr ? "" : given;
  ::unsetenv(name);
  return text;
}

/// Where it listens; empty: nowhere.
std::string notify_place() {
  const char* const place = std::getenv("NOTIFY_SOCKET");
  return place == nullptr ? "" : place;
}
// NOLINTEND(concurrency-mt-unsafe)

/// Whether the manager's socket took it; false with errno.
bool send_to_manager(std::string_view text, std::span<const int> descriptors) {
  const auto place = notify_place();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (place.size() < 2 || place.size() >= sizeof address.sun_path
      || (place[0] != '/' && place[0] != '@')) {
    errno = ENOENT;
    return false;
  }
  std::memcpy(&address.sun_path[0], place.data(), place.size());
  if (place[0] == '@') // an abstract name begins with a zero byte
    address.sun_path[0] = '\0';
  const file_descriptor fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  // A manager that has stopped holds up neither packets nor the end.
  constexpr timeval patience{1, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  return send_with_descriptors(
           fd.get(), text, descriptors,
           reinterpret_cast<const sockaddr*>(&address),
           static_cast<socklen_t>(offsetof(sockaddr_un, sun_path)
                                  + place.size()))
         >= 0;
}

/// BARRIER=1: it closes its copy of a pipe's end once it has read all that came
/// before.
result<void> wait_for_manager() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return tl::unexpected(
      make_system_error(errno, "Cannot wait for the service manager"));
  const file_descriptor reading{ends[0]};
  file_descriptor writing{ends[1]};
  const std::array passed{writing.get()};
  if (!send_to_manager("BARRIER=1", passed))
    return tl::unexpected(
      make_system_error(errno, "Cannot reach the service manager"));
  writing.reset();
  if (!wait_readable(reading.get(), boot_now() + patience_for_store))
    return tl::unexpected(
      make_system_error(ETIMEDOUT, "The service manager does not listen"));
  return {};
}

std::optional<int> number_in(std::string_view text) {
  int number = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end)
    return std::nullopt;
  return number;
}

} // namespace

void notify_service_manager(const std::string& state) {
  send_to_manager(state, {});
}

void tell_service_manager(const std::string& state) {
  notify_service_manager(state);
  std::ignore = wait_for_manager();
}

bool service_manager_listens() {
  return !notify_place().empty();
}

result<std::string> job_of_unit(const std::string& unit) {
  program_call call;
  call.words = {"/bin/systemctl", "list-jobs", "--plain",
                "--no-legend",    "--full",    "--no-pager"};
  call.patience = 5s;
  const auto listed = read_program(call);
  if (!listed)
    return tl::unexpected(listed.error());
  std::istringstream lines{*listed};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words{line};
    std::string number;
    std::string name;
    std::string job;
    if (words >> number >> name >> job && name == unit)
      return job;
  }
  return std::string{};
}

result<void> store_descriptors(std::span<const named_descriptor> what) {
  for (const auto& [name, descriptor] : what) {
    const std::array passed{descriptor.get()};
    if (!send_to_manager("FDSTORE=1\nFDPOLL=0\nFDNAME=" + name, passed))
      return tl::unexpected(make_system_error(
        errno, "Cannot leave " + name + " to the service manager"));
  }
  return wait_for_manager();
}

void remove_stored_descriptors(const std::string& name) {
  send_to_manager("FDSTOREREMOVE=1\nFDNAME=" + name, {});
}

std::vector<named_descriptor> take_passed_descriptors() {
  const auto process = number_in(take_from_environment("LISTEN_PID"));
  const auto count = number_in(take_from_environment("LISTEN_FDS"));
  const auto names = take_from_environment("LISTEN_FDNAMES");
  std::vector<named_descriptor> passed;
  if (process != ::getpid() || !count || *count <= 0)
    return passed;
  std::string_view left = names;
  const auto most = static_cast<int>(max_handed_descriptors);
  for (int number = first_passed; number - first_passed < *count; ++number) {
    const auto name = left.substr(0, left.find(':'));
    left.remove_prefix(std::min(left.size(), name.size() + 1));
    file_descriptor descriptor{number};
    if (::fcntl(number, F_SETFD, FD_CLOEXEC) != 0) {
      descriptor.release(); // it is not open
      continue;
    }
    if (number - first_passed < most)
      passed.push_back({std::string{name}, std::move(descriptor)});
  }
  return passed;
}

} // namespace weft
