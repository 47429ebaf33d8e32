#include "platform/unix_socket.hpp"

#include "tests/on_disk.hpp"
#include "tests/platform/support.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <thread>
#include <vector>

using namespace weft;
using namespace weft::test;

namespace {

unix_listener listen_at(const std::string& path, mode_t mode = 0600) {
  auto opened = unix_listener::open(path, mode);
  INFO((opened ? "" : opened.error().message));
  REQUIRE(opened);
  return std::move(*opened);
}

bool exists(const std::string& path) {
  return std::filesystem::exists(path);
}

/// Leaves a socket file behind as a killed program does.
void leave_stale_socket(const std::string& path) {
  CHECK(in_child([&]() -> int {
          auto opened = unix_listener::open(path, 0600);
          ::_exit(opened ? 0 : 1); // so its destructor does not run
        })
        == 0);
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(path.size() < sizeof address.sun_path);
  path.copy(&address.sun_path[0], path.size());
  return address;
}

/// A socket of another program: bound, and served with this backlog.
file_descriptor foreign_socket(const std::string& path, int backlog) {
  file_descriptor made{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const auto address = address_of(path);
  REQUIRE(::bind(made.get(), reinterpret_cast<const sockaddr*>(&address),
                 sizeof address)
          == 0);
  REQUIRE(::listen(made.get(), backlog) == 0);
  return made;
}

/// Whether a connection is made at once: 0, or an errno.
int try_to_connect(const file_descriptor& client, const std::string& path) {
  const auto address = address_of(path);
  return ::connect(client.get(), reinterpret_cast<const sockaddr*>(&address),
                   sizeof address)
             == 0
           ? 0
           : errno;
}

/// Names in the folder, dots and all.
std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator{folder})
    names.push_back(entry.path().filename());
  return names;
}

/// Has the listener do what it has to do, until its file is in place.
bool comes_back(unix_listener& listener) {
  while (!listener.still_in_place()) {
    if (!await_readable(listener.descriptor()))
      return false;
    if (listener.accept())
      return false;
  }
  return true;
}

} // namespace

TEST_CASE("a Unix socket carries bytes, and tells who connected") {
  const temporary_folder folder;
  const auto path = folder.path() + "/made/on/the/way/weft0.sock";
  auto listener = listen_at(path);
  CHECK(listener.path() == path);
  CHECK(mode_of(folder.path() + "/made/on") == 0755);
  CHECK_FALSE(listener.accept());
  auto client = connect_unix(path);
  REQUIRE(client);
  REQUIRE(await_readable(listener.descriptor()));
  const auto connection = listener.accept();
  REQUIRE(connection);
  CHECK((::fcntl(connection.get(), F_GETFL) & O_NONBLOCK) != 0);
  CHECK((::fcntl(client->get(), F_GETFL) & O_NONBLOCK) == 0);
  REQUIRE(::write(client->get(), "hello", 5) == 5);
  std::array<char, 8> text{};
  REQUIRE(await_readable(connection.get()));
  CHECK(::read(connection.get(), text.data(), text.size()) == 5);
  const auto who = credentials_of(connection.get());
  REQUIRE(who);
  CHECK(who->process == ::getpid());
  CHECK(who->user == ::geteuid());
  CHECK(who->group == ::getegid());
}

TEST_CASE("a socket has exactly the mode asked for, whatever the umask") {
  const temporary_folder folder;
  const auto mask = GENERATE(mode_t{0}, mode_t{0777}, mode_t{022});
  const auto before = ::umask(mask);
  const auto made = unix_listener::open(folder.path() + "/s", 0660);
  ::umask(before);
  REQUIRE(made);
  CHECK(mode_of(folder.path() + "/s") == 0660);
}

TEST_CASE("the file of a socket goes with its listener") {
  const temporary_folder folder;
  const auto path = folder.path() + "/s";
  {
    auto first = listen_at(path);
    CHECK(first.still_in_place());
    const auto moved = std::move(first);
    CHECK(moved.still_in_place());
    CHECK(exists(path));
  }
  CHECK_FALSE(exists(path));

  auto listener = listen_at(path);
  listener = listen_at(folder.path() + "/t");
  CHECK_FALSE(exists(path));
  CHECK(exists(folder.path() + "/t"));
}

