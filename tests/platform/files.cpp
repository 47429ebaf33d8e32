#include "platform/files.hpp"

#include "platform/privileges.hpp"
#include "tests/on_disk.hpp"
#include "tests/platform/support.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

std::string text_of(const std::string& path) {
  const auto text = load_file(path, file_privacy::any);
  return text ? std::string{text->view()} : "error: " + text.error().message;
}

} // namespace

TEST_CASE("a file is replaced with exactly the mode and nothing is left over") {
  const temporary_folder folder;
  const auto path = folder.path() + "/key";
  write_file(path, "old");
  REQUIRE(::chmod(path.c_str(), 0644) == 0);
  REQUIRE(replace_file(path, "new", 0600));
  CHECK(text_of(path) == "new");
  CHECK(mode_of(path) == 0600);
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a file is moved with exactly the mode, and never what a link leads "
          "to") {
  const temporary_folder folder;
  const auto from = folder.path() + "/backup";
  const auto to = folder.path() + "/kept";
  const auto secret = folder.path() + "/secret";
  write_file(secret, "others'");
  REQUIRE(::chmod(secret.c_str(), 0640) == 0);
  write_file(from, std::string(3'000'000, 'x'));
  REQUIRE(move_file(from, to, 0600));
  CHECK(mode_of(to) == 0600);
  CHECK(std::filesystem::file_size(to) == 3'000'000);
  CHECK_FALSE(std::filesystem::exists(from));

  SECTION("a symbolic link") {
    std::filesystem::create_symlink(secret, from);
  }
  SECTION("another name of the file") {
    std::filesystem::create_hard_link(secret, from);
  }
  SECTION("a pipe") {
    REQUIRE(::mkfifo(from.c_str(), 0600) == 0);
  }
  CHECK_FALSE(move_file(from, to, 0600));
  CHECK(mode_of(secret) == 0640);
  CHECK(text_of(secret) == "others'");
  CHECK(std::filesystem::file_size(to) == 3'000'000);
}

TEST_CASE(
  "root takes nothing away where a folder's owner has put a link in its "
  "place") {
  if (::geteuid() != 0) {
    WARN("skipped: it acts as another user, which needs root");
    return;
  }
  const temporary_folder folder;
  constexpr uid_t somebody = 12345;
  const auto roots = folder.path() + "/roots";
  const auto theirs = folder.path() + "/theirs";
  REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
  REQUIRE(::mkdir(roots.c_str(), 0755) == 0);
  write_file(roots + "/backup", "root's");
  std::filesystem::create_directory_symlink(roots, theirs);
  REQUIRE(::lchown(theirs.c_str(), somebody, somebody) == 0);
  CHECK(in_child([&] {
          return remove_theirs(theirs + "/backup") || ::geteuid() != 0 ? 1 : 0;
        })
        == 0);
  CHECK(in_child([&] {
          const auto to = folder.path() + "/kept";
          return move_file(theirs + "/backup", to, 0600) ? 1 : 0;
        })
        == 0);
  CHECK(text_of(roots + "/backup") == "root's");

  // In a folder of theirs it goes.
  std::filesystem::remove(theirs);
  REQUIRE(::mkdir(theirs.c_str(), 0700) == 0);
  write_file(theirs + "/backup", "theirs");
  REQUIRE(::chown(theirs.c_str(), somebody, somebody) == 0);
  CHECK(in_child([&] { return remove_theirs(theirs + "/backup") ? 0 : 1; })
        == 0);
  CHECK_FALSE(std::filesystem::exists(theirs + "/backup"));
}

TEST_CASE("who has the former file open keeps the former text") {
  const temporary_folder folder;
  const auto path = folder.path() + "/file";
  write_file(path, "old");
  const auto before = identify_file(path);
  std::ifstream reader{path};
  REQUIRE(replace_file(path, "new", 0600));
  std::string text;
  std::getline(reader, text);
  CHECK(text == "old");
  CHECK(before);
  CHECK(identify_file(path) != before);
}

TEST_CASE("a link is replaced, and what it leads to is not touched") {
  const temporary_folder folder;
  const auto target = folder.path() + "/target";
  const auto link = folder.path() + "/link";
  write_file(target, "untouched");
  std::filesystem::create_symlink(target, link);
  REQUIRE(replace_file(link, "new", 0600));
  CHECK(text_of(target) == "untouched");
  CHECK(text_of(link) == "new");
}

