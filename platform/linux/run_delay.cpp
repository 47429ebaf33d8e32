#include "platform/run_delay.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <string>
#include <string_view>

namespace weft {

namespace {

/// Of time on a processor and without one, in ns, and how often it had one:
/// the second, if the last says that they are counted.
std::optional<std::uint64_t> waited_ns(std::string_view text) {
  std::array<std::uint64_t, 3> numbers{};
  const auto* at = text.data();
  const auto* end = at + text.size();
  for (auto& number : numbers) {
    while (at != end && *at == ' ')
      ++at;
    const auto [behind, wrong] = std::from_chars(at, end, number);
    if (wrong != std::errc{})
      return std::nullopt;
    at = behind;
  }
  return numbers[2] > 0 ? std::optional{numbers[1]} : std::nullopt;
}

} // namespace

int own_thread_number() {
  return ::gettid();
}

result<run_delay> run_delay::of_thread(int number) {
  const auto path = "/proc/self/task/" + std::to_string(number) + "/schedstat";
  const auto failure = [&](int code) {
    return tl::unexpected(make_system_error(
      code, "Cannot read " + path,
      "Show /proc to this process (a kernel with CONFIG_SCHED_INFO counts "
      "there)"));
  };
  run_delay made{file_descriptor{::open(path.c_str(), O_RDONLY | O_CLOEXEC)}};
  if (!made.file_)
    return failure(errno);
  if (!made.read())
    return failure(ENODATA);
  return made;
}

std::optional<duration> run_delay::read() const {
  std::array<char, 80> text{};
  const auto count = ::pread(file_.get(), text.data(), text.size(), 0);
  if (count <= 0)
    return std::nullopt;
  const auto waited = waited_ns({text.data(), static_cast<std::size_t>(count)});
  if (!waited)
    return std::nullopt;
  return std::chrono::nanoseconds{static_cast<std::int64_t>(*waited)};
}

} // namespace weft
