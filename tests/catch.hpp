// Catch2, version 2 (Debian 12) or 3 (Debian 13), by the names of version 2.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#  include <catch2/catch_all.hpp>

#  include <string>

namespace Catch {

using Matchers::EndsWith;
using Matchers::Equals;
using Matchers::StartsWith;
using Matchers::VectorContains;

/// In version 3 that name means elements of ranges.
inline auto Contains(const std::string& part) {
  return Matchers::ContainsSubstring(part);
}

} // namespace Catch

using Catch::Approx;

#else
#  include <catch2/catch.hpp>
#endif
