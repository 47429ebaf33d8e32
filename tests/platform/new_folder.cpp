#include "platform/new_folder.hpp"

#include "tests/platform/support.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

using namespace weft;
using namespace weft::test;

TEST_CASE("What another user has put in the place of a new folder's file is "
          "not given to that one") {
  if (::geteuid() != 0) {
    WARN("skipped: it gives files away, which needs root");
    return;
  }
  const temporary_folder around;
  constexpr uid_t somebody = 12345;
  const auto theirs = around.path() + "/theirs";
  const auto secret = around.path() + "/secret";
  REQUIRE(::mkdir(theirs.c_str(), 0700) == 0);
  REQUIRE(::chown(theirs.c_str(), somebody, somebody) == 0);
  write_file(secret, "root's");
  auto made = new_folder::begin(theirs + "/made");
  REQUIRE(made);
  REQUIRE(made->put("kept", "text", 0600));
  REQUIRE(made->put("swapped", "text", 0600));
  std::filesystem::remove(theirs + "/made.partial/swapped");
  std::filesystem::create_hard_link(secret, theirs + "/made.partial/swapped");
  REQUIRE(made->finish());
  struct stat info {};
  REQUIRE(::stat(secret.c_str(), &info) == 0);
  CHECK(info.st_uid == 0);
  REQUIRE(::stat((theirs + "/made/kept").c_str(), &info) == 0);
  CHECK(info.st_uid == somebody);
  REQUIRE(::stat((theirs + "/made").c_str(), &info) == 0);
  CHECK(info.st_uid == somebody);
}
