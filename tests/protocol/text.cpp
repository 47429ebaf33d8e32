#include "protocol/base/text.hpp"

#include "tests/catch.hpp"

using namespace weft;

TEST_CASE("host names are told from addresses and from mistakes") {
  for (const auto* name : {"a", "a-b", "gw.example.org", "3com.com", "A.B"}) {
    CHECK(is_host_name(name));
    CHECK(is_resolvable_name(name));
  }
  for (const auto* name : {"", ".", "a..b", "-a", "a-", "*.a", "10.0.0.1",
                           "10.0.0.300", "::1", "a b", "a,IP:1", "a.."}) {
    CHECK_FALSE(is_host_name(name));
    CHECK_FALSE(is_resolvable_name(name));
  }
  CHECK(is_host_name(std::string(63, 'a')));
  CHECK_FALSE(is_host_name(std::string(64, 'a')));
}

TEST_CASE("a resolver is asked for names that no certificate has") {
  for (const auto* name : {"a.", "a_b", "_sip.example.org."}) {
    CHECK_FALSE(is_host_name(name));
    CHECK(is_resolvable_name(name));
  }
}

TEST_CASE("interface names are those that the kernel takes") {
  for (const auto* name : {"wg0", "a.b-c_d", "fifteen-letters", "..."})
    CHECK(is_interface_name(name));
  for (const auto* name : {"", ".", "..", "sixteen-letters-", "a/b", "a b",
                           "a:b", "a\tb", "a%d", "\x7f", "\xc3\xa4"})
    CHECK_FALSE(is_interface_name(name));
}

TEST_CASE("control characters are found and replaced") {
  CHECK(printable("a\tb\x1b[2J\x7f\xc2\x9b!") == "a?b?[2J?\?!");
  CHECK(printable("\xc3\xa4 \xc2\xa0") == "\xc3\xa4 \xc2\xa0");
  CHECK_FALSE(has_control_characters("a b"));
  CHECK(has_control_characters("a\n"));
  CHECK(has_control_characters("a\xc2\x85"));
}
