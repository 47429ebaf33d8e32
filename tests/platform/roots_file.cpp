#include "platform/roots_file.hpp"

#include "support.hpp"

#include <sys/stat.h>
#include <unistd.h>

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

std::string objection_to(const std::string& path) {
  const auto fine = check_roots_file(path);
  return fine ? std::string{} : fine.error().message;
}

} // namespace

TEST_CASE("A file is root's if nobody else can put another in its place") {
  if (::geteuid() != 0) {
    WARN("only root has such files");
    return;
  }
  const temporary_folder top; // in /tmp, where everybody may make files
  const auto folder = top.path() + "/folder";
  const auto file = folder + "/file";
  REQUIRE(::mkdir(folder.c_str(), 0755) == 0);
  write_file(file, "");
  CHECK(objection_to(file).empty());
  CHECK_THAT(objection_to(folder + "/absent"), Contains("No such file"));
  for (const auto& part : {top.path(), folder, file}) {
    INFO(part);
    REQUIRE(::chmod(part.c_str(), 0775) == 0);
    CHECK_THAT(objection_to(file),
               Contains("others than root can write to " + part));
    REQUIRE(::chmod(part.c_str(), 0755) == 0);
    REQUIRE(::chown(part.c_str(), 1, 1) == 0);
    CHECK_THAT(objection_to(file), Contains(part + " is not root's"));
    REQUIRE(::chown(part.c_str(), 0, 0) == 0);
  }
  CHECK(objection_to(file).empty());

  SECTION("A sticky folder is no objection further up, but beside the file") {
    REQUIRE(::chmod(top.path().c_str(), 01777) == 0);
    CHECK(objection_to(file).empty());
    REQUIRE(::chmod(folder.c_str(), 01777) == 0);
    CHECK_THAT(objection_to(file), Contains("others than root can write"));
  }
  SECTION("A link is as good as the folder that it lies in") {
    const auto links = top.path() + "/links";
    const auto link = links + "/link";
    REQUIRE(::mkdir(links.c_str(), 0755) == 0);
    REQUIRE(::symlink(file.c_str(), link.c_str()) == 0);
    CHECK(objection_to(link).empty());
    REQUIRE(::chmod(links.c_str(), 0777) == 0);
    CHECK_THAT(objection_to(link), Contains(links));
    REQUIRE(::chmod(links.c_str(), 0755) == 0);
    REQUIRE(::chmod(file.c_str(), 0666) == 0);
    CHECK_THAT(objection_to(link), Contains(file));
    REQUIRE(::chmod(file.c_str(), 0644) == 0);

    const auto first = folder + "/first"; // leads to a link that leads there
    REQUIRE(::symlink("../links/link", first.c_str()) == 0);
    CHECK(objection_to(first).empty());
    REQUIRE(::chmod(links.c_str(), 0777) == 0);
    CHECK_THAT(objection_to(first), Contains(links));
  }
}
