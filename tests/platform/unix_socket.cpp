#include "platform/unix_socket.hpp"

#include "tests/platform/support.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

using namespace weft;
using namespace weft::test;

namespace {

unix_listener listen_at(const std::string& path, mode_t mode = 0600) {
  auto opened = unix_listener::open(path, mode);
  if (!opened)
    FAIL(opened.error().message);
  return std::move(*opened);
}

mode_t mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
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
