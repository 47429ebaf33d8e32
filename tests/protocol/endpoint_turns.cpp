#include "protocol/tunnel/endpoint_turns.hpp"

#include "tests/catch.hpp"

using namespace weft;

namespace {

endpoint at(std::string_view text) {
  return parse_endpoint(text).value();
}

const auto home = at("192.0.2.1:1");
const auto away = at("198.51.100.1:2");
const auto elsewhere = at("[2001:db8::1]:3");

} // namespace

TEST_CASE("A silent peer is looked for where it was configured and where it "
          "was heard from, in turns") {
  endpoint_turns turns;
  turns.configure(home);
  for (int round = 0; round < 3; ++round) {
    CHECK(turns.next(away) == home);
    CHECK(turns.next(home) == away);
  }
  CHECK(turns.next(elsewhere) == home);
  CHECK(turns.next(home) == elsewhere);
  // It answered at home before it was looked for elsewhere.
  CHECK(turns.next(home) == elsewhere);
}

TEST_CASE("Where only one place is known, there is no other to try") {
  endpoint_turns turns;
  CHECK_FALSE(turns.next(away));
  turns.configure(home);
  CHECK_FALSE(turns.next(home));
}

TEST_CASE("A new configuration forgets where the peer was heard from") {
  endpoint_turns turns;
  turns.configure(home);
  CHECK(turns.next(away) == home);
  turns.configure(elsewhere);
  CHECK_FALSE(turns.next(elsewhere));
  CHECK(turns.next(away) == elsewhere);
}
