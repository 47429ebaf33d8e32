// For what a test takes for granted.
#pragma once

#include "tests/catch.hpp"

#include <tl/expected.hpp>

#include <type_traits>
#include <utility>

namespace weft::test {

/// What was made; fails with the reason if it was not.
template <class T, class Error>
T must(tl::expected<T, Error> made) {
  if (!made) {
    if constexpr (requires { made.error().message; })
      FAIL(made.error().message);
    else
      FAIL(made.error().what);
  }
  if constexpr (!std::is_void_v<T>)
    return std::move(*made);
}

} // namespace weft::test
