// The commands of `on_up` and `on_down`: a line of text that is no shell's.
#pragma once

#include "config/values.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// The words of a command.  Blanks part them, where they are not quoted:
/// 'as it is', or "with \" and \\ in it"; elsewhere a backslash takes what
/// follows it as it is.  Nothing else has a meaning: there are no variables,
/// patterns or redirections.
value_or_message<std::vector<std::string>>
split_command(std::string_view command);

} // namespace weft
