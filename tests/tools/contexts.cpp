#include "tools/weft/places/contexts.hpp"

#include "console.hpp"
#include "temporary_folder.hpp"
#include "tests/catch.hpp"
#include "tools/weft/commands/control_commands.hpp"
#include "tools/weft/places/target.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>

using namespace weft;
using Catch::Contains;

namespace {

constexpr auto two_nodes = R"(# mine
current: gw
contexts:
  gw:
    at: gw.example.org:7447
    certificate: alice.pem
    key: /etc/weft/alice.key
    ca: pki/../ca.pem
  lab:
    at: "[2001:db8::1]:7447"
    certificate: alice.pem
    key: alice.key
    ca: ca.pem
    revocations: crl.pem
    server_name: lab.example.org
)";

context_file read(const std::string& text) {
  auto file = parse_contexts(text, "/home/a/contexts.yaml");
  if (!file)
    FAIL(to_string(file.error().front()));
  return *file;
}

std::vector<std::string> mistakes_of(const std::string& text) {
  const auto file = parse_contexts(text, "c.yaml");
  std::vector<std::string> all;
  if (!file)
    for (const auto& error : file.error())
      all.push_back(to_string(error));
  return all;
}

std::string only_mistake(const std::string& text) {
  const auto all = mistakes_of(text);
  REQUIRE(all.size() == 1);
  return all.front();
}

std::string context_with(const std::string& line) {
  return "contexts:\n  gw:\n    certificate: a\n    key: a\n    ca: a\n    "
         + line + '\n';
}

} // namespace

TEST_CASE(
  "a contexts file names nodes, with files relative to its own folder") {
  const auto file = read(two_nodes);
  CHECK(file.current == "gw");
  REQUIRE(file.contexts.size() == 2);
  CHECK(
    file.contexts[0]
    == context{"gw",
               {"gw.example.org", 7447, "/home/a/alice.pem",
                "/etc/weft/alice.key", "/home/a/ca.pem", "gw.example.org"}});
  CHECK(
    file.contexts[1]
    == context{"lab",
               {"2001:db8::1", 7447, "/home/a/alice.pem", "/home/a/alice.key",
                "/home/a/ca.pem", "lab.example.org", "/home/a/crl.pem"}});
  CHECK(to_string(file.contexts[0].node) == "gw.example.org:7447");
  CHECK(to_string(file.contexts[1].node) == "[2001:db8::1]:7447");
  CHECK(file.find("lab") == &file.contexts[1]);
  CHECK(file.find("nowhere") == nullptr);
}

TEST_CASE("a contexts file may be empty, and need not choose a current one") {
  CHECK(read("").contexts.empty());
  CHECK(read("# nothing\n").contexts.empty());
  CHECK(read("contexts:\n").contexts.empty());
  const auto file = read(context_with("at: a.example:1"));
  CHECK(file.contexts.size() == 1);
  CHECK(file.current.empty());
}

TEST_CASE("each mistake in a contexts file has its place and remedy") {
  CHECK(only_mistake("context:\n")
        == "c.yaml:1:1: context: unknown key 'context'; did you mean "
           "'contexts'?");
  CHECK(only_mistake(context_with("host: x\n    at: a.example:1"))
        == "c.yaml:6:5: contexts.gw.host: unknown key 'host'; known are at, "
           "certificate, key, ca, revocations, server_name");
  CHECK_THAT(only_mistake(context_with("at: gw.example.org")),
             Contains("c.yaml:6:9: contexts.gw.at: ")
               && Contains("has no port; "));
  CHECK_THAT(only_mistake(context_with("at: [a, b]")),
             Contains("c.yaml:6:9: contexts.gw.at: HOST:PORT is expected"));
  CHECK_THAT(only_mistake(context_with("at: a.example:1\n    ca: b")),
             Contains("c.yaml:7:5: contexts.gw.ca: the key appears twice"));
  CHECK_THAT(only_mistake(context_with("server_name: ''\n    at: a.example:1")),
             Contains("c.yaml:6:18: contexts.gw.server_name: ")
               && Contains("host name"));
  CHECK_THAT(only_mistake("contexts: [gw]\n"),
             Contains("c.yaml:1:11: contexts: a map of"));
  CHECK_THAT(only_mistake("contexts:\n  gw: here\n"),
             Contains("c.yaml:2:7: contexts.gw: a map of"));
  CHECK_THAT(only_mistake("contexts:\n  'a b': {}\n"),
             Contains("c.yaml:2:3: contexts: the key is no name"));
  CHECK_THAT(only_mistake("contexts:\n  local: {}\n"),
             Contains("c.yaml:2:3: contexts.local: this name means the nodes "
                      "of this host"));
  CHECK_THAT(only_mistake("current: gw\n"),
             Contains("c.yaml:1:10: current: 'gw' is no context"));
  CHECK_THAT(only_mistake("contexts: {"), Contains("no valid YAML"));
}

