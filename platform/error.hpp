// Failures of the operating system, as values.
#pragma once

#include <tl/expected.hpp>

#include <string>

namespace weft {

/// What failed, why, and what the user can do about it.
struct system_error {
  int code = 0;        ///< errno; 0 where the failure is not the system's
  std::string message; ///< a whole sentence with the remedy, ready to print
};

template <class T>
using result = tl::expected<T, system_error>;

/// `what: strerror(code)`, and the remedy for codes that have one (EPERM:
/// "needs CAP_NET_ADMIN: run as root or ...").
system_error
make_system_error(int code, std::string what, std::string remedy = {});

} // namespace weft
