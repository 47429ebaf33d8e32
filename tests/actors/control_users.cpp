// Who may use the socket.  The other users are children of the test, made
// before there are any threads.
#include "tests/actors/control_raw.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>

using namespace weft;
using namespace weft::test;

namespace {

constexpr gid_t control_group = 54321;

/// A child that speaks to the gateway as another user, once it is told.
class other_user {
public:
  other_user(uid_t user, std::vector<gid_t> groups, std::string path)
    : path_(std::move(path)) {
    REQUIRE(::pipe(go_.data()) == 0);
    child_ = ::fork();
    if (child_ == 0)
      ::_exit(act(user, groups));
  }
  /// The text of the answer begins with...
  std::string answer() {
    REQUIRE(::write(go_[1], "x", 1) == 1);
    return wait_for(child_) == 0 ? load() : "no answer";
  }

private:
  int act(uid_t user, const std::vector<gid_t>& groups) const {
    char byte = 0;
    if (::read(go_[0], &byte, 1) != 1)
      return 1;
    if (::setgroups(groups.size(), groups.data()) != 0 || ::setgid(65534) != 0)
      return 2;
    // The file first: it is written as root.
    std::ofstream file{path_ + ".answer"};
    if (::setuid(user) != 0)
      return 3;
    raw_client client{path_};
    const auto said = client.ask({control_version, node_id('u')});
    if (!said)
      return 4;
    file << to_string(said->role) << ' '
         << (said->answer == admission::granted ? "granted " : "refused ")
         << said->text;
    return file.flush() ? 0 : 5;
  }
  std::string load() const {
    std::ifstream file{path_ + ".answer"};
    std::string line;
    std::getline(file, line);
    return line;
  }

  std::string path_;
  std::array<int, 2> go_{-1, -1};
  pid_t child_ = -1;
};

} // namespace

TEST_CASE("Root and the members of a group come in, and nobody else") {
  if (::geteuid() != 0)
    return;
  const temporary_folder folder;
  REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
  const auto path = folder.path() + "/weft0.sock";
  other_user root{0, {}, path};
  const auto root_answer = [&] { return root.answer(); };
  other_user stranger{4321, {1, 2, 3}, path};
  other_user member{4321, {1, control_group, 3}, path};
  served_overlay server;
  server.options.socket_path = path;
  server.options.socket_group = std::to_string(control_group);
  server.start();
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK(info.st_gid == control_group);
  CHECK_THAT(member.answer(), Catch::StartsWith("operator granted user 4321"));
  CHECK_THAT(root_answer(), Catch::StartsWith("operator granted user root"));
  // The mode of the socket keeps strangers out; so does the gateway.
  REQUIRE(::chmod(path.c_str(), 0666) == 0);
  CHECK_THAT(
    stranger.answer(),
    Catch::Contains("refused user 4321 is not root nor in group 54321"));
  CHECK(server.logs("user 4321 is not root nor in group 54321"));
}

TEST_CASE("Without a group only root comes in") {
  if (::geteuid() != 0)
    return;
  const temporary_folder folder;
  REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
  const auto path = folder.path() + "/weft0.sock";
  other_user stranger{4321, {}, path};
  served_overlay server;
  server.options.socket_path = path;
  server.start();
  REQUIRE(::chmod(path.c_str(), 0666) == 0);
  CHECK_THAT(stranger.answer(),
             Catch::Contains("no group is configured for the control socket"));
}
