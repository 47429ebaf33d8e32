#include "platform/file_watch.hpp"

#include "tests/platform/support.hpp"

#include <filesystem>
#include <fstream>

using namespace weft;
using namespace weft::test;

namespace {

void write(const std::string& path, const std::string& text) {
  std::ofstream{path} << text;
}

/// A file in a folder of its own, and its watch.
struct watched_file {
  watched_file() {
    write(path, "one");
    auto opened = file_watch::open(path);
    REQUIRE(opened);
    watch.emplace(std::move(*opened));
  }
  bool changes() {
    return await_readable(watch->descriptor()) && watch->read();
  }

  temporary_folder folder;
  std::string path = folder.path() + "/node.yaml";
  std::optional<file_watch> watch;
};

} // namespace

TEST_CASE("a file that is written or replaced has changed, once") {
  watched_file file;
  CHECK_FALSE(file.watch->read());
  write(file.path, "two, and longer");
  CHECK(file.changes());
  CHECK_FALSE(file.watch->read());
  write(file.folder.path() + "/new", "three");
  std::filesystem::rename(file.folder.path() + "/new", file.path);
  CHECK(file.changes());
  CHECK_FALSE(file.watch->read());
}

TEST_CASE("another file in the folder is no change") {
  watched_file file;
  write(file.folder.path() + "/other", "text");
  CHECK_FALSE(file.changes());
}

TEST_CASE("a file that is removed has changed when it is there again") {
  watched_file file;
  std::filesystem::remove(file.path);
  write(file.folder.path() + "/other", "text");
  CHECK_FALSE(file.changes());
  write(file.path, "again");
  CHECK(file.changes());
}

TEST_CASE("a link in the folder that leads elsewhere changes what is behind "
          "it") {
  const temporary_folder folder;
  const auto in
    = [&](const std::string& name) { return folder.path() + "/" + name; };
  for (const auto* version : {"v1", "v2"}) {
    std::filesystem::create_directory(in(version));
    write(in(version) + "/node.yaml", version);
  }
  std::filesystem::create_directory_symlink("v1", in("data"));
  std::filesystem::create_symlink("data/node.yaml", in("node.yaml"));
  auto watch = file_watch::open(in("node.yaml"));
  REQUIRE(watch);
  std::filesystem::create_directory_symlink("v2", in("next"));
  std::filesystem::rename(in("next"), in("data"));
  CHECK(await_readable(watch->descriptor()));
  CHECK(watch->read());
}

TEST_CASE(
  "a file is watched where links lead, also after they lead elsewhere") {
  const temporary_folder folder;
  const auto in
    = [&](const std::string& name) { return folder.path() + "/" + name; };
  for (const auto* name : {"etc", "one", "two"})
    std::filesystem::create_directory(in(name));
  write(in("one/real.yaml"), "one");
  write(in("two/real.yaml"), "another");
  std::filesystem::create_symlink("../one/real.yaml", in("etc/node.yaml"));
  auto watch = file_watch::open(in("etc/node.yaml"));
  REQUIRE(watch);
  const auto changes
    = [&] { return await_readable(watch->descriptor()) && watch->read(); };
  write(in("one/real.yaml"), "one, and more");
  CHECK(changes());
  write(in("two/new"), "a third");
  std::filesystem::create_symlink(in("two/real.yaml"), in("etc/next"));
  std::filesystem::rename(in("etc/next"), in("etc/node.yaml"));
  CHECK(changes());
  std::filesystem::rename(in("two/new"), in("two/real.yaml"));
  CHECK(changes());
  CHECK_FALSE(watch->read());
}

TEST_CASE(
  "a folder that leads to the file may be a link that is put elsewhere") {
  const temporary_folder folder;
  const auto in
    = [&](const std::string& name) { return folder.path() + "/" + name; };
  for (const auto* version : {"v1", "v2"}) {
    std::filesystem::create_directories(in(version) + "/weft");
    write(in(version) + "/weft/node.yaml", version);
  }
  std::filesystem::create_directory_symlink("v1", in("now"));
  auto watch = file_watch::open(in("now/weft/node.yaml"));
  REQUIRE(watch);
  const auto changes
    = [&] { return await_readable(watch->descriptor()) && watch->read(); };
  std::filesystem::create_directory_symlink("v2", in("next"));
  std::filesystem::rename(in("next"), in("now"));
  CHECK(changes());
  write(in("v2/weft/node.yaml"), "changed");
  CHECK(changes());
}

TEST_CASE("a folder that is made anew is watched again") {
  const temporary_folder folder;
  const auto in
    = [&](const std::string& name) { return folder.path() + "/" + name; };
  std::filesystem::create_directory(in("etc"));
  std::filesystem::create_directory(in("away"));
  write(in("etc/node.yaml"), "one");
  auto watch = file_watch::open(in("etc/node.yaml"));
  REQUIRE(watch);
  std::filesystem::remove_all(in("etc"));
  REQUIRE(await_readable(watch->descriptor()));
  CHECK_FALSE(watch->read());
  std::filesystem::create_directory(in("etc"));
  REQUIRE(await_readable(watch->descriptor()));
  CHECK_FALSE(watch->read());
  write(in("etc/node.yaml"), "two");
  CHECK(await_readable(watch->descriptor()));
  CHECK(watch->read());
}

TEST_CASE_METHOD(watched_file,
                 "a file is watched again after a folder stood in its place") {
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  CHECK(changes());
  std::filesystem::remove(path);
  changes();
  write(path, "two");
  CHECK(changes());
}
