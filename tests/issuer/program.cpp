// The real program: its sockets, who may use them, and what is left of it when
// it is killed.
#include "platform/clock.hpp"
#include "platform/stream.hpp"
#include "platform/unix_socket.hpp"
#include "tests/issuer/support.hpp"
#include "tools/issuer/client.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <thread>

using namespace weft;
using namespace weft::test;
using Catch::Contains;
using namespace std::chrono_literals;

namespace {

network_time now() {
  return std::chrono::floor<std::chrono::seconds>(wall_now());
}

/// A running weft-issuer with a network of its own.
class running_issuer {
public:
  running_issuer() {
    must(
      make_authority(folder, some_root(), some_issuer(), now(), real_random()));
    start();
  }
  running_issuer(const running_issuer&) = delete;
  running_issuer& operator=(const running_issuer&) = delete;
  ~running_issuer() {
    if (child_ > 0)
      kill();
  }

  void start() {
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      const auto log
        = ::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      ::dup2(log, STDERR_FILENO);
      ::execl(WEFT_ISSUER_PROGRAM, "weft-issuer", folder.c_str(), "--socket",
              socket.c_str(), "--directory-socket", directory.c_str(),
              static_cast<char*>(nullptr));
      ::_exit(127);
    }
    const auto until = std::chrono::steady_clock::now() + 60s;
    while (!ask_issuer_for<state_answer>(socket, ask_state{})) {
      int status = 0;
      REQUIRE(::waitpid(child_, &status, WNOHANG) == 0);
      REQUIRE(std::chrono::steady_clock::now() < until);
      std::this_thread::sleep_for(10ms);
    }
  }
  int end(int signal) {
    REQUIRE(::kill(child_, signal) == 0);
    return wait_for(std::exchange(child_, -1));
  }
  void kill() {
    end(SIGKILL);
  }

  result<issuing_answer> admit(const joiner& who) const {
    return ask_issuer(directory, who.admission());
  }
  void invite(const joiner& who, std::uint64_t uses = 1) const {
    must(ask_issuer_for<issuing_done>(
      socket, ask_invitation{who.token(now() + 1h, uses)}));
  }
  state_answer state() const {
    return must(ask_issuer_for<state_answer>(socket, ask_state{}));
  }

  temporary_folder around;
  std::string folder = around.path() + "/prod";
  std::string socket = around.path() + "/root.sock";
  std::string directory = around.path() + "/directory.sock";
  std::string log_file = around.path() + "/log";

private:
  pid_t child_ = -1;
};

/// What `action` gives in a process of another user.
int as_somebody_else(const std::function<int()>& action) {
  return in_child([&] {
    constexpr uid_t somebody = 12345;
    if (::setgid(somebody) != 0 || ::setuid(somebody) != 0)
      return 77;
    return action();
  });
}

/// Sends bytes, and what comes back until the other end hangs up.
std::string send_and_hear(const std::string& socket, std::string_view bytes) {
  const auto connection = must(connect_unix(socket));
  while (!bytes.empty() && await_writable(connection.get())) {
    const auto sent = write_some(connection.get(), bytes);
    if (sent.what == stream_result::status::closed)
      break;
    bytes.remove_prefix(sent.bytes);
  }
  ::shutdown(connection.get(), SHUT_WR);
  std::string heard;
  std::array<char, 4096> room{};
  while (await_readable(connection.get())) {
    const auto got = read_some(connection.get(), room);
    if (got.what != stream_result::status::ok)
      return heard;
    heard.append(room.data(), got.bytes);
  }
  FAIL("it does not hang up");
  return heard;
}

} // namespace

