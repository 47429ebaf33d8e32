// How often this process has had a file put on the disk.
#pragma once

#include <cstddef>

namespace weft::test {

std::size_t files_synchronised();

} // namespace weft::test
