// What weftd and `weft host` have to agree about.
#pragma once

namespace weft {

/// Where a file of each node says what was done to the host for it.
inline constexpr auto host_notes_folder = "/run/weft-host";

} // namespace weft

/// What weftd tells `weft host guard`: a byte each.  The end of all counts as
/// the last one.
namespace weft::guard_word {

inline constexpr char works = 'w';        ///< the node does
inline constexpr char host_changed = 'c'; ///< and something is missing there
inline constexpr char ended = 'e';

} // namespace weft::guard_word
