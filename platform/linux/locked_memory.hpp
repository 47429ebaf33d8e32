// Memory that protect_memory() keeps out of the swap (platform/process.hpp).
#pragma once

namespace weft {

/// Lets it go, for who may not lock as much from now on: what is allocated then
/// would fail.  False: none was locked.
bool unlock_memory();

} // namespace weft
