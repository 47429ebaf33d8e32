// Why a command failed, and how that is told.
#pragma once

#include "platform/error.hpp"
#include "tools/weft/commands/commands.hpp"

#include <tl/expected.hpp>

#include <string>
#include <vector>

namespace weft {

struct failure {
  int exit = exit_failure; ///< code of the program
  int code = 0;            ///< errno; 0: none
  std::string message;     ///< what is wrong, and what to do
  std::string field{};     ///< of the request or file; may be empty
};

template <class T>
using outcome = tl::expected<T, failure>;

/// The exit code for an errno that a node, or the way to it, answers with. What
/// ENOENT means depends on what was looked for: it is a failure here.
int exit_code_of(int code);

failure to_failure(const system_error& error);

/// Wrong usage, or a mistake in a file.
failure mistake(std::string message, std::string field = {});

/// `weft: MESSAGE`, or one line of JSON, with line ends.  Whatever came from
/// elsewhere cannot steer the terminal.
std::string format_failure(const failure& what, bool json);

/// Prints it, and returns its exit code.
int report(const failure& what, bool json, const streams& io);

} // namespace weft
