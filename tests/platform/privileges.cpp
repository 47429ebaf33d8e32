#include "platform/privileges.hpp"

#include "platform/process.hpp"
#include "tests/platform/support.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

using namespace weft;
using namespace weft::test;

namespace {

constexpr std::uint64_t bit(unsigned capability) {
  return std::uint64_t{1} << capability;
}

/// A line of the calling thread's status, as the kernel has it.
std::string status(const std::string& key) {
  std::ifstream file{"/proc/thread-self/status"};
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + ":\t"))
      return line.substr(key.size() + 2);
  }
  return "nothing";
}

std::uint64_t capabilities(const std::string& set) {
  return std::stoull(status(set), nullptr, 16);
}

/// The code of a child that gave its privileges up and then did `rest`.
int reduced(const privilege_options& options,
            const std::function<int(const std::vector<std::string>&)>& rest) {
  return in_child([&] {
    const auto notes = reduce_privileges(options);
    if (!notes)
      return 100;
    int code = 101;
    // Threads that start later have no more than the first.
    std::thread{[&] { code = rest(*notes); }}.join();
    return code;
  });
}

bool drop_capability(unsigned capability) {
  __user_cap_header_struct header{};
  header.version = _LINUX_CAPABILITY_VERSION_3;
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0)
    return false;
  auto& half = sets[CAP_TO_INDEX(capability)];
  half.effective &= ~CAP_TO_MASK(capability);
  half.permitted &= ~CAP_TO_MASK(capability);
  return ::syscall(SYS_capset, &header, sets.data()) == 0;
}

bool is_root() {
  if (::geteuid() == 0)
    return true;
  WARN("skipped: needs root");
  return false;
}

} // namespace

TEST_CASE("privileges that are not needed are given up in all sets, for good") {
  if (!is_root())
    return;
  privilege_options options;
  options.low_ports = GENERATE(false, true);
  const auto wanted
    = bit(CAP_NET_ADMIN) | (options.low_ports ? bit(CAP_NET_BIND_SERVICE) : 0);
  const auto code = reduced(options, [&](const auto& notes) {
    if (!notes.empty())
      return 1;
    if (capabilities("CapEff") != wanted || capabilities("CapPrm") != wanted)
      return 2;
    if (capabilities("CapBnd") != wanted)
      return 3;
    if (capabilities("CapInh") != 0 || capabilities("CapAmb") != 0)
      return 4;
    return status("NoNewPrivs") == "1" ? 0 : 5;
  });
  CHECK(code == 0);
}

TEST_CASE("the right to lock memory is kept where memory is locked by it") {
  if (!is_root())
    return;
  const auto code = in_child([] {
    protect_memory();
    rlimit limit{};
    ::getrlimit(RLIMIT_MEMLOCK, &limit);
    const bool needed = memory_is_locked() && limit.rlim_cur != RLIM_INFINITY;
    if (!reduce_privileges({}))
      return 1;
    if (((capabilities("CapEff") & bit(CAP_IPC_LOCK)) != 0) != needed)
      return 2;
    // More than any usual limit, so that it fails if the right is missing.
    const std::vector<char> much(std::size_t{64} << 20);
    return much.empty() ? 3 : 0;
  });
  CHECK(code == 0);
}

TEST_CASE("a process without privileges keeps what it has") {
  const auto code = in_child([] {
    if (::geteuid() == 0 && ::setuid(65534) != 0)
      return 1;
    const auto notes = reduce_privileges({});
    return notes && notes->empty() && status("NoNewPrivs") == "1" ? 0 : 2;
  });
  CHECK(code == 0);
}

TEST_CASE("the right to read any file is kept only if a file needs it") {
  if (!is_root())
    return;
  const temporary_folder folder;
  const auto path = folder.path() + "/node.yaml";
  write_file(path, "secret");
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
  const auto foreign = GENERATE(false, true);
  REQUIRE(::chown(path.c_str(), foreign ? 65534 : 0, 0) == 0);
  privilege_options options;
  options.files = {path, folder.path() + "/missing"};
  const auto code = reduced(options, [&](const auto& notes) {
    const bool kept = (capabilities("CapEff") & bit(CAP_DAC_READ_SEARCH)) != 0;
    if (kept != foreign || notes.size() != (foreign ? 1 : 0))
      return 1;
    if (foreign && notes[0].find("chown root " + path) == std::string::npos)
      return 2;
    return file_descriptor{::open(path.c_str(), O_RDONLY)} ? 0 : 3;
  });
  CHECK(code == 0);
}

