// The program's own, of which weft knows nothing.
#pragma once

inline constexpr int own_setting = 7;