TEST_CASE("a socket that nobody serves is replaced") {
  const temporary_folder folder;
  const auto path = folder.path() + "/s";
  leave_stale_socket(path);
  REQUIRE(exists(path));
  CHECK_FALSE(connect_unix(path));
  auto listener = listen_at(path);
  CHECK(connect_unix(path));
}

TEST_CASE("a socket that somebody serves is refused and stays") {
  const temporary_folder folder;
  const auto path = folder.path() + "/s";
  const auto first = listen_at(path);
  const auto second = unix_listener::open(path, 0600);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == EADDRINUSE);
  CHECK_THAT(second.error().message,
             Catch::Contains(path) && Catch::Contains("Another program"));
  CHECK(first.still_in_place());
  CHECK(connect_unix(path));
}

TEST_CASE("a file that is no socket is refused and stays") {
  const temporary_folder folder;
  const auto path = folder.path() + "/s";
  write_file(path, "precious");
  const auto opened = unix_listener::open(path, 0600);
  REQUIRE_FALSE(opened);
  CHECK_THAT(opened.error().message, Catch::Contains("no socket"));
  CHECK(std::filesystem::file_size(path) == 8);
}

TEST_CASE("a listener does not remove the socket that took its place") {
  const temporary_folder folder;
  const auto path = folder.path() + "/s";
  auto first = listen_at(path);
  std::filesystem::remove(path);
  CHECK_FALSE(first.still_in_place());
  const auto second = listen_at(path);
  CHECK_FALSE(first.still_in_place());
  first = listen_at(folder.path() + "/t");
  CHECK(exists(path));
  CHECK(second.still_in_place());
}

TEST_CASE("a path that is too long for a socket is refused by name") {
  const temporary_folder folder;
  const auto path = folder.path() + "/" + std::string(120, 'x');
  const auto opened = unix_listener::open(path, 0600);
  REQUIRE_FALSE(opened);
  CHECK_THAT(opened.error().message,
             Catch::Contains(path) && Catch::Contains("107"));
  CHECK_FALSE(connect_unix(path));
  CHECK_FALSE(connect_unix(""));
}

TEST_CASE("connecting where nobody listens asks whether the program runs") {
  const temporary_folder folder;
  const auto client = connect_unix(folder.path() + "/s");
  REQUIRE_FALSE(client);
  CHECK(client.error().code == ENOENT);
  CHECK_THAT(client.error().message, Catch::Contains("running"));
}

TEST_CASE("a listener without free descriptors turns a connection away instead "
          "of being woken for ever") {
  const temporary_folder folder;
  const auto path = folder.path() + "/s";
  const auto code = in_child([&] {
    auto listener = unix_listener::open(path, 0600);
    if (!listener)
      return 1;
    const auto client = connect_unix(path);
    if (!client)
      return 2;
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 64;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    while (::dup(client->get()) >= 0) {
    }
    if (listener->accept())
      return 3;
    char byte = 0;
    return ::read(client->get(), &byte, 1) == 0 ? 0 : 4;
  });
  CHECK(code == 0);
}

