// Other programs, run to their end.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace weft {

/// What a pipe takes at once, wherever it is.
inline constexpr std::size_t most_program_input = 4096;

struct program_call {
  std::vector<std::string> words;       ///< the first is a path
  std::vector<std::string> environment; ///< all of it: `NAME=VALUE`
  std::string input;                    ///< most_program_input at most
  std::chrono::milliseconds patience{std::chrono::seconds{30}};
};

/// Runs a program in a session of its own, in the folder `/`, with no
/// descriptors but the three: `input` to read, and this process's standard
/// error to write to.  After `patience` it is killed, with what belongs to its
/// process group.  An error says that it could not be started, what it exited
/// with, that it took too long, or that the input is too long.  Blocks.
result<void> run_program(const program_call& call);

/// The same, and what it has written to its standard output; EMSGSIZE for more
/// than a mebibyte.
result<std::string> read_program(const program_call& call);

/// A program that goes on by itself.
struct companion {
  /// It reads what is written to this, and to read from it tells when it has
  /// ended.
  file_descriptor way;
  int process = 0;
};

/// Starts a program in the same way.
result<companion> start_companion(const std::vector<std::string>& words);

/// Waits for its end, and says how it came: `was ended by signal 9`.  Only who
/// goes on without it for long has to.
std::string await_end(const companion& ended);

/// The process that has started this one.
int parent_process();
/// Waits for the end of `parent`, what parent_process() said before, for the
/// patience at most.  Its descriptors are closed one after the other before it:
/// the end of one of them does not tell that of the others.
void await_end_of_parent(int parent, std::chrono::milliseconds patience);

/// The program of this name beside the one that runs: in its folder, or in
/// `../bin` of it; empty if there is none.
std::string find_companion(const std::string& name);

} // namespace weft
