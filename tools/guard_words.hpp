// What weftd tells `weft host guard`: a byte each.  The end of all counts as
// the last one.
#pragma once

namespace weft::guard_word {

inline constexpr char works = 'w';        ///< the node does
inline constexpr char host_changed = 'c'; ///< and something is missing there
inline constexpr char ended = 'e';

} // namespace weft::guard_word
