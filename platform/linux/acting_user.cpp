#include "platform/acting_user.hpp"

#include "platform/linux/locked_memory.hpp"
#include "platform/process.hpp"

#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>
#include <vector>

namespace weft {

/// As the kernel asks for it when files are opened.
struct acting_user::identity {
  uid_t user = 0;
  gid_t group = 0;
  std::vector<gid_t> groups;
  bool had_locked_memory = false; ///< its owner may not lock as much

  static result<identity> present() {
    identity now{::geteuid(), ::getegid(), {}, false};
    const auto count = ::getgroups(0, nullptr);
    if (count > 0)
      now.groups.resize(static_cast<std::size_t>(count));
    if (count < 0 || ::getgroups(count, now.groups.data()) != count)
      return tl::unexpected(
        make_system_error(errno, "Cannot find this process's groups"));
    return now;
  }

  /// Both from root, the groups first: another user cannot change them.
  bool put_on_groups() const {
    return ::setgroups(groups.size(), groups.data()) == 0;
  }
  bool put_on_ids() const {
    return ::setegid(group) == 0 && ::seteuid(user) == 0;
  }
};

namespace {

/// Whoever is to be root again becomes that first.
bool become_root_again() {
  return ::geteuid() == 0 || ::seteuid(0) == 0;
}

/// A link is followed only if it is root's: else who made it owns what it leads
/// to, as far as this goes.
bool find_owner(const std::string& folder, struct stat& info) {
  if (::lstat(folder.c_str(), &info) != 0)
    return false;
  return !S_ISLNK(info.st_mode) || info.st_uid != 0
         || ::stat(folder.c_str(), &info) == 0;
}

} // namespace

acting_user::acting_user() = default;
acting_user::acting_user(acting_user&&) noexcept = default;

result<acting_user> acting_user::owner_of(const std::string& folder) {
  struct stat info {};
  if (!find_owner(folder, info))
    return tl::unexpected(make_system_error(errno, "Cannot use " + folder));
  acting_user made;
  if (info.st_uid == ::geteuid())
    return made;
  const auto cannot = [&](int code) {
    return tl::unexpected(make_system_error(
      code, "Cannot act as the owner of " + folder, "Run it as root"));
  };
  if (::geteuid() != 0)
    return cannot(EPERM);
  auto before = identity::present();
  if (!before)
    return tl::unexpected(std::move(before.error()));
  const identity owner{info.st_uid, info.st_gid, {}, false};
  if (!owner.put_on_groups())
    return cannot(errno); // some containers have it so
  made.before_ = std::make_unique<identity>(std::move(*before));
  if (!owner.put_on_ids())
    return cannot(errno); // the groups are given back
  made.before_->had_locked_memory = unlock_memory();
  return made;
}

acting_user::~acting_user() {
  // Who cannot be itself again must not go on as somebody else.
  if (before_
      && (!become_root_again() || !before_->put_on_groups()
          || !before_->put_on_ids()))
    std::abort();
  if (before_ && before_->had_locked_memory)
    protect_memory();
}

} // namespace weft
