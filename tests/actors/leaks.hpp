// What overlays leave behind in this process: descriptors and threads.
#pragma once

#include "tests/actors/message_log.hpp"

#include <filesystem>
#include <fstream>
#include <string>

namespace weft::test {

inline std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all{"/proc/self/fd"};
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

/// Threads of this process that overlays have started, by their names.
inline std::size_t overlay_threads() {
  std::size_t count = 0;
  for (const auto& thread :
       std::filesystem::directory_iterator{"/proc/self/task"}) {
    std::string name;
    std::ifstream{thread.path() / "comm"} >> name;
    count += name.starts_with("weft-") ? 1U : 0U;
  }
  return count;
}

/// Whether no overlay comes to be left in this process, which had so many
/// descriptors before.
inline bool nothing_is_left(std::size_t descriptors_before) {
  return eventually([=] {
    return overlay_threads() == 0 && open_descriptors() <= descriptors_before;
  });
}

} // namespace weft::test
