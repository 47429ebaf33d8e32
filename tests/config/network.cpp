// The sections `network` and `directory`.
#include "config/network_checks.hpp"
#include "config/validate.hpp"
#include "support.hpp"
#include "tests/catch.hpp"

#include <algorithm>

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

tl::expected<node_config, config_errors> read(const std::string& sections) {
  return parse_yaml(interface_text() + sections, "/etc/weft/prod.yaml");
}

std::string errors_of(const std::string& sections) {
  return yaml_errors(interface_text() + sections);
}

std::string member(const std::string& more = {}) {
  return "network:\n  name: prod\n  root: net/root.pem\n"
         "  certificate: net/member.pem\n  key: net/member.key\n"
         "  directories: [\"alpha.example.net:51821\", \"192.0.2.1:51821\"]\n"
         + more;
}

std::string
directory(const std::string& more = "  store: {file: net/store.db}\n") {
  return member() + "directory:\n  listen: \"[::]:51821\"\n"
         + "  certificate: net/directory.pem\n  key: net/directory.key\n"
         + more;
}

node_config fine(const std::string& sections) {
  const auto config = read(sections);
  if (!config)
    FAIL(text_of(config.error()));
  CHECK_FALSE(validate(*config));
  const auto again = parse_yaml(format_yaml(*config), "/other/place.yaml");
  REQUIRE(again);
  CHECK(again->network == config->network);
  CHECK(again->directory == config->directory);
  return *config;
}

} // namespace

TEST_CASE("Without the sections, and with empty ones, there is no network") {
  for (const auto* sections :
       {"", "network:\n", "network: {}\ndirectory: {}\n", "directory:\n"}) {
    INFO(sections);
    const auto config = fine(sections);
    CHECK_FALSE(has_network(config));
    CHECK_FALSE(has_directory(config));
  }
}

TEST_CASE("A directory's own membership finds it on its own host first") {
  const std::vector<directory_address> named{{"alpha.example.net", 51821},
                                             {"192.0.2.1", 51821}};
  CHECK(directories_of(fine(member())) == named);
  auto config = fine(directory());
  const auto first = [&] {
    const auto all = directories_of(config);
    REQUIRE(all.size() == 3);
    CHECK(std::equal(named.begin(), named.end(), all.begin() + 1));
    return to_string(all.front());
  };
  CHECK(first() == "127.0.0.1:51821");
  config.directory.listen = parse_endpoint("0.0.0.0:4000");
  CHECK(first() == "127.0.0.1:4000");
  config.directory.listen = parse_endpoint("[fd00::1]:4000");
  CHECK(first() == "[fd00::1]:4000");
}

TEST_CASE("A member's section is read, with files beside the document") {
  const auto config
    = fine(member("  endpoints: [\"192.0.2.7:51820\", \"[2001:db8::7]:1\"]\n"
                  "  publish: [file, seen]\n"
                  "  accept_prefixes: [198.51.100.0/24]\n"
                  "  relay: true\n"))
        .network;
  CHECK(config.name == "prod");
  CHECK(config.root == "/etc/weft/net/root.pem");
  CHECK(config.certificate == "/etc/weft/net/member.pem");
  CHECK(config.key == "/etc/weft/net/member.key");
  CHECK(config.directories
        == std::vector<directory_address>{{"alpha.example.net", 51821},
                                          {"192.0.2.1", 51821}});
  CHECK(config.endpoints
        == std::vector<endpoint>{*parse_endpoint("192.0.2.7:51820"),
                                 *parse_endpoint("[2001:db8::7]:1")});
  CHECK(config.publish
        == std::set{endpoint_source::file, endpoint_source::seen});
  CHECK(config.accept_prefixes == std::vector{prefix("198.51.100.0/24")});
  CHECK(config.relay);
  CHECK(fine(member("  publish: []\n")).network.publish.empty());
  CHECK(fine(member()).network.publish.size() == 3);
}

TEST_CASE("A directory keeps what it knows in a file or in etcd") {
  const auto file = fine(directory()).directory;
  CHECK(file.listen == parse_endpoint("[::]:51821"));
  CHECK(file.store.file == "/etc/weft/net/store.db");
  CHECK(file.issuer.empty());
  const auto etcd
    = fine(directory("  store:\n    etcd: [\"https://a:2379\", "
                     "\"https://b:2379\"]\n    user: weft\n"
                     "    password_file: etcd.password\n"
                     "    authority: etcd.pem\n"
                     "  issuer: /run/weft-issuer/prod.directory.sock\n"))
        .directory;
  CHECK(etcd.store.etcd
        == std::vector<std::string>{"https://a:2379", "https://b:2379"});
  CHECK(etcd.store.password_file == "/etc/weft/etcd.password");
  CHECK(etcd.store.authority == "/etc/weft/etcd.pem");
  CHECK(etcd.issuer == "/run/weft-issuer/prod.directory.sock");
}

