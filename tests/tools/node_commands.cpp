// The commands that steer a node as a whole, against an overlay that keeps
// what it is asked.

#include "console.hpp"
#include "example_device.hpp"
#include "example_overlay.hpp"
#include "temporary_folder.hpp"
#include "tests/catch.hpp"
#include "tools/weft/commands/control_commands.hpp"
#include "tools/weft/places/requests.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>

using namespace weft;
using namespace std::chrono_literals;
using Catch::Contains;
using nlohmann::json;

namespace {

struct fixture : example_node, console {};

constexpr auto yaml = R"(interface:
  name: weft7
  private_key: dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=
peers:
  - name: beta
    public_key: 3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=
)";

} // namespace

TEST_CASE("apply sends the whole configuration of a file") {
  const temporary_folder folder;
  fixture node;
  node.script->changes = {1, 0, 2, {"interface.mtu: 1380"}};
  const auto path = folder.write("weft7.yaml", yaml);
  REQUIRE(apply_file({path}, node.link(), node.io()) == exit_fine);
  CHECK(node.out.str() == "1 peer added, 2 removed\ninterface.mtu: 1380\n");
  const auto sent = node.script->all<apply_config>();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].config.interface.name == "weft7");
  CHECK_FALSE(sent[0].config.interface.private_key.is_zero());
  REQUIRE(sent[0].config.peers.size() == 1);
  CHECK(sent[0].config.peers[0].name == "beta");
}

TEST_CASE("apply needs no private key: the node keeps its own") {
  const temporary_folder folder;
  fixture node;
  const auto path = folder.write("weft7.yaml", "interface: {name: weft7}\n");
  REQUIRE(apply_file({path}, node.link(), node.io()) == exit_fine);
  const auto sent = node.script->all<apply_config>();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].config.interface.private_key.is_zero());
}

TEST_CASE("apply of a file with mistakes says all of them and sends nothing") {
  const temporary_folder folder;
  fixture node;
  const auto path = folder.write("bad.yaml", "interface:\n"
                                             "  private_key: short\n"
                                             "  mtu: many\n");
  CHECK(apply_file({path}, node.link(), node.io()) == exit_mistaken);
  CHECK_THAT(node.err.str(),
             Contains("bad.yaml:2:") && Contains("bad.yaml:3:"));
  node.err.str("");
  CHECK(apply_file({path}, node.link(true), node.io()) == exit_mistaken);
  std::istringstream lines(node.err.str());
  std::vector<std::string> fields;
  for (std::string line; std::getline(lines, line);)
    fields.push_back(json::parse(line).at("error").at("field"));
  CHECK(fields
        == std::vector<std::string>{"interface.private_key", "interface.mtu"});
  CHECK(apply_file({folder.path() + "/absent"}, node.link(), node.io())
        == exit_mistaken);
  CHECK(node.script->requests.empty());
}

TEST_CASE("apply says whether it is a dry run, and how long it is on trial") {
  fixture node;
  const temporary_folder folder;
  const auto path = folder.write("n.yaml", "interface: {name: weft7}\n");
  REQUIRE(apply_file({path, true, {60s}}, node.link(), node.io()) == exit_fine);
  const auto sent = node.script->all<apply_config>().at(0);
  CHECK(sent.dry_run);
  CHECK(sent.confirm_within == 60s);
  REQUIRE(reload({"", true}, node.link(), node.io()) == exit_fine);
  CHECK(node.script->all<reload_config>().at(0).dry_run);
  CHECK(confirm(node.link(), node.io()) == exit_fine);
  CHECK(node.script->all<confirm_config>().size() == 1);
}

TEST_CASE("reload prints what has changed, or every line of what is wrong") {
  fixture node;
  node.script->changes = {0, 1, 0, {}};
  CHECK(reload({}, node.link(), node.io()) == exit_fine);
  CHECK(node.out.str() == "1 peer changed\n");
  CHECK(node.script->all<reload_config>().size() == 1);
  node.script->refusal
    = make_error(EINVAL, "a.yaml:1:1: x\na.yaml:2:1: y", "file");
  CHECK(reload({}, node.link(), node.io()) == exit_mistaken);
  CHECK(node.err.str() == "weft: a.yaml:1:1: x\na.yaml:2:1: y\n");
}

