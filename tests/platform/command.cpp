#include "platform/command.hpp"

#include "tests/platform/support.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

command shell(const std::string& script) {
  return {.words = {"/bin/sh", "-c", script}};
}

command_outcome outcome_of(const command& what) {
  const auto outcome = run_command(what);
  REQUIRE(outcome);
  return *outcome;
}

/// Until the process is no more: its parent, init, may take a while.
bool ends(pid_t process) {
  for (int i = 0; i < 1000; ++i) {
    if (::kill(process, 0) != 0)
      return true;
    // A zombie that nobody collects has ended as well.
    if (succeeds("grep -q '^State:.Z' /proc/" + std::to_string(process)
                 + "/status"))
      return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

} // namespace

TEST_CASE("A program's output and exit code are told") {
  const auto outcome = outcome_of(shell("echo one; echo two >&2; exit 3"));
  CHECK(outcome.output == "one\ntwo\n");
  CHECK(outcome.exit_code == 3);
  CHECK_FALSE(outcome.timed_out);
  CHECK_FALSE(outcome.succeeded());
  CHECK(outcome_of(shell("kill -TERM $$")).exit_code == 128 + SIGTERM);
  CHECK(outcome_of(shell("exit 0")).succeeded());
}

TEST_CASE("A program's errors are left out when they are not wanted") {
  auto what = shell("echo one; echo two >&2");
  what.with_errors = false;
  CHECK(outcome_of(what).output == "one\n");
}

TEST_CASE("A program gets its arguments as they are, and what it shall know") {
  CHECK(outcome_of({.words = {"printf", "%s|", "a b", "$HOME", "*"}}).output
        == "a b|$HOME|*|");
  CHECK(
    outcome_of({.words = {"env"}, .environment = {"WEFT_INTERFACE=wg0"}}).output
    == "WEFT_INTERFACE=wg0\n");
}

TEST_CASE("A program has nothing to read and none of our descriptors") {
  const file_descriptor ours{
    ::open("/dev/null", O_RDONLY)}; // without O_CLOEXEC
  REQUIRE(ours.get() > 2);
  CHECK(outcome_of({.words = {"cat"}}).output.empty());
  // The third is the one that ls reads the folder by.
  CHECK(outcome_of({.words = {"ls", "/proc/self/fd"}}).output
        == "0\n1\n2\n3\n");
}

TEST_CASE("A signal reaches a program though we block and ignore it") {
  CHECK(in_child([] {
          ::signal(SIGHUP, SIG_IGN);
          sigset_t all;
          ::sigfillset(&all);
          ::sigprocmask(SIG_BLOCK, &all, nullptr);
          const auto outcome = run_command(shell("kill -HUP $$; exit 5"));
          return outcome ? outcome->exit_code : 0;
        })
        == 128 + SIGHUP);
}

TEST_CASE("A program that takes too long is killed with all that it started") {
  auto what = shell("sleep 1000 & echo $!; wait");
  what.limit = 200ms;
  const auto outcome = outcome_of(what);
  CHECK(outcome.timed_out);
  CHECK_FALSE(outcome.succeeded());
  CHECK(ends(std::stoi(outcome.output)));
}

TEST_CASE("Nobody waits for what a program leaves running") {
  const auto outcome = outcome_of(shell("sleep 1000 & echo $!"));
  CHECK(outcome.succeeded());
  const pid_t left = std::stoi(outcome.output);
  CHECK(::kill(left, 0) == 0);
  ::kill(left, SIGKILL);
}

TEST_CASE("Of a program's output no more is kept than was asked for") {
  auto what = shell("head -c 1000000 /dev/zero | tr '\\0' x");
  what.most_output = 5000;
  const auto outcome = outcome_of(what);
  CHECK(outcome.succeeded());
  CHECK(outcome.output == std::string(5000, 'x'));
}

TEST_CASE("A program that cannot be run is an error that names it") {
  const auto missing = run_command({.words = {"no-such-program-of-weft"}});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message
        == "cannot run no-such-program-of-weft: No such file or directory");
  CHECK_FALSE(run_command({.words = {"/etc/passwd"}}));
}