TEST_CASE("a file that cannot be replaced stays, and nothing is left over") {
  const temporary_folder folder;
  const auto place = folder.path() + "/place";
  REQUIRE(std::filesystem::create_directory(place));
  const auto replaced = replace_file(place, "text", 0600);
  REQUIRE_FALSE(replaced);
  CHECK_THAT(replaced.error().message, Contains(place));
  CHECK(files_in(folder.path()) == 1);
  CHECK_FALSE(replace_file(folder.path() + "/absent/file", "text", 0600));
}

TEST_CASE("only whole regular files that are private enough are loaded") {
  const temporary_folder folder;
  const auto path = folder.path() + "/file";
  CHECK_THAT(text_of(path), Contains("No such file"));
  CHECK_FALSE(identify_file(path));
  write_file(path, "");
  CHECK(text_of(path).empty());
  std::filesystem::resize_file(path, 1 << 20);
  CHECK(text_of(path).size() == 1 << 20);
  std::filesystem::resize_file(path, (1 << 20) + 1);
  CHECK_THAT(text_of(path), Contains("1 MiB"));

  std::filesystem::resize_file(path, 1);
  REQUIRE(::chmod(path.c_str(), 0610) == 0);
  CHECK(load_file(path, file_privacy::any));
  const auto refused = load_file(path, file_privacy::owner_only);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Contains("chmod 600 " + path));
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
  CHECK(load_file(path, file_privacy::owner_only));

  // A pipe that nobody writes to keeps nobody waiting.
  const auto pipe = folder.path() + "/pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THAT(text_of(pipe), Contains("no regular file"));
  CHECK_THAT(text_of(folder.path()), Contains("no regular file"));
}

TEST_CASE("a change of mode is a change of the file") {
  const temporary_folder folder;
  const auto path = folder.path() + "/file";
  write_file(path, "text");
  const auto before = identify_file(path);
  CHECK(identify_file(path) == before);
  // The kernel's time stamps advance in steps of some milliseconds.
  for (int i = 0; i < 1000 && identify_file(path) == before; ++i) {
    REQUIRE(::chmod(path.c_str(), i % 2 == 0 ? 0640 : 0600) == 0);
    ::usleep(1000);
  }
  CHECK(identify_file(path) != before);
}

TEST_CASE("a private folder is its owner's alone, with all it was made with") {
  const temporary_folder folder;
  const auto path = folder.path() + "/a/b/c";
  const auto before = ::umask(0);
  const auto made = make_private_folder(path);
  ::umask(before);
  REQUIRE(made);
  CHECK(mode_of(folder.path() + "/a") == 0700);
  CHECK(mode_of(path) == 0700);
  CHECK(make_private_folder(path));
  CHECK(make_private_folder(path + "/"));

  REQUIRE(::chmod(path.c_str(), 0755) == 0);
  CHECK(make_private_folder(path));
  for (const mode_t mode : {0770U, 0702U}) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    const auto refused = make_private_folder(path);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Contains("chmod 700 " + path));
  }
  write_file(folder.path() + "/file", "");
  CHECK_FALSE(make_private_folder(folder.path() + "/file"));
  CHECK_FALSE(make_private_folder(folder.path() + "/file/below"));
}

