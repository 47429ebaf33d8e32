// `weft status` of nodes that answer as it is written here.

#include "tools/weft/view/status.hpp"

#include "console.hpp"
#include "example_device.hpp"
#include "temporary_folder.hpp"
#include "tests/catch.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <map>

using namespace weft;
using Catch::Contains;

namespace {

struct printed {
  int code;
  std::string out;
  std::string err;
};

/// The control sockets of a host, and what their nodes answer.
struct control_sockets {
  temporary_folder folder;
  std::map<std::string, weft::outcome<device_status>> answers; ///< by path

  void add(const std::string& name, weft::outcome<device_status> answer) {
    if (answer)
      answer->interface = name;
    answers.emplace(folder.write(name + ".sock", ""), std::move(answer));
  }
  void add(const std::string& name) {
    auto device = example_device();
    device.peers[1].session_age = std::chrono::seconds{61};
    device.peers[1].drops = {{"replayed", 3}};
    add(name, device);
  }

  status_options options(const std::string& name) const {
    status_options wanted;
    wanted.interface = name;
    wanted.socket_folder = folder.path();
    return wanted;
  }

  /// Nobody may ask where there is no socket.
  printed status(const status_options& wanted) const {
    console terminal;
    const auto ask = [&](const node_place& place) {
      return answers.at(std::get<local_node>(place).socket);
    };
    const auto code = show_status(wanted, ask, terminal.io());
    return {code, terminal.out.str(), terminal.err.str()};
  }
  printed status(const std::string& name, bool json = false) const {
    auto wanted = options(name);
    wanted.json = json;
    return status(wanted);
  }
};

} // namespace

TEST_CASE("status shows the node that is named") {
  control_sockets sockets;
  sockets.add("weft0");
  sockets.add("weft1");
  const auto shown = sockets.status("weft0");
  CHECK(shown.code == exit_fine);
  CHECK(shown.err.empty());
  CHECK_THAT(shown.out, Contains("weft0\n") && Contains("beta")
                          && Contains("MTU 1420") && Contains("no_route 12")
                          && !Contains("session") && !Contains("weft1"));
}

TEST_CASE("status without a name shows all interfaces by name") {
  control_sockets sockets;
  sockets.folder.write("notes.txt", "no socket");
  sockets.add("wg1");
  sockets.add("wg0");
  const auto shown = sockets.status("", true);
  CHECK(shown.code == exit_fine);
  const auto all = nlohmann::json::parse(shown.out);
  REQUIRE(all.size() == 2);
  CHECK(all[0].at("interface") == "wg0");
  CHECK(all[1].at("interface") == "wg1");
  CHECK(all[0].at("peers").at(0).at("name") == "beta");
  CHECK(all[0].at("peers").at(0).at("session_age") == 61);
}

TEST_CASE("status with more to tell has sessions and the peers' drops") {
  control_sockets sockets;
  sockets.add("weft0");
  auto options = sockets.options("weft0");
  options.verbose = true;
  const auto shown = sockets.status(options);
  CHECK(shown.code == exit_fine);
  CHECK_THAT(shown.out, Contains("session began 1m1s ago")
                          && Contains("drops   replayed 3")
                          && Contains("sent 4000 packets"));
}

TEST_CASE("status wraps for a terminal, and nothing in a pipe") {
  control_sockets sockets;
  auto device = example_device();
  device.peers[1].endpoint
    = parse_endpoint("[2001:db8:1111:2222:3333:4444:5555:6666]:51820");
  sockets.add("weft0", device);
  console terminal;
  terminal.columns = 80;
  const auto ask
    = [&](const node_place&) { return weft::outcome<device_status>{device}; };
  const auto options = sockets.options("weft0");
  CHECK(show_status(options, ask, terminal.io()) == exit_fine);
  CHECK_THAT(terminal.out.str(), Contains("]:51820\n"));
  const auto piped = sockets.status("weft0").out;
  CHECK_THAT(piped, Contains("]:51820  "));
  CHECK_THAT(piped, Contains("beta.example.net:51820, keepalive every 25s, "
                             "restarted 1 time\n"));
}

TEST_CASE("status passes on that a node refuses") {
  control_sockets sockets;
  sockets.add("weft0",
              tl::unexpected(failure{exit_forbidden, EACCES, "not you", "x"}));
  const auto shown = sockets.status("weft0");
  CHECK(shown.code == exit_forbidden);
  CHECK(shown.err == "weft: not you\n");
  const auto json = sockets.status("weft0", true);
  CHECK(nlohmann::json::parse(json.err).at("error")
        == nlohmann::json{
          {"code", "EACCES"}, {"message", "not you"}, {"field", "x"}});

  SECTION("and the others are shown all the same") {
    sockets.add("weft1");
    const auto all = sockets.status("");
    CHECK(all.code == exit_forbidden);
    CHECK_THAT(all.err, Contains("not you"));
    CHECK_THAT(all.out, Contains("weft1\n"));
  }
  SECTION("and several reasons have the code of none of them") {
    sockets.add("weft1",
                tl::unexpected(failure{exit_unreachable, ENOTCONN, "gone"}));
    CHECK(sockets.status("").code == exit_failure);
  }
}

TEST_CASE("status without any interface is fine and says so") {
  const control_sockets sockets;
  for (const auto& place :
       {sockets.folder.path(), sockets.folder.path() + "/absent"}) {
    auto options = sockets.options("");
    options.socket_folder = place;
    const auto shown = sockets.status(options);
    CHECK(shown.code == exit_fine);
    CHECK(shown.out.empty());
    CHECK_THAT(shown.err, Contains("no interfaces") && Contains(place));
    options.json = true;
    CHECK(sockets.status(options).out == "[]\n");
  }
}

TEST_CASE("status refuses a path for a name") {
  const auto shown = control_sockets{}.status("../wg0");
  CHECK(shown.code == exit_mistaken);
  CHECK_THAT(shown.err, Contains("Interface name") && Contains("../wg0"));
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
