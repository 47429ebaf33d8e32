// Starting programs (posix_spawn(3), clone(2)).
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"

#include <array>
#include <string>
#include <vector>

namespace weft {

/// What become its standard input, output and error.
using standard_descriptors = std::array<int, 3>;

/// Starts a program in a session of its own, with no other descriptors, and
/// with signals as they are in a new process.  The first word is its path.
result<int>
spawn_program(const std::vector<std::string>& words,
              const std::vector<std::string>& environment,
              const std::string& folder, const standard_descriptors& standard);

struct started_program {
  int number = 0;
  file_descriptor handle; ///< pidfd_open(2)
};

/// Starts a program as another child of this process's parent (CLONE_PARENT),
/// with this one's folder, environment and standard descriptors, no others, and
/// signals as they are in a new process.  The first word is its path;
/// `variable`, a NAME=VALUE, is added to the environment.
result<started_program> spawn_sibling(const std::vector<std::string>& words,
                                      const std::string& variable);

/// Of a status as waitpid(2) has it: `was ended by signal 9`.
std::string describe_end(int status);

} // namespace weft
