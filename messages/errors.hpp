// Errors that actors answer with: an errno, a sentence, and the field that it
// is about.
#pragma once

#include <caf/all.hpp>

#include <exception>
#include <string>

namespace weft {

/// `code` is an errno; `message` says what is wrong and what would be right;
/// `field` is the part of the request, as in `peer.allowed_ips[2]`.
caf::error make_error(int code, std::string message, std::string field = {});

/// What ends an actor that threw.  As its exception handler it takes the place
/// of CAF's own, which prints.
caf::error error_of_exception(std::exception_ptr& thrown);

/// The errno of an error made by make_error(); EIO of any other, 0 of none.
int error_code(const caf::error& error);

/// Its sentence; CAF's text of any other.
std::string error_message(const caf::error& error);

/// Its field; empty if there is none.
std::string error_field(const caf::error& error);

} // namespace weft
