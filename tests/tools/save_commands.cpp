// What runs is saved and printed, against an overlay that tells what it was
// told to.
#include "config/yaml.hpp"
#include "console.hpp"
#include "example_device.hpp"
#include "example_overlay.hpp"
#include "temporary_folder.hpp"
#include "tests/catch.hpp"
#include "tools/weft/commands/control_commands.hpp"

using namespace weft;
using Catch::Contains;

namespace {

struct fixture : example_node, console {
  fixture() {
    auto& all = script->configuration;
    all.config.interface.name = "weft7";
    for (std::uint8_t number = 1; number <= 5; ++number) {
      auto& peer = all.config.peers.emplace_back();
      peer.name = "peer" + std::to_string(number);
      peer.public_key = example_key(number);
    }
    all.with_preshared_key = {example_key(2)};
    script->page = 2;
  }
  node_connection local_link() {
    auto made = link();
    made.is_local = true;
    return made;
  }
};

} // namespace

TEST_CASE("what runs is printed with all of its peers, as apply reads it, and "
          "without keys") {
  fixture node;
  REQUIRE(export_running(false, node.link(), node.io()) == exit_fine);
  const auto text = node.out.str();
  CHECK_THAT(text, Contains("# Without the preshared keys of 1 peer"));
  CHECK(text.find("private_key") == std::string::npos);
  CHECK(node.script->all<get_configuration>().size() == 3);
  const file_source none = [](const std::string&, file_use) {
    return tl::expected<file_text, file_failure>{
      tl::unexpected(file_failure{true, "none"})};
  };
  const auto read
    = parse_yaml(text, "a.yaml", none, private_key_rule::optional);
  REQUIRE(read);
  CHECK(*read == node.script->configuration.config);
}

TEST_CASE("a node elsewhere gives no keys and is not saved from here") {
  fixture node;
  CHECK(export_running(true, node.link(), node.io()) == exit_mistaken);
  CHECK(save(false, node.link(), node.io()) == exit_mistaken);
  CHECK_THAT(node.err.str(), Contains("on its own host"));
  CHECK(node.script->all<get_configuration>().empty());
}

TEST_CASE("a node without a file has nothing to be saved to") {
  fixture node;
  CHECK(save(false, node.local_link(), node.io()) == exit_failure);
  CHECK_THAT(node.err.str(), Contains("not started from a file"));
}

TEST_CASE("who cannot have the keys of a node does not save it") {
  fixture node;
  const temporary_folder folder;
  auto& all = node.script->configuration;
  all.file = folder.write("weft7.yaml", "interface: {}\n");
  all.config.interface.socket_folder = folder.path();
  CHECK(save(false, node.local_link(), node.io()) != exit_fine);
  CHECK_THAT(node.err.str(), Contains("keys of the node cannot be had"));
}

TEST_CASE("a change that was made and cannot be saved is told as both") {
  fixture node;
  node.script->changes.peers_added = 1;
  auto link = node.local_link();
  link.save = true;
  CHECK(reload({}, link, node.io()) == exit_failure);
  CHECK_THAT(node.out.str(), Contains("1 peer added"));
  CHECK_THAT(node.err.str(), Contains("is in force, and was not saved"));
}
