// How often this process has looked at a signature of the network.
#pragma once

#include <cstddef>

namespace weft::test {

std::size_t signatures_looked_at();

} // namespace weft::test
