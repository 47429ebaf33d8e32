// What was typed, before it is parsed: put into the order in which CLI11 takes
// it, and held against what was declared, so that every mistake is told in
// weft's own words, with what may have been meant.
#pragma once

#include "tools/weft/failure.hpp"

#include <CLI/CLI.hpp>

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace weft {

/// The words behind the program's name as `app` parses them: options that stand
/// before the command follow it, and names of options may be written as in the
/// configuration, with underscores.  Values are not looked at.
outcome<std::vector<std::string>>
arrange_words(CLI::App& app, std::span<const std::string> typed);

/// `weft peer set PEER`: the command called `name`, and its arguments.
std::string usage_of(const CLI::App& command, const std::string& name);

/// An option that takes a number within bounds, of a unit if it has one.
struct number_option {
  std::string name; ///< `--count`
  std::string help;
  std::string what; ///< `a number of seconds`
  double least = 0;
  double most = 0;
  bool is_whole = true;
};
void add_number(CLI::App& to, const number_option& option,
                std::function<void(double)> take);

} // namespace weft
