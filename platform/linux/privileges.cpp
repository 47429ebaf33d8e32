#include "platform/privileges.hpp"

#include "platform/file_descriptor.hpp"
#include "platform/linux/capabilities.hpp"
#include "platform/linux/system_call_filter.hpp"
#include "platform/process.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>

namespace weft {

namespace {

/// Whether CAP_IPC_LOCK is what lets memory be locked.
bool needs_right_to_lock() {
  rlimit limit{};
  return memory_is_locked() && ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0
         && limit.rlim_cur != RLIM_INFINITY;
}

/// Those of the files that may not be opened.
std::vector<std::string>
find_unreadable(const std::vector<std::string>& files) {
  std::vector<std::string> found;
  for (const auto& file : files) {
    const file_descriptor fd{
      ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
    if (!fd && errno == EACCES)
      found.push_back(file);
  }
  return found;
}

/// False where it is not allowed, as in some containers.
bool join_group(gid_t group) {
  std::vector<gid_t> groups(65536); // NGROUPS_MAX
  const auto count
    = ::getgroups(static_cast<int>(groups.size()), groups.data());
  if (::getegid() == group)
    return true;
  if (count < 0)
    return false;
  groups.resize(static_cast<std::size_t>(count));
  if (std::find(groups.begin(), groups.end(), group) != groups.end())
    return true;
  groups.push_back(group);
  return ::setgroups(groups.size(), groups.data()) == 0;
}

struct account {
  uid_t user = 0;
  gid_t group = 0;
  std::string name;
};

result<account> find_account(const std::string& name) {
  uid_t number = 0;
  const auto* end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data(), end, number);
  const bool by_number = parsed.ec == std::errc{} && parsed.ptr == end;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no thread has started yet
  const auto* found = by_number ? ::getpwuid(number) : ::getpwnam(name.c_str());
  if (found == nullptr)
    return tl::unexpected(
      make_system_error(0, "There is no user '" + name + "'",
                        "Make it (useradd --system --no-create-home " + name
                          + "), or name another one"));
  return account{found->pw_uid, found->pw_gid, found->pw_name};
}

/// Permitted capabilities stay.
result<void> become(const account& who, const std::optional<gid_t>& group) {
  const auto refused = [&] {
    return tl::unexpected(make_system_error(
      errno, "Cannot act as user " + who.name,
      "Start it as root, or as that user without the option"));
  };
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0
      || ::initgroups(who.name.c_str(), who.group) != 0)
    return refused();
  if (group && !join_group(*group))
    return refused();
  if (::setresgid(who.group, who.group, who.group) != 0
      || ::setresuid(who.user, who.user, who.user) != 0)
    return refused();
  ::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
  protect_memory(); // with a new user it can be dumped again
  return {};
}

} // namespace

result<uid_t> find_user(const std::string& user) {
  return find_account(user).map(
    [](const account& found) { return found.user; });
}

result<std::vector<std::string>>
reduce_privileges(const privilege_options& options) {
  std::vector<std::string> notes;
  auto kept = capability_bit(CAP_NET_ADMIN);
  if (!options.user.empty()) {
    auto who = find_account(options.user);
    if (!who)
      return tl::unexpected(who.error());
    if (auto done = become(*who, options.group); !done)
      return tl::unexpected(done.error());
    for (const auto& file : find_unreadable(options.files)) {
      std::string note = file;
      note += " cannot be read by user " + who->name;
      note += ", so what is read from now on fails: control's files, and a "
              "reload; let it into the folder, and run: chown "
              + who->name + ' ' + file;
      notes.push_back(std::move(note));
    }
  } else if (options.group && !join_group(*options.group)) {
    kept |= capability_bit(CAP_CHOWN); // the other way to give it its socket
  }
  if (options.low_ports)
    kept |= capability_bit(CAP_NET_BIND_SERVICE);
  const auto had = read_capabilities().permitted;
  // What will be allocated is locked, too.
  if (needs_right_to_lock())
    kept |= capability_bit(CAP_IPC_LOCK);
  // Whoever acts as another user wants files to be that one's.
  if (options.user.empty() && (had & capability_bit(CAP_DAC_READ_SEARCH)) != 0
      && write_capabilities({had & kept, had})) {
    const auto unreadable = find_unreadable(options.files);
    if (!unreadable.empty()) {
      const auto& file = unreadable.front();
      kept |= capability_bit(CAP_DAC_READ_SEARCH);
      notes.push_back(file
                      + " belongs to another user, so this process keeps the "
                        "right to read any file; run: chown root "
                      + file);
    }
  }
  // Without CAP_SETPCAP the bounding set stays, and no_new_privs has to do.
  write_capabilities({had & (kept | capability_bit(CAP_SETPCAP)), had});
  for (unsigned i = 0; ::prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; ++i) {
    if ((kept & capability_bit(i)) == 0)
      ::prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
  }
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  // The unit's filter refuses this call, and there is nothing left to give up.
  const capability_sets wanted{had & kept, had & kept};
  if (!write_capabilities(wanted) && read_capabilities() != wanted)
    notes.emplace_back("Cannot give up capabilities that are not needed");
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (options.filter_system_calls) {
    if (auto done = filter_system_calls(); !done)
      return tl::unexpected(done.error());
  }
  return notes;
}

} // namespace weft
