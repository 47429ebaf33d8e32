// A disk that takes its time: a file that is to be replaced (replace_file()) is
// so only when the test says it.
#pragma once

#include <string>

namespace weft::test {

class slow_disk {
public:
  /// From now on.  One at a time in a process.
  explicit slow_disk(std::string path);
  slow_disk(const slow_disk&) = delete;
  slow_disk& operator=(const slow_disk&) = delete;
  /// Goes on at once.
  ~slow_disk();

  /// Waits until there is something to be put into the file's place, and
  /// returns where that is.
  std::string next();
  /// That it is put there.
  void go_on();
};

} // namespace weft::test
