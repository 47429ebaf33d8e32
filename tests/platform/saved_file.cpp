#include "platform/saved_file.hpp"

#include "platform/kept_file.hpp"
#include "tests/on_disk.hpp"
#include "tests/platform/support.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <thread>

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

std::string text_of(const std::string& path) {
  const auto read = load_file(path, file_privacy::any);
  return read ? std::string{read->view()} : read.error().message;
}

std::string save(const std::string& path, std::string_view text) {
  auto file = saved_file::open(path);
  if (!file)
    return file.error().message;
  const auto done = file->replace(text);
  return done ? "" : done.error().message;
}

} // namespace

TEST_CASE("a saved file keeps its owner, its mode and its attributes") {
  const temporary_folder folder;
  const auto path = folder.path() + "/node.yaml";
  write_file(path, "old");
  REQUIRE(::chmod(path.c_str(), 0640) == 0);
  const bool is_root = ::geteuid() == 0;
  if (is_root)
    REQUIRE(::chown(path.c_str(), 12, 34) == 0);
  const bool has_attributes
    = ::setxattr(path.c_str(), "user.origin", "rack 7", 6, 0) == 0;
  CHECK(save(path, "new") == "");
  CHECK(text_of(path) == "new");
  const auto info = info_of(path);
  CHECK((info.st_mode & 07777U) == 0640);
  if (is_root) {
    CHECK(info.st_uid == 12);
    CHECK(info.st_gid == 34);
  }
  if (has_attributes) {
    std::string value(6, ' ');
    REQUIRE(::getxattr(path.c_str(), "user.origin", value.data(), 6) == 6);
    CHECK(value == "rack 7");
  }
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("links go on leading to a saved file") {
  const temporary_folder folder;
  const auto target = folder.path() + "/real";
  const auto link = folder.path() + "/link";
  write_file(target, "old");
  REQUIRE(::symlink("real", link.c_str()) == 0);
  CHECK(save(link, "new") == "");
  CHECK(S_ISLNK(info_of(link).st_mode));
  CHECK(text_of(target) == "new");
}

TEST_CASE("a file that changed since it was opened is not saved") {
  const temporary_folder folder;
  const auto path = folder.path() + "/node.yaml";
  write_file(path, "old");
  auto file = saved_file::open(path);
  REQUIRE(file);
  write_file(path, "of somebody else");
  const auto done = file->replace("new");
  REQUIRE_FALSE(done);
  CHECK_THAT(done.error().message, Contains("changed it meanwhile"));
  CHECK(text_of(path) == "of somebody else");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a file that something is mounted on, or of a read-only file system, "
          "is not written, and the reason is said") {
  const temporary_folder folder;
  const auto& place = folder.path();
  const auto path = place + "/node.yaml";
  write_file(path, "old");
  write_file(place + "/other", "other");
  const auto mount = [](const std::string& what, const std::string& where,
                        unsigned long flags) {
    return ::mount(what.c_str(), where.c_str(), nullptr, flags, nullptr) == 0;
  };
  bool mounted = false;
  std::string over_mount;
  std::string read_only;
  // A thread may have mounts of its own.
  std::jthread{[&] {
    mounted = ::unshare(CLONE_FS | CLONE_NEWNS) == 0
              && mount("none", "/", MS_REC | MS_PRIVATE)
              && mount(place + "/other", path, MS_BIND);
    if (!mounted)
      return;
    over_mount = save(path, "new");
    mounted = ::umount(path.c_str()) == 0 && mount(place, place, MS_BIND)
              && mount("none", place, MS_REMOUNT | MS_BIND | MS_RDONLY);
    read_only = save(path, "new");
  }}.join();
  if (::geteuid() != 0) {
    WARN("skipped: it takes a mount namespace");
    return;
  }
  REQUIRE(mounted);
  CHECK_THAT(over_mount, Contains("bind mount"));
  CHECK_THAT(read_only, Contains("read-only"));
  CHECK(text_of(path) == "old");
  CHECK(text_of(place + "/other") == "other");
}

TEST_CASE("those who save at the same time come one after the other") {
  const temporary_folder folder;
  const auto path = folder.path() + "/count";
  write_file(path, "");
  const auto append = [&] {
    for (int i = 0; i < 20; ++i) {
      auto file = saved_file::open(path);
      if (!file || !file->replace(text_of(path) + "x"))
        return;
    }
  };
  {
    std::jthread one{append};
    std::jthread other{append};
  }
  CHECK(text_of(path) == std::string(40, 'x'));
}

TEST_CASE(
  "who is killed while he saves leaves the old file or the new one, and "
  "nothing that stands in the next one's way") {
  const temporary_folder folder;
  const auto path = folder.path() + "/node.yaml";
  const std::string old_text(100'000, 'o');
  const std::string new_text(200'000, 'n');
  write_file(path, old_text);
  for (int round = 0; round < 60; ++round) {
    const auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      for (bool is_new = true;; is_new = !is_new)
        save(path, is_new ? new_text : old_text);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(500 + 137 * round));
    REQUIRE(::kill(child, SIGKILL) == 0);
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    const auto text = text_of(path);
    CHECK((text == old_text || text == new_text));
  }
  CHECK(save(path, "the end") == "");
  CHECK(text_of(path) == "the end");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a secret file is its owner's alone, and none is overwritten") {
  const temporary_folder folder;
  const auto path = folder.path() + "/beta.psk";
  REQUIRE(make_secret_file(path, "secret"));
  CHECK((info_of(path).st_mode & 07777U) == 0600);
  CHECK_FALSE(make_secret_file(path, "other"));
  CHECK(text_of(path) == "secret");
}

TEST_CASE("a kept file is in a folder that nobody else may enter, and has one "
          "keeper") {
  const temporary_folder folder;
  const auto place = folder.path() + "/state/weft0";
  const auto file = kept_file::open(place, "peers");
  REQUIRE(file);
  CHECK((info_of(place).st_mode & 07777U) == 0700);
  CHECK((*file)->read(100).value() == "");
  REQUIRE((*file)->write("text"));
  CHECK((*file)->read(100).value() == "text");
  const auto other = kept_file::open(place, "peers");
  REQUIRE_FALSE(other);
  CHECK_THAT(other.error().message, Contains("Another process"));
}

TEST_CASE("what is left behind is written at the end, and nothing older after "
          "it") {
  const temporary_folder folder;
  const auto file = kept_file::open(folder.path() + "/s", "peers");
  REQUIRE(file);
  REQUIRE((*file)->write_left()); // nothing
  (*file)->leave("the last words");
  REQUIRE((*file)->write("older"));
  REQUIRE((*file)->write_left());
  CHECK((*file)->read(100).value() == "the last words");
}

TEST_CASE(
  "a kept file that was passed on is another's, and nobody writes to it "
  "here any more") {
  const temporary_folder folder;
  const auto place = folder.path() + "/s";
  const auto file = kept_file::open(place, "peers");
  REQUIRE(file);
  REQUIRE((*file)->write("text"));
  (*file)->pass_on();
  const auto next = kept_file::open(place, "peers");
  REQUIRE(next);
  CHECK((*next)->read(100).value() == "text");
  REQUIRE((*next)->write("newer"));
  REQUIRE((*file)->write("older"));
  (*file)->leave("the last words");
  REQUIRE((*file)->write_left());
  CHECK((*next)->read(100).value() == "newer");
}