TEST_CASE("a folder has one holder at a time, and none who only looks into "
          "it") {
  const temporary_folder folder;
  const file_descriptor stranger{
    ::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  REQUIRE(::flock(stranger.get(), LOCK_EX | LOCK_NB) == 0);
  std::atomic<bool> let_go{false};
  bool came_after = false;
  std::thread other;
  {
    const auto lock = lock_folder(folder.path());
    REQUIRE(lock);
    CHECK((mode_of(folder.path() + "/.lock") & 077U) == 0);
    other = std::thread{[&] {
      const auto second = lock_folder(folder.path());
      came_after = second && let_go;
    }};
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
    let_go = true;
  }
  other.join();
  CHECK(came_after);
  CHECK_FALSE(lock_folder(folder.path() + "/absent"));
}

TEST_CASE("a secret of another user, or in everybody's folder, is refused") {
  const temporary_folder folder;
  const auto path = folder.path() + "/a.key";
  REQUIRE(replace_file(path, "secret", 0600));
  CHECK(load_file(path, file_privacy::owner_only));
  const auto refusal = [](const std::string& of) {
    const auto read = load_file(of, file_privacy::owner_only);
    return read ? std::string{"none"} : read.error().message;
  };
  REQUIRE(::chmod(folder.path().c_str(), 0777) == 0);
  CHECK_THAT(refusal(path), Catch::Contains("in the place of this secret"));
  CHECK(load_file(path, file_privacy::any));
  // A link from a good folder makes it no better.
  const temporary_folder other;
  std::filesystem::create_symlink(path, other.path() + "/a.key");
  CHECK_THAT(refusal(other.path() + "/a.key"),
             Catch::Contains("in the place of this secret"));
  REQUIRE(::chmod(folder.path().c_str(), 01777) == 0);
  CHECK(refusal(path) == "none");
  if (::geteuid() != 0)
    return;
  REQUIRE(::chown(path.c_str(), 12345, 12345) == 0);
  CHECK_THAT(refusal(path), Catch::Contains("belongs to another user"));
}

TEST_CASE("a text says who else has access to its file") {
  const temporary_folder folder;
  const auto path = folder.path() + "/node.yaml";
  const auto others_of = [&](unsigned mode) {
    REQUIRE(replace_file(path, "text", 0600));
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    const auto read = load_any_file(path, 100);
    REQUIRE(read);
    CHECK(read->text.view() == "text");
    return read->others;
  };
  CHECK(others_of(0600) == exposure::none);
  CHECK(others_of(0644) == exposure::readable);
  CHECK(others_of(0620) == exposure::writable);
  CHECK(others_of(0666) == exposure::writable);
  CHECK(load_any_file(path, 2)->text.view() == "te");
  CHECK(load_any_file(folder.path(), 9).error().code == EISDIR);
  CHECK(load_any_file("/dev/zero", 100'000)->text.view().size() == 100'000);
}

TEST_CASE("a pipe is read to its end, also if its writer is slow") {
  const temporary_folder folder;
  const auto path = folder.path() + "/pipe";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  std::thread writer([&] {
    const file_descriptor to{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
    for (int i = 0; i < 3; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds{20});
      std::ignore = ::write(to.get(), "piece ", 6);
    }
  });
  const auto read = load_any_file(path, 1000);
  writer.join();
  REQUIRE(read);
  CHECK(read->text.view() == "piece piece piece ");
}

TEST_CASE("a pipe is waited for as long as the caller wants, and not at all "
          "once its writer has gone") {
  using namespace std::chrono_literals;
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const file_descriptor from{ends[0]};
  file_descriptor to{ends[1]};
  const auto path = "/proc/self/fd/" + std::to_string(from.get());
  const auto silent = load_any_file(path, 100, 20ms);
  REQUIRE_FALSE(silent);
  CHECK(silent.error().code == ETIMEDOUT);
  to.reset();
  const auto gone = load_any_file(path, 100, std::nullopt);
  REQUIRE(gone);
  CHECK(gone->text.view().empty());
}

TEST_CASE(
  "a pipe with a name that nobody writes to is waited for in no case for "
  "ever") {
  const temporary_folder folder;
  const auto path = folder.path() + "/pipe";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const auto silent = load_any_file(path, 100, std::nullopt);
  REQUIRE_FALSE(silent);
  CHECK(silent.error().message
        == "Cannot read " + path
             + ": Connection timed out. Nobody writes to this pipe");
}

TEST_CASE("what root locks in somebody's folder does not keep its owner out") {
  if (::geteuid() != 0)
    return;
  const temporary_folder folder;
  const auto lock = folder.path() + "/.lock";
  REQUIRE(::chown(folder.path().c_str(), 12345, 12345) == 0);
  REQUIRE(lock_folder(folder.path()));
  struct stat info {};
  REQUIRE(::stat(lock.c_str(), &info) == 0);
  CHECK(info.st_uid == 12345);
  CHECK(info.st_gid == 12345);
  const auto as_owner = [&] {
    return in_child([&] {
      if (::setgid(12345) != 0 || ::setuid(12345) != 0)
        return 1;
      const auto held = lock_folder(folder.path());
      if (held)
        return 0;
      return held.error().message.find(lock + ": remove it")
                 != std::string::npos
               ? 2
               : 3;
    });
  };
  CHECK(as_owner() == 0);
  // What was there before is not given away: it might be a link.
  REQUIRE(::chown(lock.c_str(), 0, 0) == 0);
  REQUIRE(lock_folder(folder.path()));
  CHECK(as_owner() == 2);
}

TEST_CASE("root without the right to other users' files is not told to be "
          "root") {
  if (::geteuid() != 0)
    return;
  const temporary_folder folder;
  const auto path = folder.path() + "/a.pem";
  write_file(path, "text");
  REQUIRE(::chown(path.c_str(), 12345, 12345) == 0);
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
  const auto code = in_child([&] {
    if (!reduce_privileges({}))
      return 1;
    const auto read = load_file(path, file_privacy::any);
    if (read)
      return 2;
    const auto& message = read.error().message;
    return message.find("CAP_DAC_OVERRIDE") != std::string::npos
               && message.find("or as root") == std::string::npos
             ? 0
             : 3;
  });
  CHECK(code == 0);
}
