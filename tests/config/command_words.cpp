#include "config/command_words.hpp"

#include "tests/catch.hpp"

using namespace weft;

namespace {

using words = std::vector<std::string>;

words split(std::string_view command) {
  const auto read = split_command(command);
  INFO(command);
  REQUIRE(read);
  return *read;
}

} // namespace

TEST_CASE("Blanks part the words of a command where they are not quoted") {
  CHECK(split("").empty());
  CHECK(split(" /bin/true \t") == words{"/bin/true"});
  CHECK(split("/bin/echo  a b\tc") == words{"/bin/echo", "a", "b", "c"});
  CHECK(split(R"(/bin/sh -c 'echo "$X" > /tmp/y')")
        == words{"/bin/sh", "-c", R"(echo "$X" > /tmp/y)"});
  CHECK(split(R"(a "b c"d'e f' "")") == words{"a", "b cde f", ""});
  CHECK(split(R"("a\"b\\c\d" 'a\b' a\ b \')")
        == words{R"(a"b\c\d)", R"(a\b)", "a b", "'"});
}

TEST_CASE("Nothing of a command has a meaning as in a shell") {
  CHECK(split("/bin/echo $HOME ~ * ; x | y > z & #")
        == words{"/bin/echo", "$HOME", "~", "*", ";", "x", "|", "y", ">", "z",
                 "&", "#"});
}

TEST_CASE("A command whose quotation marks are open is refused") {
  for (const auto* text : {"a 'b", "a \"b", "a \"b\\", "a \\"}) {
    INFO(text);
    const auto read = split_command(text);
    REQUIRE_FALSE(read);
    CHECK(read.error().find("has to be closed") != std::string::npos);
  }
}