TEST_CASE("a listener that can not even turn a connection away is not woken "
          "for ever, and takes it later") {
  const temporary_folder folder;
  const auto path = folder.path() + "/s";
  const auto code = in_child([&] {
    auto listener = unix_listener::open(path, 0600);
    if (!listener)
      return 1;
    const auto readable = [&](int milliseconds) {
      pollfd asked{listener->descriptor(), POLLIN, 0};
      return ::poll(&asked, 1, milliseconds) > 0;
    };
    const auto first = connect_unix(path);
    const auto second = connect_unix(path);
    if (!first || !second)
      return 2;
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const auto before = limit.rlim_cur;
    // Nothing may be opened, so the first connection takes the spare along.
    limit.rlim_cur = 3;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    if (listener->accept() || listener->accept())
      return 3;
    if (readable(0))
      return 4;
    limit.rlim_cur = before;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    if (!readable(30'000))
      return 5;
    return listener->accept() ? 0 : 6;
  });
  CHECK(code == 0);
}

TEST_CASE("a socket whose queue is full is served, and stays") {
  const temporary_folder folder;
  const auto path = folder.path() + "/s";
  const auto server = foreign_socket(path, 0);
  std::vector<file_descriptor> waiting;
  int code = 0;
  while (code == 0) {
    waiting.emplace_back(
      ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    code = try_to_connect(waiting.back(), path);
  }
  REQUIRE(code == EAGAIN);
  const auto opened = unix_listener::open(path, 0600);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == EADDRINUSE);
  CHECK(exists(path));
}

TEST_CASE("a lock on the folder, which everybody may take, holds nobody up") {
  const temporary_folder folder;
  const file_descriptor other{
    ::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  REQUIRE(::flock(other.get(), LOCK_EX | LOCK_NB) == 0);
  const auto listener = listen_at(folder.path() + "/s");
  CHECK(listener.still_in_place());
  CHECK(names_in(folder.path()) == std::vector<std::string>{"s"});
}

TEST_CASE("a program that starts in the same folder and does not go on is "
          "waited for as long as was said") {
  const temporary_folder folder;
  const file_descriptor other{::open((folder.path() + "/.weft-lock").c_str(),
                                     O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  REQUIRE(::flock(other.get(), LOCK_EX | LOCK_NB) == 0);
  unix_listener::options wanted;
  wanted.patience = std::chrono::milliseconds{20};
  const auto opened = unix_listener::open(folder.path() + "/s", wanted);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ETIMEDOUT);
  CHECK_THAT(opened.error().message, Catch::Contains("does not go on"));
  CHECK(names_in(folder.path()) == std::vector<std::string>{".weft-lock"});
}

TEST_CASE("what a program left that was killed while it made a socket does not "
          "matter, and goes") {
  const temporary_folder folder;
  write_file(folder.path() + "/.weft-lock", "");
  const auto abandoned = folder.path() + "/.weft-sabcdef";
  foreign_socket(abandoned, 1); // closed at once
  const std::array<timespec, 2> long_ago{{{1, 0}, {1, 0}}};
  REQUIRE(::utimensat(AT_FDCWD, abandoned.c_str(), long_ago.data(), 0) == 0);
  // One may still be about to get its name.
  foreign_socket(folder.path() + "/.weft-sghijkl", 1);
  const auto listener = listen_at(folder.path() + "/s");
  auto names = names_in(folder.path());
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{".weft-sghijkl", "s"});
}

TEST_CASE("of programs that start at the same time one has the socket, and "
          "keeps it") {
  const temporary_folder folder;
  const auto path = folder.path() + "/s";
  for (int round = 0; round < 20; ++round) {
    leave_stale_socket(path);
    std::vector<std::optional<unix_listener>> made(4);
    std::vector<std::thread> programs;
    for (auto& one : made)
      programs.emplace_back([&path, &one] {
        if (auto opened = unix_listener::open(path, 0600))
          one.emplace(std::move(*opened));
      });
    for (auto& one : programs)
      one.join();
    const auto in_place
      = [](const auto& one) { return one && one->still_in_place(); };
    const auto has_one = [](const auto& one) { return one.has_value(); };
    CHECK(std::count_if(made.begin(), made.end(), has_one) == 1);
    CHECK(std::count_if(made.begin(), made.end(), in_place) == 1);
  }
}

TEST_CASE("a socket is never found before it is served") {
  const temporary_folder folder;
  const auto path = folder.path() + "/s";
  std::atomic<bool> over{false};
  std::atomic<int> refused{0};
  const auto address = address_of(path);
  std::thread monitor{[&] { // as `wg show` does
    while (!over) {
      const file_descriptor client{
        ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
      if (::connect(client.get(), reinterpret_cast<const sockaddr*>(&address),
                    sizeof address)
            != 0
          && errno == ECONNREFUSED)
        ++refused;
    }
  }};
  for (int i = 0; i < 300; ++i) {
    const auto listener = unix_listener::open(path, 0600);
    if (!listener || ::unlink(path.c_str()) != 0) // before it is closed
      break;
  }
  over = true;
  monitor.join();
  CHECK(refused == 0);
}

TEST_CASE("a socket file that somebody removes is put back") {
  const temporary_folder folder;
  const auto path = folder.path() + "/s";
  auto listener = listen_at(path, 0660);
  const auto descriptor = listener.descriptor();
  for (int i = 0; i < 3; ++i) {
    // Who came before is not turned away for it.
    const auto early = connect_unix(path);
    REQUIRE(early);
    REQUIRE(::unlink(path.c_str()) == 0);
    REQUIRE(await_readable(listener.descriptor()));
    CHECK(listener.accept());
    REQUIRE(comes_back(listener));
    CHECK(mode_of(path) == 0660);
    CHECK(listener.descriptor() == descriptor);
    const auto client = connect_unix(path);
    REQUIRE(client);
    REQUIRE(await_readable(listener.descriptor()));
    CHECK(listener.accept());
    CHECK_FALSE(listener.accept());
  }
}

TEST_CASE("a socket is put back with its folder") {
  const temporary_folder folder;
  const auto path = folder.path() + "/made/s";
  auto listener = listen_at(path);
  std::filesystem::remove_all(folder.path() + "/made");
  REQUIRE(comes_back(listener));
  CHECK(connect_unix(path));
}

TEST_CASE("a listener whose place another one took has it again when that is "
          "gone") {
  const temporary_folder folder;
  const auto path = folder.path() + "/s";
  auto first = listen_at(path);
  REQUIRE(::unlink(path.c_str()) == 0);
  {
    const auto second = listen_at(path);
    REQUIRE(await_readable(first.descriptor()));
    CHECK_FALSE(first.accept());
    CHECK_FALSE(first.still_in_place());
    CHECK(second.still_in_place());
  }
  CHECK(comes_back(first));
}

TEST_CASE("a new folder can be entered by all, whatever the umask") {
  const temporary_folder folder;
  const auto before = ::umask(077);
  const auto made = unix_listener::open(folder.path() + "/a/b/s", 0660);
  ::umask(before);
  REQUIRE(made);
  CHECK(mode_of(folder.path() + "/a") == 0755);
  CHECK(mode_of(folder.path() + "/a/b") == 0755);
  CHECK(group_may_enter_folder_of(folder.path() + "/a/b/s", 12345));
  REQUIRE(::chmod((folder.path() + "/a/b").c_str(), 0700) == 0);
  CHECK_FALSE(group_may_enter_folder_of(folder.path() + "/a/b/s", 12345));
  CHECK_FALSE(group_may_enter_folder_of(folder.path() + "/none/s", 12345));
}

TEST_CASE("a folder that others write to is refused, for they could lead the "
          "way elsewhere") {
  const temporary_folder folder;
  const auto mode = GENERATE(mode_t{0777}, mode_t{0770}, mode_t{01777});
  REQUIRE(::chmod(folder.path().c_str(), mode) == 0);
  const auto opened = unix_listener::open(folder.path() + "/s", 0600);
  REQUIRE(::chmod(folder.path().c_str(), 0700) == 0);
  REQUIRE_FALSE(opened);
  CHECK_THAT(opened.error().message,
             Catch::Contains("chmod go-w " + folder.path()));
  CHECK(names_in(folder.path()).empty());
}

TEST_CASE("a folder of somebody else is refused") {
  if (::geteuid() != 0) {
    WARN("skipped: needs root");
    return;
  }
  const temporary_folder folder;
  REQUIRE(::chown(folder.path().c_str(), 65534, 65534) == 0);
  const auto opened = unix_listener::open(folder.path() + "/s", 0600);
  REQUIRE_FALSE(opened);
  CHECK_THAT(opened.error().message, Catch::Contains("65534"));
  CHECK(names_in(folder.path()).empty());
}

TEST_CASE("a socket belongs to the group that was named") {
  if (::geteuid() != 0) {
    WARN("skipped: needs root");
    return;
  }
  const temporary_folder folder;
  const auto path = folder.path() + "/s";
  unix_listener::options wanted;
  wanted.mode = 0660;
  wanted.group = 12345;
  const auto listener = unix_listener::open(path, wanted);
  REQUIRE(listener);
  CHECK(info_of(path).st_gid == 12345);
  CHECK(mode_of(path) == 0660);
}