TEST_CASE("What a member cannot do without is asked for, all at once") {
  CHECK_THAT(errors_of("network: {relay: true}\n"),
             Contains("network.name: the key is missing")
               && Contains("network.root: the key is missing")
               && Contains("network.certificate: the key is missing")
               && Contains("network.key: the key is missing")
               && Contains("network.directories: the key is missing"));
  CHECK_THAT(errors_of(member() + "directory: {issuer: /run/x}\n"),
             Contains("directory.listen: the key is missing")
               && Contains("directory.certificate: the key is missing")
               && Contains("directory.key: the key is missing")
               && Contains("directory.store: there is no store"));
}

TEST_CASE("What cannot be right of a network is refused, with the place") {
  CHECK_THAT(errors_of("network: {name: Prod}\n"),
             Contains("network.name: 'Prod' is no name of a network"));
  CHECK_THAT(errors_of(member("  endpoints: [\"127.0.0.1:1\"]\n")),
             Contains("a.yaml:9:15:")
               && Contains("network.endpoints[0]: 127.0.0.1:1 is nowhere"));
  CHECK_THAT(errors_of(member("  endpoints: [beta]\n")),
             Contains("'beta' is no endpoint"));
  CHECK_THAT(errors_of(member("  publish: [file, radio]\n")),
             Contains("network.publish[1]: 'radio'")
               && Contains("file, link and seen"));
  CHECK_THAT(
    errors_of(member("  accept_prefixes: [10.0.0.0/8, 10.1.0.0/16]\n")),
    Contains("network.accept_prefixes: "));
  CHECK_THAT(errors_of("network: {directories: [alpha]}\n"),
             Contains("network.directories[0]: 'alpha' is no address"));
  CHECK_THAT(errors_of("network: {adress: x}\n"),
             Contains("unknown key 'adress'"));
  std::string many;
  for (int i = 1; i <= 9; ++i)
    many += (i == 1 ? "" : ", ") + std::string{"192.0.2."} + std::to_string(i)
            + ":1";
  CHECK_THAT(errors_of(member("  endpoints: [" + many + "]\n")),
             Contains("network.endpoints: there are 9; at most 8"));
}

TEST_CASE("A mistake of the network hides none of other sections") {
  CHECK_THAT(errors_of("network: {directories: [x]}\nmetrics: {port: 1}\n"),
             Contains("network.directories[0]")
               && Contains("unknown key 'port'"));
}

TEST_CASE("What cannot be right of a directory is refused, with the place") {
  CHECK_THAT(errors_of("directory:\n  listen: \"[::]:51821\"\n"),
             Contains("the section 'network' is expected"));
  CHECK_THAT(errors_of(directory("  store: {file: a, etcd: [\"http://a\"]}\n")),
             Contains("directory.store: there are two stores"));
  CHECK_THAT(errors_of(directory("  store: {file: a, user: b}\n")),
             Contains("directory.store: user, password_file"));
  CHECK_THAT(
    errors_of(directory("  store: {etcd: [\"http://a:1\"], user: b}\n")),
    Contains("directory.store.password_file: the key is missing"));
  CHECK_THAT(errors_of("directory: {listen: \"0.0.0.0:0\"}\n"),
             Contains("directory.listen: ") && Contains("has no port"));
  CHECK_THAT(errors_of(directory("  store: {file: a}\n  issuer: /"
                                 + std::string(120, 'x') + "\n")),
             Contains("directory.issuer: "));
}

TEST_CASE("A password in a URL is refused and not shown") {
  const auto errors = errors_of(
    directory("  store: {etcd: [\"https://weft:secret@etcd:2379\"]}\n"));
  CHECK_THAT(errors, Contains("directory.store.etcd: there is no URL"));
  CHECK_THAT(errors, !Contains("secret"));
}

TEST_CASE("A program's own values of a network are checked, too") {
  auto config = fine(directory());
  config.network.root.clear();
  REQUIRE(validate(config));
  CHECK(validate(config)->field == "network.root");
  config = fine(directory());
  config.network.endpoints.push_back(*parse_endpoint("224.0.0.1:1"));
  CHECK(validate(config)->field == "network.endpoints");
  config = fine(directory());
  config.directory.store.etcd.emplace_back("etcd:2379");
  CHECK(validate(config)->field == "directory.store");
}
