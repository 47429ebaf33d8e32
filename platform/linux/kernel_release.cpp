#include "platform/kernel_release.hpp"

#include <sys/utsname.h>

#include <array>
#include <charconv>

namespace weft {

namespace {

/// Major, minor and patch; what is not there is 0.
std::array<unsigned, 3> numbers_of(std::string_view release) {
  std::array<unsigned, 3> numbers{};
  const auto* at = release.data();
  const auto* end = at + release.size();
  for (auto& number : numbers) {
    const auto [behind, wrong] = std::from_chars(at, end, number);
    if (wrong != std::errc{} || behind == end || *behind != '.')
      break;
    at = behind + 1;
  }
  return numbers;
}

} // namespace

std::string kernel_release() {
  utsname name{};
  if (::uname(&name) != 0)
    return {};
  return &name.release[0];
}

bool may_mangle_gso(std::string_view release) {
  constexpr std::array<unsigned, 3> first{7, 0, 0};
  constexpr std::array<unsigned, 3> mended{7, 1, 5};
  const auto numbers = numbers_of(release);
  return numbers >= first && numbers < mended;
}

} // namespace weft
