#include "platform/checksum_errors.hpp"

#include <charconv>
#include <fstream>
#include <sstream>
#include <string>

namespace weft {

namespace {

std::string text_of(const char* file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::uint64_t number_in(const std::string& text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

} // namespace

/// Two lines for a protocol: names, and below them numbers.
std::uint64_t checksum_errors_v4(std::string_view snmp) {
  std::istringstream lines{std::string{snmp}};
  std::string names;
  std::string numbers;
  while (std::getline(lines, names) && std::getline(lines, numbers)) {
    std::istringstream titles{names};
    std::istringstream cells{numbers};
    std::string title;
    std::string cell;
    for (bool is_first = true; titles >> title && cells >> cell;
         is_first = false) {
      if (is_first && title != "Udp:")
        break;
      if (title == "InCsumErrors")
        return number_in(cell);
    }
  }
  return 0;
}

/// A name and its number in each line.
std::uint64_t checksum_errors_v6(std::string_view snmp6) {
  std::istringstream words{std::string{snmp6}};
  for (std::string name, number; words >> name >> number;) {
    if (name == "Udp6InCsumErrors")
      return number_in(number);
  }
  return 0;
}

/// Of this thread's network namespace: the process's is its first thread's.
std::uint64_t count_checksum_errors() {
  return checksum_errors_v4(text_of("/proc/thread-self/net/snmp"))
         + checksum_errors_v6(text_of("/proc/thread-self/net/snmp6"));
}

} // namespace weft
