// What a test finds on the disk.
#pragma once

#include "tests/catch.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace weft::test {

/// Of the file itself, or of a link in its place.
inline struct stat info_of(const std::string& path) {
  struct stat info {};
  REQUIRE(::lstat(path.c_str(), &info) == 0);
  return info;
}

inline unsigned mode_of(const std::string& path) {
  return info_of(path).st_mode & 07777U;
}

inline std::string content_of(const std::string& path) {
  std::ostringstream all;
  all << std::ifstream{path, std::ios::binary}.rdbuf();
  return all.str();
}

inline std::size_t files_in(const std::string& folder) {
  const std::filesystem::directory_iterator all{folder};
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

} // namespace weft::test
