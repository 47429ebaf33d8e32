#include "tools/weft/commands/commands.hpp"

#include "actors/overlay/config_files.hpp"
#include "console.hpp"
#include "protocol/base/keys.hpp"
#include "temporary_folder.hpp"
#include "tests/catch.hpp"
#include "tools/weft/secret_output.hpp"

#include <nlohmann/json.hpp>

#include <sstream>

using namespace weft;
using Catch::Contains;
using Catch::EndsWith;
using Catch::StartsWith;

namespace {

// RFC 7748 section 6.1, Alice's keys.
constexpr auto alice_private = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=";
constexpr auto alice_public = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

constexpr auto wg_conf = R"([Interface]
PrivateKey = dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=
Address = 10.0.0.1/24
ListenPort = 51820
PostUp = echo up

[Peer]
PublicKey = 3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=
AllowedIPs = 10.0.0.2/32, 10.1.0.0/16
Endpoint = 192.0.2.7:51820
)";

} // namespace

TEST_CASE("genkey prints one clamped key that differs each time") {
  console first;
  console second;
  REQUIRE(generate_key(false, first.io()) == exit_fine);
  REQUIRE(generate_key(false, second.io()) == exit_fine);
  CHECK(first.out.str() != second.out.str());
  CHECK(first.err.str().empty());
  auto text = first.out.str();
  REQUIRE(text.size() == 45);
  REQUIRE(text.back() == '\n');
  text.pop_back();
  const auto key = from_base64(text);
  REQUIRE(key);
  private_key clamped{*key};
  clamp(clamped);
  CHECK(clamped == private_key{*key});
}

TEST_CASE("genpsk prints 32 random bytes") {
  console first;
  console second;
  REQUIRE(generate_preshared_key(false, first.io()) == exit_fine);
  REQUIRE(generate_preshared_key(false, second.io()) == exit_fine);
  CHECK(first.out.str() != second.out.str());
  auto text = first.out.str();
  REQUIRE(text.size() == 45);
  const auto key = from_base64(text.substr(0, 44));
  REQUIRE(key);
  CHECK_FALSE(key->is_zero());
}

TEST_CASE("keys that go to a public file are warned of") {
  for (auto* command : {generate_key, generate_preshared_key}) {
    console terminal;
    terminal.out_is_public = true;
    CHECK(command(false, terminal.io()) == exit_fine);
    CHECK_THAT(terminal.err.str(), Contains("umask 077"));
    CHECK(terminal.out.str().size() == 45);
  }
}

TEST_CASE("pubkey prints the public key of RFC 7748's example") {
  for (const auto* end : {"", "\n", " \r\n\n"}) {
    console terminal(std::string(alice_private) + end);
    CHECK(print_public_key(false, terminal.io()) == exit_fine);
    CHECK(terminal.out.str() == std::string(alice_public) + "\n");
    CHECK(terminal.err.str().empty());
  }
}

TEST_CASE("pubkey says what is wrong with its input") {
  const auto refuses = [](const std::string& input, const std::string& why) {
    console terminal(input);
    CHECK(print_public_key(false, terminal.io()) == exit_failure);
    CHECK(terminal.out.str().empty());
    CHECK_THAT(terminal.err.str(), Contains(why));
  };
  refuses("", "no private key on standard input");
  refuses("\n \n", "no private key on standard input");
  refuses("dwdtCnMYpX08", "44 characters of base64, but standard input has 12");
  refuses(std::string(alice_private) + "\n" + alice_private, "has 89");
  refuses(std::string(1 << 20, 'A'), "has 4096 or more");
  refuses("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LC!=", "A-Z");
  // A last character with bits that belong to no byte.
  refuses("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCp=", "A-Z");
}

TEST_CASE("pubkey never repeats what it was given") {
  console terminal("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LC!=");
  print_public_key(false, terminal.io());
  CHECK(terminal.err.str().find("dwdtCn") == std::string::npos);
}

TEST_CASE("import prints YAML that means the same, and warns of the rest") {
  const temporary_folder folder;
  const auto path = folder.write("wg7.conf", wg_conf);
  console terminal;
  REQUIRE(import_config(path, {}, terminal.io()) == exit_fine);
  CHECK_THAT(terminal.err.str(), Contains("warning: ") && Contains("PostUp"));
  const auto config = parse_yaml(terminal.out.str(), "imported.yaml");
  REQUIRE(config);
  CHECK(config->interface.name == "wg7");
  CHECK(to_string(derive_public_key(config->interface.private_key))
        == alice_public);
  REQUIRE(config->peers.size() == 1);
  CHECK(config->peers[0].allowed_ips.size() == 2);
}

