#include "platform/acting_user.hpp"

#include "platform/files.hpp"
#include "platform/process.hpp"
#include "platform/saved_file.hpp"
#include "tests/platform/support.hpp"

#include <grp.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

using namespace weft;
using namespace weft::test;

namespace {

constexpr uid_t somebody = 12345;
constexpr gid_t some_group = 23456;

bool is_root() {
  if (::geteuid() == 0)
    return true;
  WARN("skipped: it acts as another user, which needs root");
  return false;
}

/// A folder within one that everybody gets to.
struct owned_folder {
  temporary_folder around;
  std::string path = around.path() + "/theirs";

  owned_folder() {
    REQUIRE(::chmod(around.path().c_str(), 0755) == 0);
    REQUIRE(::mkdir(path.c_str(), 0700) == 0);
    REQUIRE(::chown(path.c_str(), somebody, some_group) == 0);
  }
};

struct stat look(const std::string& path) {
  struct stat info {};
  REQUIRE(::lstat(path.c_str(), &info) == 0);
  return info;
}

} // namespace

TEST_CASE("What root makes while it acts as a folder's owner is the owner's, "
          "and root has its groups again behind it") {
  if (!is_root())
    return;
  const owned_folder folder;
  // In a child: groups are the process's.
  const auto code = in_child([&] {
    const gid_t own = 7;
    if (::setgroups(1, &own) != 0)
      return 1;
    {
      const auto owner = acting_user::owner_of(folder.path);
      if (!owner || ::geteuid() != somebody || ::getegid() != some_group
          || ::getgroups(0, nullptr) != 0)
        return 2;
      if (!make_secret_file(folder.path + "/made", "text"))
        return 3;
      if (!check_private_folder(folder.path))
        return 4;
    }
    gid_t group = 0;
    return ::geteuid() == 0 && ::getegid() == 0 && ::getgroups(1, &group) == 1
               && group == own
             ? 0
             : 5;
  });
  CHECK(code == 0);
  const auto made = look(folder.path + "/made");
  CHECK(made.st_uid == somebody);
  CHECK(made.st_gid == some_group);
}

TEST_CASE("Root that acts as a folder's owner gets no further by links of the "
          "owner's than the owner does") {
  if (!is_root())
    return;
  const owned_folder folder;
  const auto secret = folder.around.path() + "/secret";
  write_file(secret, "of root's");
  REQUIRE(::chmod(secret.c_str(), 0600) == 0);
  const auto link = folder.path + "/link";
  std::filesystem::create_symlink(secret, link);
  const auto code = in_child([&] {
    const auto owner = acting_user::owner_of(folder.path);
    const auto read = load_file(link, file_privacy::any);
    return owner && !read && read.error().code == EACCES ? 0 : 1;
  });
  CHECK(code == 0);

  // Nor if the folder's own name is such a link.
  const auto named = folder.around.path() + "/named";
  std::filesystem::create_directory_symlink(folder.around.path(), named);
  REQUIRE(::lchown(named.c_str(), somebody, some_group) == 0);
  CHECK(in_child([&] {
          const auto owner = acting_user::owner_of(named);
          return owner && ::geteuid() == somebody ? 0 : 1;
        })
        == 0);
  // Root's own link leads to where the files are.
  REQUIRE(::lchown(named.c_str(), 0, 0) == 0);
  std::filesystem::remove(named);
  std::filesystem::create_directory_symlink(folder.path, named);
  CHECK(in_child([&] {
          const auto owner = acting_user::owner_of(named);
          return owner && ::geteuid() == somebody ? 0 : 1;
        })
        == 0);
}

TEST_CASE("Who is not root acts as itself alone") {
  const temporary_folder own;
  {
    const auto owner = acting_user::owner_of(own.path());
    REQUIRE(owner);
  }
  CHECK_FALSE(acting_user::owner_of(own.path() + "/missing"));
  if (!is_root())
    return;
  const owned_folder folder;
  CHECK(in_child([&] {
          constexpr uid_t another = 34567;
          if (::setgid(another) != 0 || ::setuid(another) != 0)
            return 1;
          const auto owner = acting_user::owner_of(folder.path);
          return !owner && owner.error().code == EPERM && ::geteuid() == another
                   ? 0
                   : 2;
        })
        == 0);
}

TEST_CASE("Where groups may not be changed nothing is, and that is an error") {
  if (!is_root())
    return;
  const owned_folder folder;
  CHECK(in_child([&] {
          // As in a container of a user without rights.
          if (::unshare(CLONE_NEWUSER) != 0)
            return 0; // not allowed here
          write_file("/proc/self/setgroups", "deny");
          write_file("/proc/self/uid_map", "0 0 1");
          write_file("/proc/self/gid_map", "0 0 1");
          const auto owner = acting_user::owner_of(folder.path);
          return !owner && ::geteuid() == 0 ? 0 : 1;
        })
        == 0);
}

TEST_CASE("Memory that root has locked is not while it acts as another user, "
          "and is again behind that") {
  if (!is_root())
    return;
  const owned_folder folder;
  const auto code = in_child([&] {
    protect_memory();
    if (!memory_is_locked())
      return 0; // it may not here
    {
      const auto owner = acting_user::owner_of(folder.path);
      if (!owner || memory_is_locked())
        return 1;
    }
    return memory_is_locked() ? 0 : 2;
  });
  CHECK(code == 0);
}
