// What a process gives to the one that takes its place.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/state_memory.hpp"
#include "protocol/base/time.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft {

struct named_descriptor {
  std::string name; ///< for is_descriptor_name()
  file_descriptor descriptor;
};

/// 1 to 64 letters, digits, '.', '_' and '-': what goes through every way that
/// descriptors take.
bool is_descriptor_name(std::string_view name);

/// Another descriptor of the same open file; close-on-exec.
result<file_descriptor> duplicate(int fd);

/// Adds a duplicate of what `from`, a pointer or an optional, has open, if
/// there is anything.
template <class Maybe>
result<void> leave_duplicate(std::vector<named_descriptor>& into,
                             const char* name, const Maybe& from) {
  if (!from)
    return {};
  auto made = duplicate(from->descriptor());
  if (!made)
    return tl::unexpected(made.error());
  into.push_back({name, std::move(*made)});
  return {};
}

/// Takes the descriptor of that name out of `from`; invalid: there is none.
file_descriptor
take(std::vector<named_descriptor>& from, std::string_view name);

/// Closes them, and waits until their UDP ports and interfaces are free:
/// another process that has them as well was told to close them, and does so in
/// its own time.  False: not by `until`, a time of boot_now().
bool close_everywhere(std::vector<named_descriptor> descriptors,
                      time_point until);

struct handed_over {
  /// Keys are in it.  Empty: whoever takes over begins anew, with the
  /// descriptors.
  taken_state state;
  std::vector<named_descriptor> descriptors;
};

/// Beyond these nothing is given and nothing is taken.
inline constexpr std::size_t max_handed_state = std::size_t{256}
                                                << 20; ///< bytes
inline constexpr std::size_t max_handed_descriptors = 200;

} // namespace weft
