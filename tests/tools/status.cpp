// `weft status` against a daemon that plays a script.

#include "tools/weft/view/status.hpp"

#include "console.hpp"
#include "example_device.hpp"
#include "platform/unix_socket.hpp"
#include "temporary_folder.hpp"
#include "tests/catch.hpp"
#include "tools/weft/places/uapi_client.hpp"

#include <nlohmann/json.hpp>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <map>
#include <thread>

using namespace weft;
using Catch::Contains;

namespace {

constexpr auto peer_key
  = "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33";

/// Answers one connection for each line of the script, and keeps the
/// requests.  An empty answer hangs up at once.
class scripted_daemon {
public:
  scripted_daemon(const std::string& path, std::vector<std::string> answers)
    : listener_(unix_listener::open(path, 0600).value()),
      thread_([this, script = std::move(answers)] {
        for (const auto& answer : script)
          serve(answer);
      }) {
  }
  scripted_daemon(const scripted_daemon&) = delete;
  scripted_daemon& operator=(const scripted_daemon&) = delete;
  ~scripted_daemon() {
    if (thread_.joinable())
      thread_.join();
  }

  /// What was asked, once the whole script has been played.
  const std::vector<std::string>& requests() {
    thread_.join();
    return requests_;
  }

private:
  static bool wait(int fd) {
    pollfd waiting{fd, POLLIN, 0};
    return ::poll(&waiting, 1, 20'000) == 1;
  }
  void serve(const std::string& answer) {
    if (!wait(listener_.descriptor()))
      return;
    const auto connection = listener_.accept();
    std::string request;
    while (request.find("\n\n") == std::string::npos
           && wait(connection.get())) {
      std::array<char, 256> buffer{};
      const auto count = ::read(connection.get(), buffer.data(), buffer.size());
      if (count <= 0)
        break;
      request.append(buffer.data(), static_cast<std::size_t>(count));
    }
    requests_.push_back(request);
    // In two pieces, cut within the two line ends.
    if (answer.empty())
      return;
    const auto cut = answer.size() - 1;
    if (::write(connection.get(), answer.data(), cut) < 0
        || ::write(connection.get(), answer.data() + cut, 1) < 0)
      requests_.emplace_back("hung up early");
  }

  unix_listener listener_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

std::string plain_answer() {
  return "listen_port=51820\npublic_key=" + std::string(peer_key)
         + "\nendpoint=192.0.2.7:51820\nlast_handshake_time_sec=0\n"
           "last_handshake_time_nsec=0\ntx_bytes=7\nrx_bytes=9\n"
           "persistent_keepalive_interval=0\nallowed_ip=10.0.0.2/32\n"
           "protocol_version=1\nerrno=0\n\n";
}

std::string extended_answer() {
  return "listen_port=51820\nweft_mtu=1420\nweft_drop_no_route=4\npublic_key="
         + std::string(peer_key)
         + "\nweft_name=beta\nlast_handshake_time_sec=0\n"
           "last_handshake_time_nsec=0\ntx_bytes=7\nrx_bytes=9\n"
           "weft_rx_packets=2\nweft_tx_packets=1\nweft_restarts=0\n"
           "persistent_keepalive_interval=0\nprotocol_version=1\nerrno=0\n\n";
}

struct printed {
  int code;
  std::string out;
  std::string err;
};

/// What the control sockets answer; nobody may ask them if there is none.
using control_answers = std::map<std::string, weft::outcome<device_status>>;

printed
status(const status_options& options, const control_answers& answers = {}) {
  console terminal;
  const auto ask = [&](const node_place& place) {
    return answers.at(std::get<local_node>(place).socket);
  };
  const auto code = show_status(options, ask, terminal.io());
  return {code, terminal.out.str(), terminal.err.str()};
}

status_options
at(const std::string& name, const temporary_folder& folder, bool json = false) {
  status_options options;
  options.interface = name;
  options.socket_folder = folder.path();
  options.control_folder = folder.path() + "/control";
  options.json = json;
  return options;
}

} // namespace

TEST_CASE("status asks a weft daemon once, with weft's own line") {
  const temporary_folder folder;
  scripted_daemon daemon(folder.path() + "/weft0.sock", {extended_answer()});
  const auto shown = status(at("weft0", folder));
  CHECK(shown.code == exit_fine);
  CHECK(shown.err.empty());
  CHECK_THAT(shown.out, Contains("weft0\n") && Contains("beta")
                          && Contains("MTU 1420") && Contains("no_route 4"));
  CHECK(daemon.requests() == std::vector<std::string>{"get=1\nweft=1\n\n"});
}

TEST_CASE("status asks other implementations again without that line") {
  const std::string refusal
    = GENERATE(as<std::string>{}, "", "errno=22\n\n", "errno=-22\n\n");
  const temporary_folder folder;
  scripted_daemon daemon(folder.path() + "/wg0.sock",
                         {refusal, plain_answer()});
  const auto shown = status(at("wg0", folder));
  CHECK(shown.code == exit_fine);
  CHECK(shown.err.empty());
  CHECK_THAT(shown.out, Contains("uFmW/syc...") && Contains("10.0.0.2/32"));
  CHECK(daemon.requests()
        == std::vector<std::string>{"get=1\nweft=1\n\n", "get=1\n\n"});
}

TEST_CASE("status passes on that a daemon refuses") {
  const temporary_folder folder;
  scripted_daemon daemon(folder.path() + "/wg0.sock",
                         {"errno=5\n\n", "errno=5\n\n"});
  const auto shown = status(at("wg0", folder));
  CHECK(shown.code == exit_failure);
  CHECK_THAT(shown.err, Contains("wg0.sock") && Contains("Input/output"));
}

TEST_CASE("status says so when what answers is no WireGuard daemon") {
  const temporary_folder folder;
  scripted_daemon daemon(folder.path() + "/wg0.sock",
                         {"HTTP/1.1 400\n\n", "listen_port=x\nerrno=0\n\n"});
  const auto shown = status(at("wg0", folder));
  CHECK(shown.code == exit_unreachable);
  CHECK_THAT(shown.err, Contains("not in WireGuard's format"));
}

TEST_CASE("status without a name shows all interfaces by name") {
  const temporary_folder folder;
  folder.write("notes.txt", "no socket");
  scripted_daemon second(folder.path() + "/wg1.sock", {extended_answer()});
  scripted_daemon first(folder.path() + "/wg0.sock", {extended_answer()});
  const auto shown = status(at("", folder, true));
  CHECK(shown.code == exit_fine);
  const auto all = nlohmann::json::parse(shown.out);
  REQUIRE(all.size() == 2);
  CHECK(all[0].at("interface") == "wg0");
  CHECK(all[1].at("interface") == "wg1");
  CHECK(all[0].at("peers").at(0).at("name") == "beta");
}

TEST_CASE("status of an interface that does not exist says where it looked") {
  const temporary_folder folder;
  const auto shown = status(at("wg9", folder));
  CHECK(shown.code == exit_unreachable);
  CHECK(shown.err
        == "weft: no weft or WireGuard userspace interface named 'wg9': "
           "sockets are in "
             + folder.path() + "; start one with weftd --config FILE\n");
}

TEST_CASE("status of a socket that nobody serves says what to do") {
  const temporary_folder folder;
  const auto path = folder.path() + "/wg0.sock";
  {
    // A second name of the file outlives its daemon.
    const auto listener = unix_listener::open(folder.path() + "/tmp", 0600);
    REQUIRE(listener);
    std::filesystem::create_hard_link(folder.path() + "/tmp", path);
  }
  const auto shown = status(at("wg0", folder));
  CHECK(shown.code == exit_unreachable);
  CHECK_THAT(shown.err, Contains("nobody serves this socket"));

  SECTION("and the others are shown all the same") {
    scripted_daemon daemon(folder.path() + "/wg1.sock", {extended_answer()});
    const auto all = status(at("", folder));
    CHECK(all.code == exit_failure);
    CHECK_THAT(all.err, Contains("wg0.sock"));
    CHECK_THAT(all.out, Contains("wg1\n"));
  }
}

TEST_CASE("status without any interface is fine and says so") {
  const temporary_folder folder;
  for (const auto& place : {folder.path(), folder.path() + "/absent"}) {
    auto options = at("", folder);
    options.socket_folder = place;
    const auto shown = status(options);
    CHECK(shown.code == exit_fine);
    CHECK(shown.out.empty());
    CHECK_THAT(shown.err, Contains("no interfaces") && Contains(place)
                            && Contains(options.control_folder));
    options.json = true;
    CHECK(status(options).out == "[]\n");
  }
}

TEST_CASE("status refuses a path for a name") {
  const auto shown = status(at("../wg0", temporary_folder{}));
  CHECK(shown.code == exit_mistaken);
  CHECK_THAT(shown.err, Contains("Interface name") && Contains("../wg0"));
}

namespace {

/// Weft's own sockets beside WireGuard's, and what they answer.
struct control_sockets {
  temporary_folder folder;
  control_answers answers;