TEST_CASE("weft-issuer lets a member in, renews it and removes it, and ends by "
          "a signal") {
  running_issuer issuer;
  const joiner beta("beta");
  issuer.invite(beta);
  const auto admission
    = as<join_answer_given>(must(issuer.admit(beta))).admission;
  const auto contents = contents_of(admission.certificates.front());
  CHECK(contents.name == "beta");

  const auto next = draw_signing_seed(real_random());
  const renewal_request renewal{contents.network, contents.id, 1, contents.key,
                                derive_verifying_key(next)};
  const auto renewed = must(ask_issuer_for<certified_answer>(
    issuer.directory,
    ask_for_itself{make_renewal(renewal, beta.keys.certificate)}));
  CHECK(contents_of(renewed.certificates.front()).generation == 2);
  CHECK(must(ask_all_members(issuer.socket)).size() == 1);
  CHECK(must(ask_all_tokens(issuer.socket)).size() == 1);

  const auto epoch = issuer.state().epoch;
  must(ask_issuer_for<issuing_done>(issuer.socket, ask_rekeying{}));
  CHECK(issuer.state().epoch == epoch + 1);
  must(ask_issuer_for<issuing_done>(
    issuer.directory,
    ask_for_itself{make_leave({contents.network, contents.id, 2}, next)}));
  CHECK(issuer.state().members == 0);

  const auto head = issuer.state().head;
  CHECK(issuer.end(SIGTERM) == 0);
  CHECK_FALSE(std::filesystem::exists(issuer.socket));
  const auto none = ask_issuer(issuer.socket, ask_state{});
  REQUIRE_FALSE(none);
  CHECK_THAT(none.error().message, Contains("No issuer serves"));
  issuer.start();
  CHECK(issuer.state().journal > 0);
  CHECK(issuer.state().head == head); // nothing was due
}

TEST_CASE("root's socket is root's, and a directory's its own") {
  running_issuer issuer;
  const auto refused = ask_issuer(issuer.directory, ask_rekeying{});
  as<issuing_refused>(must(refused));
  if (::geteuid() != 0) {
    WARN("skipped: it acts as another user, which needs root");
    return;
  }
  struct stat info {};
  REQUIRE(::stat(issuer.socket.c_str(), &info) == 0);
  CHECK((info.st_mode & 07777U) == 0600U);
  REQUIRE(::chmod(issuer.around.path().c_str(), 0755) == 0);
  // Even if the file lets everybody in.
  REQUIRE(::chmod(issuer.socket.c_str(), 0666) == 0);
  for (const auto& socket : {issuer.socket, issuer.directory})
    CHECK(as_somebody_else([&] {
            const auto answer = ask_issuer(socket, ask_items{});
            return answer ? 1 : 0;
          })
          == 0);
  issuer.state();
}

TEST_CASE("who is refused again and again does not fill the issuer's log") {
  if (::geteuid() != 0) {
    WARN("skipped: it acts as another user, which needs root");
    return;
  }
  running_issuer issuer;
  REQUIRE(::chmod(issuer.around.path().c_str(), 0755) == 0);
  constexpr int attempts = 300;
  CHECK(as_somebody_else([&] {
          for (int i = 0; i < attempts; ++i)
            if (ask_issuer(issuer.directory, ask_items{}))
              return 1;
          return 0;
        })
        == 0);
  const auto log = [&] {
    std::ifstream file(issuer.log_file);
    return std::string{std::istreambuf_iterator<char>{file}, {}};
  };
  const auto until = std::chrono::steady_clock::now() + 60s;
  while (log().find("more connections were refused") == std::string::npos) {
    REQUIRE(std::chrono::steady_clock::now() < until);
    std::this_thread::sleep_for(10ms);
  }
  const auto text = log();
  CHECK(std::count(text.begin(), text.end(), '\n') < attempts / 2);
}