TEST_CASE("all that a context lacks is said") {
  const auto all = mistakes_of("contexts:\n  gw: {}\n");
  REQUIRE(all.size() == 4);
  CHECK_THAT(all[0], Contains("c.yaml:2:3: contexts.gw.at: the key is missing; "
                              "HOST:PORT"));
  CHECK_THAT(all[1], Contains("contexts.gw.certificate: the key is missing")
                       && Contains("'weft pki' makes them"));
}

TEST_CASE("a context that is not there is answered with those that are") {
  const auto file = read(two_nodes);
  const auto found = find_context(file, "gv", "c.yaml");
  REQUIRE_FALSE(found);
  CHECK(found.error().exit == exit_mistaken);
  CHECK(found.error().message
        == "there is no context 'gv' in c.yaml; there are: gw, lab");
}

TEST_CASE("choosing a current context changes its line only") {
  const auto changed = with_current(two_nodes, "c.yaml", "lab");
  REQUIRE(changed);
  auto expected = std::string{two_nodes};
  expected.replace(expected.find("current: gw"), 11, "current: lab");
  CHECK(*changed == expected);

  const auto none = with_current(two_nodes, "c.yaml", "");
  REQUIRE(none);
  CHECK(none->find("current") == std::string::npos);
  CHECK(read(*none).contexts == read(two_nodes).contexts);

  const auto again = with_current(*none, "c.yaml", "gw");
  REQUIRE(again);
  CHECK(*again == two_nodes);
  CHECK(with_current(*none, "c.yaml", "") == *none);
}

TEST_CASE("a contexts file that is not written in lines is left alone") {
  const std::string flow
    = "{current: a, contexts: {a: {at: 'a:1', certificate: c, key: k, ca: c}}}";
  REQUIRE(read(flow).current == "a");
  const auto changed = with_current(flow, "c.yaml", "");
  REQUIRE_FALSE(changed);
  CHECK_THAT(changed.error().message,
             Contains("'current: local'") && Contains("by hand"));
}

TEST_CASE("context list shows where commands go") {
  const temporary_folder folder;
  connection_options options;
  options.contexts_file = folder.write("contexts.yaml", two_nodes);
  console terminal;
  CHECK(list_contexts(options, terminal.io()) == exit_fine);
  CHECK(terminal.out.str()
        == "  local  this host\n"
           "* gw     gw.example.org:7447\n"
           "  lab    [2001:db8::1]:7447\n");
  options.json = true;
  console json;
  CHECK(list_contexts(options, json.io()) == exit_fine);
  const auto all = nlohmann::json::parse(json.out.str());
  REQUIRE(all.size() == 2);
  CHECK(all[0].at("current") == true);
  CHECK(all[1].at("current") == false);
  CHECK(all[0].at("revocations").is_null());
  CHECK(all[1].at("revocations") == folder.path() + "/crl.pem");
  CHECK(all[1].at("server_name") == "lab.example.org");
  CHECK(all[1].at("key") == folder.path() + "/alice.key");
}

TEST_CASE("context use changes the file, through a link too") {
  const temporary_folder folder;
  const auto path = folder.write("contexts.yaml", two_nodes);
  connection_options options;
  options.contexts_file = folder.path() + "/link.yaml";
  std::filesystem::create_symlink(path, options.contexts_file);
  console terminal;
  CHECK(use_context("lab", options, terminal.io()) == exit_fine);
  CHECK(load_contexts(path)->current == "lab");
  CHECK(std::filesystem::is_symlink(options.contexts_file));
  console unknown;
  CHECK(use_context("nowhere", options, unknown.io()) == exit_mistaken);
  CHECK_THAT(unknown.err.str(), Contains("there are: gw, lab"));
  console local;
  CHECK(use_context("local", options, local.io()) == exit_fine);
  CHECK(load_contexts(path)->current.empty());
  console listed;
  CHECK(list_contexts(options, listed.io()) == exit_fine);
  CHECK_THAT(listed.out.str(), Contains("* local"));
}

// -- which node a command is for ---------------------------------------------

namespace {

/// Options that look at nothing of this host.
connection_options nowhere(const temporary_folder& folder) {
  connection_options options;
  options.contexts_file = folder.path() + "/contexts.yaml";
  return options;
}

bool means_this_host(const connection_options& options) {
  const auto remote = find_remote(options);
  REQUIRE(remote);
  return !remote->has_value();
}

std::string refusal_of(const connection_options& options, int code) {
  const auto place = find_node(options);
  REQUIRE_FALSE(place);
  CHECK(place.error().exit == code);
  return place.error().message;
}

} // namespace