TEST_CASE("import --strict makes nothing of a file that it leaves a part out") {
  const temporary_folder folder;
  const auto target = folder.path() + "/wg7.yaml";
  console terminal;
  CHECK(import_config(folder.write("wg7.conf", wg_conf), {target, true},
                      terminal.io())
        == exit_mistaken);
  CHECK_THAT(terminal.err.str(), Contains("PostUp"));
  CHECK_FALSE(std::filesystem::exists(target));
}

TEST_CASE("import to a file makes it for its owner only and never overwrites") {
  const temporary_folder folder;
  const auto path = folder.write("wg7.conf", wg_conf);
  const auto target = folder.path() + "/wg7.yaml";
  console terminal;
  terminal.out_is_public = true;
  REQUIRE(import_config(path, {target}, terminal.io()) == exit_fine);
  CHECK(terminal.out.str().empty());
  CHECK(terminal.err.str().find("umask") == std::string::npos);
  using std::filesystem::perms;
  CHECK(std::filesystem::status(target).permissions()
        == (perms::owner_read | perms::owner_write));
  const auto before = temporary_folder::read(target);
  CHECK(parse_yaml(before, target).has_value());

  console again;
  CHECK(import_config(path, {target}, again.io()) == exit_failure);
  CHECK_THAT(again.err.str(), Contains(target) && Contains("Remove it first"));
  CHECK(temporary_folder::read(target) == before);
}

TEST_CASE("import of a file that is not there or is wrong exits with 2") {
  const temporary_folder folder;
  console absent;
  CHECK(import_config(folder.path() + "/none.conf", {}, absent.io())
        == exit_mistaken);
  CHECK_THAT(absent.err.str(),
             Contains("none.conf") && Contains("No such file"));
  console directory;
  CHECK(import_config(folder.path(), {}, directory.io()) == exit_mistaken);
  CHECK_THAT(directory.err.str(), Contains("directory"));
  console wrong;
  const auto path
    = folder.write("wg7.conf", "[Interface]\nPrivateKey = short\n");
  CHECK(import_config(path, {}, wrong.io()) == exit_mistaken);
  CHECK_THAT(wrong.err.str(), Contains("wg7.conf:2"));
  CHECK(wrong.out.str().empty());
}

TEST_CASE("what is wrong with a file that is converted can be had as JSON") {
  const temporary_folder folder;
  const auto error_of = [](const console& terminal) {
    return nlohmann::json::parse(terminal.err.str()).at("error");
  };
  console absent;
  CHECK(import_config(folder.path() + "/none.conf",
                      import_options{{}, false, true}, absent.io())
        == exit_mistaken);
  CHECK(error_of(absent).at("code") == "ENOENT");
  console wrong;
  const auto path = folder.write("a.yaml", "interface: {mtu: many}\n");
  CHECK(export_config(path, true, wrong.io()) == exit_mistaken);
  std::string first;
  std::istringstream lines(wrong.err.str());
  std::getline(lines, first);
  CHECK(nlohmann::json::parse(first).at("error").at("code") == "EINVAL");
  console ignoring;
  CHECK(import_config(folder.write("wg7.conf", wg_conf),
                      import_options{{}, false, true}, ignoring.io())
        == exit_fine);
  CHECK_THAT(nlohmann::json::parse(ignoring.err.str())
               .at("warning")
               .at("message")
               .get<std::string>(),
             Contains("PostUp"));
}

TEST_CASE("export prints what import reads") {
  const temporary_folder folder;
  const auto source = folder.write("wg7.conf", wg_conf);
  const auto yaml = folder.path() + "/wg7.yaml";
  console ignored;
  REQUIRE(import_config(source, {yaml}, ignored.io()) == exit_fine);
  console exported;
  exported.out_is_public = true;
  REQUIRE(export_config(yaml, false, exported.io()) == exit_fine);
  CHECK_THAT(exported.err.str(), Contains("umask 077"));

  const auto back = folder.path() + "/back";
  std::filesystem::create_directory(back);
  const auto again = folder.write("back/wg7.conf", exported.out.str());
  console imported;
  REQUIRE(import_config(again, {}, imported.io()) == exit_fine);
  CHECK(imported.err.str().empty());
  const auto first = temporary_folder::read(yaml);
  CHECK_THAT(first, StartsWith(imported.out.str()));
  CHECK_THAT(first, EndsWith("\n#   PostUp = echo up\n"));
}

TEST_CASE("a secret file that cannot be written completely is removed") {
  // A full device is not at hand in every test run; a folder that is not there
  // is, and nothing may appear in its place.
  const temporary_folder folder;
  const auto written
    = write_secret_file(folder.path() + "/absent/file", "secret");
  REQUIRE_FALSE(written);
  CHECK_THAT(written.error().message, Contains("absent/file"));
  CHECK_FALSE(std::filesystem::exists(folder.path() + "/absent"));
}
