// The section `metrics`.
#include "config/metrics_checks.hpp"
#include "config/validate.hpp"
#include "support.hpp"
#include "tests/catch.hpp"

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

tl::expected<node_config, config_errors> read(const std::string& section) {
  return parse_yaml(interface_text() + section, "/etc/weft/a.yaml");
}

metrics_config section_of(const std::string& section) {
  const auto config = read(section);
  REQUIRE(config);
  CHECK_FALSE(validate(*config));
  CHECK(parse_yaml(format_yaml(*config), "/etc/weft/a.yaml")->metrics
        == config->metrics);
  return config->metrics;
}

std::string errors_of(const std::string& section) {
  return yaml_errors(interface_text() + section);
}

} // namespace

TEST_CASE("Without the section, and with an empty one, nothing is served") {
  for (const auto* section : {"", "metrics:\n", "metrics: {}\n"}) {
    INFO(section);
    CHECK(section_of(section) == metrics_config{});
  }
  CHECK_FALSE(metrics_config{}.listen);
  CHECK(metrics_config{}.socket.empty());
}

TEST_CASE("Metrics are served at an address, a socket, or both") {
  const auto both = section_of("metrics:\n  listen: 127.0.0.1:9586\n"
                               "  socket: weft0.metrics\n  peers: false\n");
  CHECK(both.listen == parse_endpoint("127.0.0.1:9586"));
  CHECK(both.socket == "/etc/weft/weft0.metrics");
  CHECK_FALSE(both.peers);
  CHECK(section_of("metrics: {socket: /run/weft/m}\n").socket == "/run/weft/m");
}

TEST_CASE("What cannot be served at is refused, with the place") {
  CHECK_THAT(errors_of("metrics: {listen: here}\n"),
             Contains("metrics.listen: "));
  CHECK_THAT(errors_of("metrics: {listen: '127.0.0.1:0'}\n"),
             Contains("metrics.listen: ") && Contains("has no port"));
  CHECK_THAT(errors_of("metrics: {peers: maybe}\n"),
             Contains("metrics.peers: 'maybe'")
               && Contains("true or false is expected"));
  CHECK_THAT(errors_of("metrics: {port: 9586}\n"),
             Contains("unknown key 'port'"));
  CHECK_THAT(errors_of("metrics: {socket: /" + std::string(120, 'x') + "}\n"),
             Contains("metrics.socket: ") && Contains("107 bytes"));
}

TEST_CASE("The socket is none of the node's other ones") {
  for (const auto* folder : {"/run/weft", "/var/run/wireguard"}) {
    CHECK_THAT(
      errors_of(std::string{"metrics: {socket: "} + folder + "/weft0.sock}\n"),
      Contains("another socket of this node"));
  }
}

TEST_CASE("A program's own values are checked, too") {
  auto config = *read("");
  config.metrics.listen = endpoint{};
  REQUIRE(validate(config));
  CHECK(validate(config)->field == "metrics.listen");
  config.metrics = {};
  config.metrics.socket = "relative";
  REQUIRE(validate(config));
  CHECK(validate(config)->field == "metrics.socket");
}

TEST_CASE("A listener that others reach is worth a warning") {
  const auto warning_of = [](const char* where) {
    metrics_config metrics;
    metrics.listen = parse_endpoint(where);
    return metrics_warning(metrics);
  };
  CHECK_FALSE(metrics_warning({}));
  for (const auto* where :
       {"127.0.0.1:9586", "127.9.9.9:1", "[::1]:9586", "[::ffff:127.0.0.1]:1"})
    CHECK_FALSE(warning_of(where));
  for (const auto* where : {"0.0.0.0:9586", "[::]:9586", "192.0.2.1:9586"}) {
    INFO(where);
    REQUIRE(warning_of(where));
    CHECK_THAT(*warning_of(where), Contains(where) && Contains("127.0.0.1"));
  }
}