TEST_CASE("a node of this host is found by its socket") {
  const temporary_folder folder;
  auto options = nowhere(folder);
  options.socket_folder = folder.path();
  SECTION("by name") {
    options.interface = "wg7";
    CHECK(find_node(options)
          == node_place{local_node{"wg7", folder.path() + "/wg7.sock"}});
    options.interface = "../wg7";
    CHECK_THAT(refusal_of(options, exit_mistaken), Contains("../wg7"));
  }
  SECTION("without a name if there is one only") {
    folder.write("wg1.sock", "");
    CHECK(find_node(options)
          == node_place{local_node{"wg1", folder.path() + "/wg1.sock"}});
    folder.write("wg0.sock", "");
    CHECK(refusal_of(options, exit_mistaken)
          == "there are several interfaces, wg0, wg1: choose one with -i NAME");
  }
  SECTION("or there is none") {
    CHECK(refusal_of(options, exit_unreachable)
          == "no daemon listens in " + folder.path()
               + ": is weftd running? (systemctl status 'weft@*')");
  }
}

TEST_CASE("a node elsewhere is given by --at and three files") {
  const temporary_folder folder;
  auto options = nowhere(folder);
  options.at = "gw.example.org:7447";
  CHECK_THAT(refusal_of(options, exit_mistaken),
             Contains("--certificate, --key and --ca"));
  options.certificate = "a.pem";
  options.key = "a.key";
  options.ca = "ca.pem";
  remote_node node{"gw.example.org", 7447,     "a.pem",
                   "a.key",          "ca.pem", "gw.example.org"};
  CHECK(find_node(options) == node_place{node});
  node.server_name = options.server_name = "gw";
  node.revocations = options.revocations = "crl.pem";
  CHECK(find_node(options) == node_place{node});
  options.at = "gw.example.org";
  CHECK_THAT(refusal_of(options, exit_mistaken),
             Contains("--at: ") && Contains("has no port"));
}

TEST_CASE("a node elsewhere is given by a context, or by the current one") {
  const temporary_folder folder;
  auto options = nowhere(folder);
  folder.write("contexts.yaml", two_nodes);
  const auto host_of = [](const connection_options& given) {
    const auto place = find_node(given);
    REQUIRE(place);
    return std::get<remote_node>(*place).host;
  };
  CHECK(host_of(options) == "gw.example.org");
  options.context = "lab";
  CHECK(host_of(options) == "2001:db8::1");
  options.context = "nowhere";
  CHECK_THAT(refusal_of(options, exit_mistaken),
             Contains("there are: gw, lab"));

  SECTION("but not when an interface of this host is asked for") {
    options.context.clear();
    options.interface = "wg0";
    const auto place = find_node(options);
    REQUIRE(place);
    CHECK(std::get<local_node>(*place).socket == "/run/weft/wg0.sock");
    options.context = "local";
    CHECK(find_node(options) == *place);
    options.interface.clear();
    CHECK(means_this_host(options));
  }
  SECTION("and a file with mistakes says where") {
    folder.write("contexts.yaml", "current: gw\ncontexts: 5\n");
    options.context.clear();
    CHECK_THAT(refusal_of(options, exit_mistaken),
               Contains("contexts.yaml:1:10: ")
                 && Contains("\n" + options.contexts_file + ":2:11: "));
  }
  SECTION("and a file that does not exist matters if it is needed") {
    options.contexts_file = folder.path() + "/absent.yaml";
    CHECK_THAT(refusal_of(options, exit_mistaken),
               Contains("absent.yaml") && Contains("does not exist"));
    options.context.clear();
    CHECK(means_this_host(options));
  }
}

TEST_CASE("two places at once are refused") {
  const temporary_folder folder;
  auto options = nowhere(folder);
  options.at = "gw.example.org:7447";
  options.interface = "wg0";
  CHECK_THAT(refusal_of(options, exit_mistaken), Contains("leave one"));
  options.interface.clear();
  options.context = "gw";
  CHECK_THAT(refusal_of(options, exit_mistaken), Contains("leave one out"));
  options.at.clear();
  options.context.clear();
  options.ca = "ca.pem";
  CHECK_THAT(refusal_of(options, exit_mistaken), Contains("need --at"));
}

TEST_CASE("WEFT_CONTEXTS says where the contexts are") {
  ::setenv("WEFT_CONTEXTS", "/somewhere/else.yaml", 1);
  CHECK(default_contexts_path() == "/somewhere/else.yaml");
  ::unsetenv("WEFT_CONTEXTS");
  CHECK_THAT(default_contexts_path(), Contains("/.config/weft/contexts.yaml"));
}
