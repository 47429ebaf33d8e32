#include "platform/other_process.hpp"

#include "platform/clock.hpp"
#include "platform/leaving.hpp"
#include "tests/platform/hand_over_support.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

TEST_CASE("a signal has its sender's value, and none if that gave none") {
  // A pipe tells when the child watches.
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const int value = GENERATE(0, leave_to_successor);
  child_process child{[&] {
    const auto watch = signal_watch::open();
    std::ignore = ::write(ends[1], "x", 1);
    for (;;) {
      const auto caught = next_signal(*watch);
      if (caught.number != 0)
        return caught.number == SIGTERM ? 10 + caught.value : 1;
      ::usleep(1000);
    }
  }};
  char ready = 0;
  REQUIRE(::read(ends[0], &ready, 1) == 1);
  const auto found = other_process::find(child.number());
  REQUIRE(found);
  CHECK_FALSE(found->ends_by(boot_now()));
  REQUIRE(found->send_signal(SIGTERM, value));
  CHECK(found->ends_by(soon()));
  CHECK(child.wait() == 10 + value);
  CHECK(found->send_signal(SIGTERM).error().code == ESRCH);
  CHECK(other_process::find(child.number()).error().code != 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a process says how it was started, and where it is") {
  const auto self = other_process::find(::getpid());
  REQUIRE(self);
  const auto program = self->program();
  REQUIRE(program);
  CHECK_THAT(*program, Catch::EndsWith("/test_platform"));
  CHECK(self->words()->size() > 0);
  CHECK(self->folder());
  CHECK(self->is_beside(*program) == true);
  CHECK(self->is_beside(*program + "-that-is-not-there") == false);
  const auto environment = self->environment();
  REQUIRE(environment);
  CHECK(std::ranges::any_of(*environment, [](const auto& each) {
    return each.starts_with("PATH=");
  }));
}

TEST_CASE("a program that is started beside another has its folder and its "
          "descriptors") {
  const temporary_folder folder;
  const auto out = folder.path() + "/out";
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  child_process child{[&] {
    const int file = ::open(out.c_str(), O_WRONLY | O_CREAT, 0600);
    if (::chdir(folder.path().c_str()) != 0 || ::dup2(file, STDOUT_FILENO) < 0)
      return 1;
    std::ignore = ::write(ends[1], "x", 1);
    ::pause();
    return 0;
  }};
  char ready = 0;
  REQUIRE(::read(ends[0], &ready, 1) == 1);
  const auto other = other_process::find(child.number());
  REQUIRE(other);
  const auto started = other->start_beside(
    {"/bin/sh", "-c", "pwd; echo $NAME; exit 3"}, {"NAME=a b"});
  if (!started && started.error().code == EPERM)
    return; // no ptrace here
  REQUIRE(started);
  std::optional<std::string> end;
  while (!end)
    end = end_of_child(*started);
  CHECK(*end == "failed with exit code 3");
  const auto text = file_descriptor{::open(out.c_str(), O_RDONLY | O_CLOEXEC)};
  CHECK(text_of(text) == folder.path() + "\na b\n");
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a sibling is a child of this process's parent, and begins as a new "
          "program does") {
  const temporary_folder folder;
  const auto out = folder.path() + "/out";
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  child_process child{[&] {
    const int file = ::open(out.c_str(), O_WRONLY | O_CREAT, 0600);
    const int kept = ::open("/dev/null", O_RDONLY); // no FD_CLOEXEC
    if (::dup2(file, STDOUT_FILENO) < 0 || kept < 0)
      return 1;
    const auto watch = signal_watch::open(); // blocks some
    std::ignore = ::signal(SIGPIPE, SIG_IGN);
    const auto started = other_process::start_sibling(
      {"/bin/sh", "-c",
       "echo $PPID $MARK; test -e /proc/$$/fd/" + std::to_string(kept)
         + " || echo closed; grep -cE 'Sig(Blk|Ign):.*[1-9a-f]' "
           "/proc/$$/status; exit 3"},
      "MARK=a b");
    const int number = started ? started->number() : -1;
    std::ignore = ::write(ends[1], &number, sizeof number);
    return started && started->ends_by(soon()) ? 0 : 1;
  }};
  int number = 0;
  REQUIRE(::read(ends[0], &number, sizeof number) == sizeof number);
  REQUIRE(number > 0);
  int status = 0;
  REQUIRE(::waitpid(number, &status, 0) == number);
  CHECK(WEXITSTATUS(status) == 3);
  CHECK(child.wait() == 0);
  const auto text = file_descriptor{::open(out.c_str(), O_RDONLY | O_CLOEXEC)};
  CHECK(text_of(text) == std::to_string(::getpid()) + " a b\nclosed\n0\n");
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a program that is not there is no sibling") {
  child_process child{[] {
    const auto started
      = other_process::start_sibling({"/usr/bin/that-is-not-there"}, "MARK=1");
    return !started && started.error().code == ENOENT
               && started.error().message.find("that-is-not-there")
                    != std::string::npos
             ? 0
             : 1;
  }};
  CHECK(child.wait() == 0);
  while (::waitpid(-1, nullptr, WNOHANG) > 0) // what did not become it
    continue;
}
