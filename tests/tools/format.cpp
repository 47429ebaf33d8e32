#include "tools/weft/view/format.hpp"

#include "tests/catch.hpp"

#include <limits>

using namespace weft;
using namespace std::chrono_literals;

TEST_CASE("an age shows its two largest units and leaves out zeros") {
  CHECK(format_age(0s) == "0s");
  CHECK(format_age(34s) == "34s");
  CHECK(format_age(59s) == "59s");
  CHECK(format_age(60s) == "1m");
  CHECK(format_age(64s) == "1m4s");
  CHECK(format_age(59min + 59s) == "59m59s");
  CHECK(format_age(1h) == "1h");
  CHECK(format_age(1h + 59s) == "1h");
  CHECK(format_age(2h + 3min + 4s) == "2h3m");
  CHECK(format_age(23h + 59min + 59s) == "23h59m");
  CHECK(format_age(24h) == "1d");
  CHECK(format_age(5 * 24h + 4h + 3min) == "5d4h");
  CHECK(format_age(100 * 24h - 1s) == "99d23h");
}

TEST_CASE("an age of a hundred days or more shows days only") {
  CHECK(format_age(100 * 24h + 5h) == "100d");
  CHECK(format_age(400 * 24h + 23h) == "400d");
}

TEST_CASE("a short time is shown in the unit that fits") {
  CHECK(format_microseconds(0) == "0 us");
  CHECK(format_microseconds(999) == "999 us");
  CHECK(format_microseconds(1000) == "1.0 ms");
  CHECK(format_microseconds(12'399) == "12.3 ms");
  CHECK(format_microseconds(999'999) == "999.9 ms");
  CHECK(format_microseconds(1'250'000) == "1.2 s");
}

TEST_CASE("a negative age counts as none") {
  CHECK(format_age(-5s) == "0s");
}

TEST_CASE("bytes are shown in binary units, rounded down") {
  CHECK(format_bytes(0) == "0 B");
  CHECK(format_bytes(1023) == "1023 B");
  CHECK(format_bytes(1024) == "1.00 KiB");
  CHECK(format_bytes(1024 + 52) == "1.05 KiB");
  CHECK(format_bytes(10 * 1024 - 1) == "9.99 KiB");
  CHECK(format_bytes(10 * 1024) == "10.0 KiB");
  CHECK(format_bytes(100 * 1024 - 1) == "99.9 KiB");
  CHECK(format_bytes(100 * 1024) == "100 KiB");
  CHECK(format_bytes(1024 * 1024 - 1) == "1023 KiB");
  CHECK(format_bytes(1024 * 1024) == "1.00 MiB");
  CHECK(format_bytes(std::uint64_t{3} << 40) == "3.00 TiB");
}

TEST_CASE("no amount of bytes is wider than eight columns") {
  for (unsigned shift = 0; shift < 64; ++shift) {
    const auto power = std::uint64_t{1} << shift;
    CHECK(format_bytes(power).size() <= 8);
    CHECK(format_bytes(power - 1).size() <= 8);
    CHECK(format_bytes(power + power / 2).size() <= 8);
  }
  CHECK(format_bytes(std::numeric_limits<std::uint64_t>::max()) == "15.9 EiB");
}

TEST_CASE("the short form of an amount takes five columns at most") {
  CHECK(format_short(0) == "0");
  CHECK(format_short(1023) == "1023");
  CHECK(format_short(1024) == "1.00K");
  CHECK(format_short(std::uint64_t{3} << 40) == "3.00T");
  for (unsigned shift = 0; shift < 64; ++shift) {
    const auto power = std::uint64_t{1} << shift;
    CHECK(format_short(power).size() <= 5);
    CHECK(format_short(power - 1).size() <= 5);
  }
}

TEST_CASE("texts are shortened to a width, at the end or in the middle") {
  CHECK(shorten("abcdef", 6) == "abcdef");
  CHECK(shorten("abcdef", 5) == "abc..");
  CHECK(shorten("abcdef", 2) == "..");
  CHECK(shorten("abcdef", 1) == ".");
  CHECK(shorten("abcdef", 0).empty());
  CHECK(shorten("z\xC3\xBCrich", 6) == "z\xC3\xBCrich");
  CHECK(shorten("z\xC3\xBCrich", 4) == "z\xC3\xBC..");
  CHECK(shorten_middle("abcdefgh", 8) == "abcdefgh");
  CHECK(shorten_middle("abcdefgh", 7) == "abc..gh");
  CHECK(shorten_middle("abcdefgh", 6) == "ab..gh");
  CHECK(shorten_middle("abcdefgh", 1) == ".");
  CHECK(shorten_middle("\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC\xC3\xBC", 4)
        == "\xC3\xBC..\xC3\xBC");
}

TEST_CASE("different texts stay different where they are cut") {
  CHECK(width_apart({}, 4) == 4);
  CHECK(width_apart({"one", "two", "one"}, 4) == 4);
  // ab..gh would be both of them.
  CHECK(width_apart({"abcdefgh", "abcxefgh"}, 6) == 8);
  CHECK(width_apart({"a-long-name-1", "a-long-name-2"}, 8) == 8);
}

TEST_CASE("one thing is singular, none and several are plural") {
  CHECK(format_count(0, "peer") == "0 peers");
  CHECK(format_count(1, "peer") == "1 peer");
  CHECK(format_count(2, "peer") == "2 peers");
}

TEST_CASE("the width of a text counts characters, not bytes") {
  CHECK(display_width("") == 0);
  CHECK(display_width("beta") == 4);
  CHECK(display_width("z\xC3\xBCrich") == 6);
}

TEST_CASE("control characters cannot reach the terminal") {
  CHECK(printable("a\x1B[2Jb\nc\x7F") == "a?[2Jb?c?");
  CHECK(printable("a\xC2\x9B[2J") == "a?[2J"); // C1, two bytes in UTF-8
  CHECK(printable("z\xC3\xBCrich") == "z\xC3\xBCrich");
}

TEST_CASE("a list is wrapped where an item no longer fits") {
  using lines = std::vector<std::string>;
  CHECK(wrap_list({}, 10) == lines{});
  CHECK(wrap_list({"aa"}, 10) == lines{"aa"});
  CHECK(wrap_list({"aa", "bb", "cc"}, 10) == lines{"aa, bb, cc"});
  CHECK(wrap_list({"aa", "bb", "cc"}, 9) == lines{"aa, bb,", "cc"});
  CHECK(wrap_list({"aa", "bb", "cc"}, 1) == lines{"aa,", "bb,", "cc"});
}

TEST_CASE("words go into as few lines as they fit") {
  using lines = std::vector<std::string>;
  CHECK(wrap_words("", 10) == lines{});
  CHECK(wrap_words("aa bb cc", 10) == lines{"aa bb cc"});
  CHECK(wrap_words("aa bb cc", 5) == lines{"aa bb", "cc"});
  CHECK(wrap_words("a longerword b", 3) == lines{"a", "longerword", "b"});
}