TEST_CASE("what is no question ends its connection and nobody else's") {
  running_issuer issuer;
  const auto giant = std::string{"\x7f\xff\xff\xff", 4} + "more";
  CHECK(send_and_hear(issuer.socket, giant).empty());
  const auto large = std::string{"\x00\x00\x80\x00", 4}; // for a directory
  CHECK(send_and_hear(issuer.directory, large).empty());
  CHECK_THAT(send_and_hear(issuer.socket, std::string{"\0\0\0\1x", 5}),
             Contains("refused"));
  CHECK(send_and_hear(issuer.socket, "\1").empty());

  std::vector<file_descriptor> many;
  for (int i = 0; i < 200; ++i)
    many.push_back(must(connect_unix(issuer.directory)));
  issuer.state(); // the other socket has room of its own
  many.clear();
  const joiner beta("beta");
  issuer.invite(beta);
  const auto until = std::chrono::steady_clock::now() + 60s;
  while (!issuer.admit(beta)) // while it sees that they have gone
    REQUIRE(std::chrono::steady_clock::now() < until);
}

TEST_CASE("two hundred who join at once while the issuer is killed again and "
          "again get two hundred slices") {
  running_issuer issuer;
  joiner first("node-0");
  issuer.invite(first, 200);
  std::vector<joiner> nodes;
  for (int i = 0; i < 200; ++i)
    nodes.emplace_back("node-" + std::to_string(i), first.keys.token);

  std::mutex mutex;
  std::map<std::string, std::set<byte_vector>> certificates; // by name
  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> served{0};
  std::atomic<bool> too_late{false};
  const auto until = std::chrono::steady_clock::now() + 120s;
  const auto join_all = [&] {
    for (auto i = next++; i < nodes.size(); i = next++) {
      // Twice: who was answered asks again, as if the answer was lost.
      for (int answers = 0; answers < 2;) {
        if (std::chrono::steady_clock::now() > until) {
          too_late = true;
          return;
        }
        const auto answer = issuer.admit(nodes[i]);
        if (!answer) {
          std::this_thread::sleep_for(1ms);
          continue;
        }
        const auto* joined = std::get_if<join_answer_given>(&*answer);
        if (joined == nullptr) {
          too_late = true; // it was refused
          return;
        }
        const std::lock_guard guard(mutex);
        certificates[nodes[i].name].insert(
          joined->admission.certificates.front());
        ++answers;
      }
      ++served;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i)
    threads.emplace_back(join_all);
  int kills = 0;
  for (std::size_t goal = 20; goal < 200; goal += 40) {
    while (served < goal && !too_late)
      std::this_thread::sleep_for(1ms);
    issuer.kill();
    ++kills;
    issuer.start();
  }
  for (auto& each : threads)
    each.join();
  CHECK_FALSE(too_late);
  CHECK(kills == 5);
  std::set<ip_prefix> slices;
  for (const auto& [name, all] : certificates) {
    CHECK(all.size() == 1); // the same answer each time
    const auto contents = contents_of(*all.begin());
    CHECK(contents.name == name);
    slices.insert(contents.prefixes.begin(), contents.prefixes.end());
  }
  CHECK(certificates.size() == 200);
  CHECK(slices.size() == 400);
  CHECK(issuer.state().members == 200);
}

TEST_CASE("weft-issuer renews its certificate, and restores its journal") {
  running_issuer issuer;
  const joiner beta("beta");
  issuer.invite(beta);
  must(issuer.admit(beta));
  const auto backup = issuer.folder + "/backup";
  must(ask_issuer_for<issuing_done>(issuer.socket, ask_backup{backup}));
  const auto run = [&](const char* what, const char* argument) {
    return in_child([&] {
      ::close(STDOUT_FILENO);
      ::execl(WEFT_ISSUER_PROGRAM, "weft-issuer", issuer.folder.c_str(), what,
              argument, static_cast<char*>(nullptr));
      return 127;
    });
  };
  CHECK(run("--renew", nullptr) == 0);
  CHECK(run("--recover", backup.c_str()) == 1); // there is a journal
  CHECK(issuer.end(SIGTERM) == 0);
  std::filesystem::remove_all(journal_folder(issuer.folder));
  CHECK(run("--recover", backup.c_str()) == 0);
  issuer.start();
  CHECK(issuer.state().recovering);
  must(ask_issuer_for<issuing_done>(issuer.socket, ask_adoption{{}, true}));
  CHECK(issuer.state().members == 1);
}
