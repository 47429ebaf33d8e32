#include "config/spans.hpp"

#include "tests/catch.hpp"

using namespace weft;
using namespace std::chrono_literals;

TEST_CASE("A span of time is said with a unit") {
  constexpr auto longest = 24h * 365;
  CHECK(parse_span("0s", longest) == 0s);
  CHECK(parse_span("90s", longest) == 90s);
  CHECK(parse_span("15m", longest) == 15min);
  CHECK(parse_span("12h", longest) == 12h);
  CHECK(parse_span("365d", longest) == longest);
  for (const auto* text : {"", "h", "1", "-1h", "1.5h", "1 h", "1hh", "1d1h",
                           "366d", "8761h", "99999999999999999999s"}) {
    INFO(text);
    CHECK_FALSE(parse_span(text, longest));
  }
}