TEST_CASE("log-level sends a level that there is") {
  fixture node;
  CHECK(change_log_level("debug", node.link(), node.io()) == exit_fine);
  CHECK(node.out.str() == "log_level: debug\n");
  REQUIRE(node.script->all<set_log_level>().size() == 1);
  CHECK(node.script->all<set_log_level>()[0].level == log_level::debug);
  CHECK(change_log_level("loud", node.link(), node.io()) == exit_mistaken);
  CHECK_THAT(node.err.str(), Contains("LEVEL: 'loud'") && Contains("warn"));
  CHECK(node.script->all<set_log_level>().size() == 1);
}

TEST_CASE("offloads says what is in use, and why not") {
  fixture node;
  node.script->status.offloads = {{"tun", true, ""},
                                  {"udp send", false, "a doubt"},
                                  {"udp receive", false, ""}};
  CHECK(offloads({}, node.link(), node.io()) == exit_fine);
  CHECK(node.out.str()
        == "tun          in use\n"
           "udp send     not in use: a doubt\n"
           "udp receive  not in use\n");
  node.out.str("");
  CHECK(offloads({}, node.link(true), node.io()) == exit_fine);
  CHECK(json::parse(node.out.str()).at("udp send").at("reason") == "a doubt");
}

TEST_CASE("offloads changes what is named, and leaves the rest") {
  fixture node;
  node.script->configuration.config.offloads.tun = offload_mode::off;
  node.script->changes.notes = {"offloads.udp: auto -> on"};
  CHECK(offloads({{}, "on"}, node.link(), node.io()) == exit_fine);
  CHECK(node.out.str() == "offloads.udp: auto -> on\n");
  REQUIRE(node.script->all<set_offloads>().size() == 1);
  CHECK(node.script->all<set_offloads>()[0].offloads
        == offload_config{offload_mode::off, offload_mode::on});
  CHECK(offloads({"perhaps", {}}, node.link(), node.io()) == exit_mistaken);
  CHECK_THAT(node.err.str(), Contains("--tun: 'perhaps' is no answer"));
  CHECK(offloads({"on", {}}, node.link(), node.io()) == exit_mistaken);
  CHECK_THAT(node.err.str(), Contains("--tun: nothing about it is doubtful")
                               && Contains("auto"));
  CHECK(offloads({{}, {}, "on"}, node.link(), node.io()) == exit_mistaken);
  CHECK_THAT(node.err.str(), Contains("--uring: nothing about it is doubtful"));
  CHECK(node.script->all<set_offloads>().size() == 1);
  CHECK(offloads({{}, {}, "off"}, node.link(), node.io()) == exit_fine);
  CHECK(node.script->all<set_offloads>()[1].offloads
        == offload_config{offload_mode::off, offload_mode::automatic,
                          offload_mode::off});
}

TEST_CASE("shutdown ends the node, and is refused to viewers") {
  fixture node;
  CHECK(shut_down_node(node.link(true), node.io()) == exit_fine);
  CHECK(json::parse(node.out.str()) == json{{"state", "shutting_down"}});
  CHECK(node.script->all<shut_down>().size() == 1);
  node.script->refusal = make_error(EPERM, "no");
  CHECK(shut_down_node(node.link(), node.io()) == exit_forbidden);
}

// -- pages of the status -----------------------------------------------------

TEST_CASE("a peer that appears on two pages is shown once") {
  status_pages pages;
  device_status page = example_device();
  page.next_peer = 2;
  REQUIRE(pages.add(device_status{page}));
  CHECK_FALSE(pages.is_complete());
  CHECK(pages.next().first_peer == 2);
  page.peers.pop_back();
  page.peers.push_back({});
  page.next_peer = 0;
  page.listen_port = 7;
  const auto is_added = pages.add(std::move(page));
  REQUIRE(is_added);
  CHECK(pages.is_complete());
  const auto all = pages.take();
  CHECK(all.peers.size() == 3);
  CHECK(all.listen_port == 7);
}

TEST_CASE("pages that go round in circles are refused") {
  status_pages pages;
  device_status page;
  page.next_peer = 5;
  REQUIRE(pages.add(device_status{page}));
  const auto again = pages.add(device_status{page});
  REQUIRE_FALSE(again);
  CHECK(again.error().code == EPROTO);
}

TEST_CASE("a node without peers is one page") {
  fixture node;
  const auto status = ask_status(node.link());
  REQUIRE(status);
  CHECK(status->peers.empty());
  CHECK(node.script->all<get_status>().size() == 1);
}
