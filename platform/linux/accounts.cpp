#include "platform/accounts.hpp"

#include "platform/unix_socket.hpp"

#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <vector>

namespace weft {

namespace {

/// Calls `look(buffer, length)` with more and more room while it answers
/// ERANGE; its last answer is an errno.
template <class Look>
int with_room(std::vector<char>& buffer, Look look) {
  constexpr std::size_t most = std::size_t{1} << 20;
  buffer.resize(1024);
  int code = look(buffer.data(), buffer.size());
  while (code == ERANGE && buffer.size() < most) {
    buffer.resize(buffer.size() * 2);
    code = look(buffer.data(), buffer.size());
  }
  return code;
}

} // namespace

uid_t own_user() {
  return ::geteuid();
}

result<gid_t> find_group(const std::string& name) {
  gid_t number = 0;
  const auto* end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data(), end, number);
  if (parsed.ec == std::errc{} && parsed.ptr == end)
    return number;
  std::vector<char> buffer;
  group entry{};
  group* found = nullptr;
  const auto code = with_room(buffer, [&](char* room, std::size_t size) {
    return ::getgrnam_r(name.c_str(), &entry, room, size, &found);
  });
  if (found == nullptr)
    return tl::unexpected(make_system_error(
      code, "There is no group '" + name + "'",
      "Make it (groupadd --system " + name + "), or name another one"));
  return found->gr_gid;
}

bool peer_has_group(int connection, gid_t group) {
  const auto credentials = credentials_of(connection);
  if (credentials && credentials->group == group)
    return true;
  std::vector<gid_t> groups(64);
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const auto done = ::getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS,
                                   groups.data(), &size);
    if (done != 0 && errno != ERANGE)
      return false;
    groups.resize(size / sizeof(gid_t)); // so many there are
    if (done == 0)
      return std::find(groups.begin(), groups.end(), group) != groups.end();
  }
  return false;
}

} // namespace weft