TEST_CASE("a process gives files to the group that was named, without the "
          "right to give them to any") {
  if (!is_root())
    return;
  const temporary_folder folder;
  const auto path = folder.path() + "/socket";
  write_file(path, "");
  privilege_options options;
  options.group = 12345;
  const auto code = reduced(options, [&](const auto&) {
    if (::chown(path.c_str(), 0, 12345) != 0)
      return 1;
    return ::chown(path.c_str(), 0, 54321) == 0 ? 2 : 0;
  });
  CHECK(code == 0);
}

TEST_CASE("where a process may not join the group it still gives files to it") {
  if (!is_root())
    return;
  const temporary_folder folder;
  const auto path = folder.path() + "/socket";
  write_file(path, "");
  privilege_options options;
  options.group = 12345;
  const auto code = in_child([&] {
    if (!drop_capability(CAP_SETGID))
      return 1;
    if (!reduce_privileges(options))
      return 2;
    if (capabilities("CapEff") != (bit(CAP_NET_ADMIN) | bit(CAP_CHOWN)))
      return 3;
    return ::chown(path.c_str(), 0, 12345) == 0 ? 0 : 4;
  });
  CHECK(code == 0);
}

TEST_CASE("files that the other user cannot read are named") {
  if (!is_root())
    return;
  const temporary_folder folder;
  REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
  privilege_options options;
  options.user = "65534";
  for (const auto* name : {"/node.yaml", "/gw.key", "/ca.pem"}) {
    options.files.push_back(folder.path() + name);
    write_file(options.files.back(), "");
    REQUIRE(::chmod(options.files.back().c_str(), 0600) == 0);
  }
  REQUIRE(::chmod(options.files[2].c_str(), 0644) == 0);
  const auto code = reduced(options, [&](const auto& notes) {
    if (notes.size() != 2)
      return 1;
    return notes[0].find(options.files[0] + " cannot be read by user") == 0
               && notes[1].find(options.files[1]) == 0
             ? 0
             : 2;
  });
  CHECK(code == 0);
}

TEST_CASE("a process acts as another user and still may change networks") {
  if (!is_root())
    return;
  privilege_options options;
  options.user = GENERATE("nobody", "65534");
  options.group = 12345;
  const auto code = reduced(options, [&](const auto&) {
    if (::getuid() != 65534 || ::geteuid() != 65534 || ::getegid() == 0)
      return 1;
    if (::setuid(0) == 0)
      return 2;
    if (capabilities("CapEff") != bit(CAP_NET_ADMIN)
        || capabilities("CapBnd") != bit(CAP_NET_ADMIN))
      return 3;
    std::array<gid_t, 64> groups{};
    const auto count
      = ::getgroups(static_cast<int>(groups.size()), groups.data());
    const auto has = [&](gid_t group) {
      return std::find(groups.begin(), groups.begin() + count, group)
             != groups.begin() + count;
    };
    if (!has(12345) || has(0))
      return 4;
    return ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 5;
  });
  CHECK(code == 0);
}

TEST_CASE("a user that does not exist is an error, not root") {
  privilege_options options;
  options.user = "weft-nobody-has-this-name";
  const auto code = in_child([&] {
    const auto notes = reduce_privileges(options);
    return !notes
               && notes.error().message.find(options.user) != std::string::npos
             ? 0
             : 1;
  });
  CHECK(code == 0);
}

TEST_CASE("with the filter no program is started, nothing mounted, no other "
          "kind of socket opened") {
  privilege_options options;
  options.filter_system_calls = true;
  const auto code = reduced(options, [&](const auto&) {
    if (status("Seccomp") != "2")
      return 1;
    if (::fork() >= 0 || errno != EPERM)
      return 2;
    if (::execl("/bin/true", "true", nullptr) != -1 || errno != EPERM)
      return 3;
    if (::mount("none", "/mnt", "tmpfs", 0, nullptr) == 0 || errno != EPERM)
      return 4;
    if (::unshare(CLONE_NEWUSER) == 0 || errno != EPERM)
      return 5;
    if (::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) >= 0
        || errno != EAFNOSUPPORT)
      return 6;
    for (const int family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}) {
      const file_descriptor fd{::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
      if (!fd && errno == EPERM)
        return 7;
    }
    int again = 0;
    std::thread{[&] { again = 1; }}.join();
    return again == 1 ? 0 : 8;
  });
  CHECK(code == 0);
}
