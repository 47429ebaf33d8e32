// Lists whose order means nothing, to be compared.
#pragma once

#include <algorithm>
#include <vector>

namespace weft {

template <class T>
std::vector<T> sorted(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  return values;
}

} // namespace weft
