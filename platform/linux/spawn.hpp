// Starting programs (posix_spawn(3)).
#pragma once

#include "platform/error.hpp"

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

/// Of a status as waitpid(2) has it: `was ended by signal 9`.
std::string describe_end(int status);

} // namespace weft