  void add(const std::string& name, weft::outcome<device_status> answer) {
    std::filesystem::create_directories(folder.path() + "/control");
    const auto path = folder.write("control/" + name + ".sock", "");
    if (answer)
      answer->interface = name;
    answers.emplace(path, std::move(answer));
  }
  void add(const std::string& name) {
    auto device = example_device();
    device.peers[1].session_age = std::chrono::seconds{61};
    device.peers[1].drops = {{"replayed", 3}};
    add(name, device);
  }
};

} // namespace

TEST_CASE("status asks weft's own socket where WireGuard's cannot be used") {
  control_sockets sockets;
  sockets.add("weft0");
  const auto named = status(at("weft0", sockets.folder), sockets.answers);
  CHECK(named.code == exit_fine);
  CHECK_THAT(named.out, Contains("beta") && !Contains("session"));
  const auto all = status(at("", sockets.folder, true), sockets.answers);
  CHECK(all.code == exit_fine);
  const auto json = nlohmann::json::parse(all.out);
  REQUIRE(json.size() == 1);
  CHECK(json[0].at("peers").at(0).at("session_age") == 61);
}

TEST_CASE("status asks WireGuard's socket alone while that answers") {
  control_sockets sockets;
  sockets.add("weft0", tl::unexpected(failure{exit_failure, EIO, "unwanted"}));
  scripted_daemon daemon(sockets.folder.path() + "/weft0.sock",
                         {extended_answer()});
  const auto shown = status(at("weft0", sockets.folder), sockets.answers);
  CHECK(shown.code == exit_fine);
  CHECK(shown.err.empty());
}

TEST_CASE("status with more to tell asks weft's own socket first") {
  control_sockets sockets;
  sockets.add("weft0");
  auto options = at("weft0", sockets.folder);
  options.verbose = true;
  const auto shown = status(options, sockets.answers);
  CHECK(shown.code == exit_fine);
  CHECK_THAT(shown.out, Contains("session began 1m1s ago")
                          && Contains("drops   replayed 3")
                          && Contains("sent 4000 packets"));

  SECTION("and WireGuard's if it fails") {
    sockets.answers.clear();
    sockets.add("weft0",
                tl::unexpected(failure{exit_forbidden, EACCES, "not you"}));
    scripted_daemon daemon(sockets.folder.path() + "/weft0.sock",
                           {extended_answer()});
    const auto other = status(options, sockets.answers);
    CHECK(other.code == exit_fine);
    CHECK_THAT(other.out, Contains("beta"));
    CHECK(other.err.empty());
  }
}

TEST_CASE("status exits with what the last way to an interface failed with") {
  control_sockets sockets;
  sockets.add("weft0",
              tl::unexpected(failure{exit_forbidden, EACCES, "not you", "x"}));
  const auto shown = status(at("weft0", sockets.folder), sockets.answers);
  CHECK(shown.code == exit_forbidden);
  CHECK(shown.err == "weft: not you\n");
  const auto json = status(at("weft0", sockets.folder, true), sockets.answers);
  CHECK(nlohmann::json::parse(json.err).at("error")
        == nlohmann::json{
          {"code", "EACCES"}, {"message", "not you"}, {"field", "x"}});
}

TEST_CASE("status of a node elsewhere shows that one alone") {
  console terminal;
  const remote_node node{"gw.example.org", 7447, "", "", "", ""};
  const auto answer = [&](const node_place& place) {
    CHECK(std::get<remote_node>(place) == node);
    return weft::outcome<device_status>{example_device()};
  };
  CHECK(show_remote_status(node, {}, answer, terminal.io()) == exit_fine);
  CHECK_THAT(terminal.out.str(), Contains("weft0\n") && Contains("beta"));
  const auto refuse = [](const node_place&) -> weft::outcome<device_status> {
    return tl::unexpected(failure{exit_unreachable, ENOTCONN, "gone"});
  };
  CHECK(show_remote_status(node, {}, refuse, terminal.io())
        == exit_unreachable);
}
