// What weft and weftd exit with.
#pragma once

namespace weft {

inline constexpr int exit_fine = 0;
inline constexpr int exit_failure = 1;     ///< at run time
inline constexpr int exit_mistaken = 2;    ///< usage or configuration
inline constexpr int exit_unreachable = 3; ///< no connection, or it was lost
inline constexpr int exit_forbidden = 4;   ///< EPERM, EACCES
inline constexpr int exit_no_peer = 5;     ///< ENOENT

} // namespace weft
