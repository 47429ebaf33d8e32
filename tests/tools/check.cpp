// `weft check`: mistakes, warnings, and what is fine.

#include "console.hpp"
#include "temporary_folder.hpp"
#include "tests/catch.hpp"
#include "tools/weft/commands/commands.hpp"

#include <nlohmann/json.hpp>

using namespace weft;
using Catch::Contains;
using nlohmann::json;

namespace {

constexpr auto keys = "interface:\n"
                      "  private_key: "
                      "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=\n";
constexpr auto peer = "peers:\n"
                      "  - public_key: "
                      "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=\n";

struct printed {
  int code = 0;
  std::string out;
  std::string err;
};

/// A file of its own, checked.
struct checked : temporary_folder {
  std::string path;

  explicit checked(const std::string& text) : path(write("node.yaml", text)) {
    std::filesystem::permissions(path, std::filesystem::perms{0600});
  }
  printed check(const check_options& options = {}) const {
    console terminal;
    const auto code = check_config(path, options, terminal.io());
    return {code, terminal.out.str(), terminal.err.str()};
  }
};

} // namespace

TEST_CASE("check sums up a file that is fine in one line") {
  const checked file(std::string(keys) + "  cluster_networks: [10.0.0.0/8]\n"
                     + peer + "    allowed_ips: [10.0.0.2/32, 10.1.0.0/16]\n");
  for (const bool strict : {false, true}) {
    const auto said = file.check({strict});
    CHECK(said.code == exit_fine);
    CHECK(
      said.out
      == file.path
           + ": fine: weft0 listens on [::]:51820, 1 peer, 2 allowed IPs\n");
    CHECK(said.err.empty());
  }
}

TEST_CASE("check prints every mistake and exits with 2") {
  const checked file("interface:\n"
                     "  private_key: short\n"
                     "  mtu: many\n"
                     "peers:\n"
                     "  - public_key: 5\n");
  const auto said = file.check();
  CHECK(said.code == exit_mistaken);
  CHECK(said.out.empty());
  CHECK_THAT(said.err, Contains("node.yaml:2:") && Contains("node.yaml:3:")
                         && Contains("node.yaml:5:"));
  const auto as_json = json::parse(file.check({false, true}).out);
  CHECK(as_json.at("fine") == false);
  REQUIRE(as_json.at("errors").size() == 3);
  CHECK(as_json.at("errors").at(1).at("line") == 3);
  CHECK(as_json.at("errors").at(1).at("field") == "interface.mtu");
}

TEST_CASE("check warns with line and column, and fails for it if strict") {
  const checked file(std::string(keys) + peer
                     + "    allowed_ips:\n"
                       "      - 10.0.0.2/32\n");
  const auto warning
    = file.path
      + ":6:9: warning: peers[0].allowed_ips[0]: no route leads to "
        "10.0.0.2/32: add it to interface.cluster_networks\n";
  const auto said = file.check();
  CHECK(said.code == exit_fine);
  CHECK(said.err == warning);
  CHECK_THAT(said.out, Contains(": fine: ") && Contains(", 1 warning\n"));

  const auto strict = file.check({true});
  CHECK(strict.code == exit_mistaken);
  CHECK(strict.err == warning);
  CHECK(strict.out.empty());

  const auto as_json = file.check({true, true});
  CHECK(as_json.code == exit_mistaken);
  const auto out = json::parse(as_json.out);
  CHECK(out.at("fine") == false);
  CHECK(out.at("errors").empty());
  CHECK(out.at("warnings").at(0).at("column") == 9);
  CHECK(json::parse(file.check({false, true}).out).at("fine") == true);
}

TEST_CASE("check looks at what the section control names") {
  SECTION("certificates") {
    const checked file(std::string(keys)
                       + "control:\n"
                         "  listen: 0.0.0.0:7447\n"
                         "  certificate: a.pem\n"
                         "  key: a.key\n"
                         "  ca: absent.pem\n");
    const auto said = file.check();
    CHECK(said.code == exit_mistaken);
    CHECK_THAT(said.err, Contains("node.yaml:7:7: control.ca: ")
                           && Contains("absent.pem"));
  }
  SECTION("the group") {
    const checked file(std::string(keys) + "control: {group: no-such-group}\n");
    const auto said = file.check();
    CHECK(said.code == exit_fine);
    CHECK_THAT(said.err, Contains("node.yaml:3:18: warning: control.group: ")
                           && Contains("no-such-group"));
  }
}

TEST_CASE("check warns of keys that others can read") {
  const checked file(keys);
  std::filesystem::permissions(file.path, std::filesystem::perms{0644});
  const auto said = file.check();
  CHECK(said.code == exit_fine);
  CHECK_THAT(said.err, Contains("node.yaml: warning: keys are in this file"));
  CHECK(file.check({true}).code == exit_mistaken);
}
