// Errors that actors answer with: an errno and a sentence.
#pragma once

#include <caf/all.hpp>

#include <string>

namespace weft {

/// `code` is an errno; `message` says what is wrong and what would be right.
caf::error make_error(int code, std::string message);

/// The errno of an error made by make_error(); EIO of any other.
int error_code(const caf::error& error);

/// Its sentence; CAF's text of any other.
std::string error_message(const caf::error& error);

} // namespace weft
