#include "platform/program.hpp"

#include "support.hpp"
#include "tests/on_disk.hpp"

#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <tuple>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;
using Catch::Contains;
using Catch::Equals;

namespace {

program_call shell(const std::string& script) {
  return {{"/bin/sh", "-c", script}, {}, {}, 60s};
}

} // namespace

TEST_CASE("A program gets its words, its environment and its input, and no "
          "more") {
  const temporary_folder folder;
  const auto out = folder.path() + "/out";
  auto call
    = shell("exec >" + out
            + "; echo $NAME; env | grep -c .; cat; pwd; ls /proc/self/fd"
              "; grep SigBlk /proc/self/status");
  call.environment = {"NAME=a b"};
  call.input = "from here\n";
  const file_descriptor open{::dup(2)}; // without O_CLOEXEC
  REQUIRE(run_program(call));
  CHECK_THAT(content_of(out),
             Equals("a b\n2\nfrom here\n/\n0\n1\n2\n3\n" // PWD; ls has its own
                    "SigBlk:\t0000000000000000\n"));
}

TEST_CASE("The end of who has started a process is that of all its "
          "descriptors, not of the first") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const file_descriptor reading{ends[0]};
  const file_descriptor writing{ends[1]};
  const auto parent = ::fork();
  REQUIRE(parent >= 0);
  if (parent == 0) {
    const auto self = ::getpid();
    if (::fork() == 0) {
      await_end_of_parent(self, 60s);
      const char has_ended = parent_process() == self ? 'n' : 'y';
      std::ignore = ::write(writing.get(), &has_ended, 1);
      ::_exit(0);
    }
    for (;;)
      ::pause();
  }
  pollfd asked{reading.get(), POLLIN, 0};
  CHECK(::poll(&asked, 1, 200) == 0); // it waits
  REQUIRE(::kill(parent, SIGKILL) == 0);
  REQUIRE(::waitpid(parent, nullptr, 0) == parent);
  char said = 0;
  REQUIRE(await_readable(reading.get()));
  CHECK(::read(reading.get(), &said, 1) == 1);
  CHECK(said == 'y');
}

TEST_CASE("What became of a program that failed is told") {
  const auto error_of = [](const program_call& call) {
    const auto done = run_program(call);
    REQUIRE_FALSE(done);
    return done.error().message;
  };
  CHECK_THAT(error_of(shell("exit 3")),
             Equals("/bin/sh failed with exit code 3"));
  const auto former = std::signal(SIGPIPE, SIG_IGN); // is not handed on
  CHECK_THAT(error_of(shell("kill -PIPE $$")),
             Equals("/bin/sh was ended by signal 13"));
  std::ignore = std::signal(SIGPIPE, former);
  CHECK_THAT(error_of({{"/nowhere/at/all"}, {}, {}}),
             Contains("Cannot run /nowhere/at/all: No such file"));
}

TEST_CASE("What a program says is read") {
  CHECK(read_program(shell("echo one; echo two; echo loud >&2"))
        == std::string{"one\ntwo\n"});
  CHECK(read_program(shell("true")) == std::string{});
  CHECK_FALSE(read_program(shell("echo one; exit 3")));
  CHECK(read_program(shell("head -c 2000000 /dev/zero")).error().code
        == EMSGSIZE);
}

TEST_CASE("A program gets as much to read as a pipe takes, and no more") {
  const temporary_folder folder;
  const auto out = folder.path() + "/out";
  auto call = shell("cat >" + out);
  call.input.assign(most_program_input, 'a');
  REQUIRE(run_program(call));
  CHECK(content_of(out) == call.input);
  call.input += 'a';
  const auto done = run_program(call);
  REQUIRE_FALSE(done);
  CHECK(done.error().code == E2BIG);
  CHECK_THAT(done.error().message,
             Equals("/bin/sh is not run: it would get 4097 bytes to read, and "
                    "4096 at most are possible"));
  CHECK(content_of(out).size() == most_program_input);
}

TEST_CASE("A program that takes too long is killed with those it started") {
  const temporary_folder folder;
  const auto out = folder.path() + "/out";
  auto call = shell("sleep 300 & echo $! >" + out + "; wait");
  call.patience = 1s;
  const auto done = run_program(call);
  REQUIRE_FALSE(done);
  CHECK(done.error().code == ETIMEDOUT);
  CHECK_THAT(done.error().message, Contains("/bin/sh did not end within 1 s"));
  // Who is dead is waited for by the system's first process.
  const auto state
    = "/proc/" + std::to_string(std::stoi(content_of(out))) + "/status";
  const auto end = std::chrono::steady_clock::now() + 60s;
  const auto is_dead = [&] {
    const auto text = content_of(state);
    return text.empty() || text.find("State:\tZ") != std::string::npos;
  };
  while (!is_dead() && std::chrono::steady_clock::now() < end)
    ::usleep(1000);
  CHECK(is_dead());
}

TEST_CASE("A companion reads what is written to it, and tells of its end") {
  const temporary_folder folder;
  const auto out = folder.path() + "/out";
  const auto started = start_companion(
    {"/bin/sh", "-c", "read line; echo $line >" + out + "; kill -9 $$"});
  REQUIRE(started);
  pollfd asked{started->way.get(), POLLIN, 0};
  CHECK(::poll(&asked, 1, 0) == 0);
  REQUIRE(::write(started->way.get(), "word\n", 5) == 5);
  CHECK(::poll(&asked, 1, 60'000) == 1);
  CHECK(content_of(out) == "word\n");
  CHECK(await_end(*started) == "was ended by signal 9");
  CHECK_FALSE(start_companion({"/nowhere/at/all"}));
}

TEST_CASE("A companion is looked for beside the program that runs") {
  CHECK_THAT(find_companion("test_platform") + find_companion("mini_platform"),
             Contains("_platform"));
  CHECK(find_companion("no-such-program").empty());
}
