// Networks on the command line: what is refused before anything is made, what
// is made, and what lies on the disk then.
#include "tools/weft/commands/network_commands.hpp"

#include "actors/overlay/config_files.hpp"
#include "config/validate.hpp"
#include "console.hpp"
#include "platform/clock.hpp"
#include "platform/random.hpp"
#include "platform/store/sqlite_store.hpp"
#include "temporary_folder.hpp"
#include "tests/catch.hpp"
#include "tests/on_disk.hpp"
#include "tools/issuer/issuer_service.hpp"
#include "tools/weft/network/exchange_files.hpp"
#include "tools/weft/network/network_text.hpp"
#include "tools/weft/network/new_node.hpp"
#include "tools/weft/network/node_place.hpp"
#include "tools/weft/network/service.hpp"

#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

namespace fs = std::filesystem;
using json = nlohmann::json;

/// A host's files, and what the last command printed.
struct host {
  temporary_folder place;
  network_options options;
  std::string out;
  std::string err;

  host() {
    options.place.config = place.path() + "/etc/prod.yaml";
    options.place.state = place.path() + "/state";
    options.no_start = true;
    options.allow_overlap = true; // whatever the machine has
    options.json = true;
    options.name = "alpha";
    options.text = "prod";
    options.ranges = {"10.200.0.0/16", "fd00:200::/48"};
    options.endpoints = {"192.0.2.1:51820"};
  }
  int run(int (*command)(const network_options&, const streams&)) {
    console with;
    const int code = command(options, with.io());
    out = with.out.str();
    err = with.err.str();
    return code;
  }
  std::string in_state(const std::string& path) const {
    return place.path() + "/state/prod/" + path;
  }
  bool has_nothing() const {
    return !fs::exists(place.path() + "/etc")
           && !fs::exists(place.path() + "/state/prod/network")
           && !fs::exists(place.path() + "/state/prod/issuer");
  }
};

/// What init, join and import make is root's.
bool is_root() {
  if (::geteuid() == 0)
    return true;
  WARN("skipped: it takes root");
  return false;
}

} // namespace

TEST_CASE("init makes an authority, a directory and its first member") {
  if (!is_root())
    return;
  host alpha;
  const auto code = alpha.run(init_network);
  INFO(alpha.err);
  REQUIRE(code == exit_fine);
  const auto said = json::parse(alpha.out);
  CHECK(said["name"] == "alpha");
  CHECK(said["network"] == "prod");
  CHECK(said["started"] == false);
  CHECK(said["directory"] == "192.0.2.1:51821");
  CHECK(said["addresses"].size() == 2);

  const auto config = load_yaml(alpha.options.place.config);
  if (!config)
    FAIL(to_string(config.error().front()));
  CHECK_FALSE(validate(*config));
  CHECK(config->interface.name == "prod");
  CHECK(config->interface.listen.port == 51820);
  CHECK(config->network.name == "prod");
  CHECK(config->network.directories
        == std::vector<directory_address>{{"192.0.2.1", 51821}});
  CHECK(config->network.endpoints
        == std::vector<endpoint>{*parse_endpoint("192.0.2.1:51820")});
  CHECK(config->directory.listen->port == 51821);
  CHECK(config->directory.issuer == alpha.in_state("issuer"));
  for (const auto& each : config->interface.addresses)
    CHECK(each.length == each.address.bits());

  CHECK(mode_of(alpha.in_state("network")) == 0700);
  CHECK(mode_of(alpha.in_state("issuer")) == 0700);
  for (const auto* key : {"network/member.key", "network/wireguard.key",
                          "network/directory.key", "network/secrets"})
    CHECK(mode_of(alpha.in_state(key)) == 0600);
}

TEST_CASE("init takes ranges that are free when it is told none") {
  if (!is_root())
    return;
  host alpha;
  alpha.options.ranges.clear();
  alpha.options.allow_overlap = false;
  const auto code = alpha.run(init_network);
  INFO(alpha.err);
  REQUIRE(code == exit_fine);
  const auto said = json::parse(alpha.out);
  REQUIRE(said["ranges"].size() == 2);
  CHECK_THAT(said["ranges"][0].get<std::string>(), Contains(".0.0/16"));
  CHECK_THAT(said["ranges"][1].get<std::string>(), Contains("::/48"));
  CHECK(said["addresses"].size() == 2);
}

TEST_CASE("A member makes a directory's key once, which stays where it is") {
  if (!is_root())
    return;
  host alpha;
  REQUIRE(alpha.run(init_network) == exit_fine);
  const auto file = alpha.in_state("network/directory.key");
  REQUIRE(fs::remove(file)); // as on a member that is none yet
  alpha.options.text.clear();
  REQUIRE(alpha.run(make_directory_of_member) == exit_fine);
  const auto said = json::parse(alpha.out);
  CHECK(said["name"] == "alpha");
  CHECK(said["key"].get<std::string>().size() == 64);
  CHECK(said["key_file"] == file);
  CHECK(mode_of(file) == 0600);
  REQUIRE(alpha.run(make_directory_of_member) == exit_fine);
  CHECK(json::parse(alpha.out) == said);
  alpha.options.json = false;
  REQUIRE(alpha.run(make_directory_of_member) == exit_fine);
  CHECK_THAT(alpha.out, Contains("weft network directory alpha "
                                 + said["key"].get<std::string>())
                          && Contains("  key: \"" + file + "\"\n"));

  alpha.options.text = "alpha";
  CHECK(alpha.run(make_directory_of_member) == exit_mistaken);
  CHECK_THAT(alpha.err, Contains("together"));
  alpha.options.key = "beef";
  CHECK(alpha.run(make_directory_of_member) == exit_mistaken);
  CHECK_THAT(alpha.err, Contains("64 digits"));
}

TEST_CASE("Where an issuer has a user of its own, all that init makes of the "
          "issuer's is that one's, and of the node's is root's") {
  if (!is_root())
    return;
  host alpha;
  constexpr uid_t somebody = 12345;
  fs::create_directories(alpha.in_state(""));
  for (const auto& each :
       {alpha.place.path(), alpha.place.path() + "/state", alpha.in_state("")})
    REQUIRE(::chmod(each.c_str(), 0755) == 0);
  REQUIRE(::chown(alpha.in_state("").c_str(), somebody, somebody) == 0);
  const auto code = alpha.run(init_network);
  INFO(alpha.err);
  REQUIRE(code == exit_fine);
  CHECK(::geteuid() == 0);
  const auto owner_of
    = [](const fs::path& path) { return info_of(path).st_uid; };
  std::size_t files = 0;
  for (const auto& each :
       fs::recursive_directory_iterator{alpha.in_state("issuer")}) {
    INFO(each.path());
    CHECK(owner_of(each.path()) == somebody);
    ++files;
  }
  CHECK(files > 5);
  for (const auto& each :
       fs::recursive_directory_iterator{alpha.in_state("network")})
    CHECK(owner_of(each.path()) == 0);
}

TEST_CASE("An issuer lies with its unit's user where a unit runs it, and "
          "elsewhere with the node") {
  const auto usual = place_of({}, "prod");
  REQUIRE(usual);
  CHECK(usual->issuer
        == (systemd_is_there() ? "/var/lib/weft-issuer/prod"
                               : "/var/lib/weft/prod/issuer"));
  const auto other = place_of({"", "/data/prod.yaml", ""}, "prod");
  REQUIRE(other);
  CHECK(other->issuer == "/var/lib/weft/prod/issuer");
}

TEST_CASE("A second init leaves alone what is there") {
  if (!is_root())
    return;
  host alpha;
  REQUIRE(alpha.run(init_network) == exit_fine);
  const auto before = temporary_folder::read(alpha.options.place.config);
  CHECK(alpha.run(init_network) == exit_mistaken);
  CHECK_THAT(alpha.err, Contains("is there already"));
  CHECK(temporary_folder::read(alpha.options.place.config) == before);
}

TEST_CASE("What cannot be a network is refused, and nothing is made") {
  if (!is_root())
    return;
  const auto refused = [](auto change, const std::string& why) {
    host alpha;
    change(alpha.options);
    CHECK(alpha.run(init_network) == exit_mistaken);
    CHECK_THAT(alpha.err, Contains(why));
    CHECK(alpha.has_nothing());
  };
  refused([](auto& options) { options.text = "Prod"; }, "no name of a network");
  refused([](auto& options) { options.text = std::string(20, 'x'); },
          "--interface NAME");
  refused([](auto& options) { options.ranges = {"10.200.0.1/16"}; },
          "is no range");
  refused([](auto& options) { options.ranges = {"127.0.0.0/8"}; }, "range");
  refused([](auto& options) { options.endpoints.clear(); },
          "there is no endpoint");
  refused([](auto& options) { options.endpoints = {"127.0.0.1:51820"}; },
          "nobody else could send to");
  refused([](auto& options) { options.name = "Al pha"; },
          "no name of a member");
  refused([](auto& options) { options.directory = "alpha"; },
          "no address of a directory");
}

TEST_CASE("What fails half-way takes away what it has made") {
  if (!is_root())
    return;
  host alpha;
  // Its folder cannot be made, as there is a file of that name.
  alpha.options.place.config = alpha.place.write("file", "") + "/etc/prod.yaml";
  CHECK(alpha.run(init_network) != exit_fine);
  CHECK(alpha.has_nothing());
}

TEST_CASE("A node's keys are made once") {
  const temporary_folder place;
  const node_folder folder{place.path() + "/network"};
  system_random random;
  const auto token = draw_signing_seed(random);
  const auto first = keep_keys(folder, token);
  const auto again = keep_keys(folder, token);
  REQUIRE((first && again));
  CHECK(derive_verifying_key(first->certificate)
        == derive_verifying_key(again->certificate));
  CHECK(derive_public_key(first->wireguard)
        == derive_public_key(again->wireguard));
  place.write("network/member.key", "no key\n");
  const auto spoilt = keep_keys(folder, token);
  REQUIRE_FALSE(spoilt);
  CHECK_THAT(spoilt.error().message, Contains("holds no key"));
}

TEST_CASE("A request and its answer come back from their files") {
  const temporary_folder place;
  system_random random;
  const auto keys
    = keep_keys({place.path() + "/network"}, draw_signing_seed(random));
  REQUIRE(keys);
  const auto asked = offline_admission(*keys, network_id::draw(random), "beta");
  REQUIRE(asked);
  const auto request = read_request(format_request(asked->request));
  REQUIRE(request);
  CHECK(request->request == asked->request.request);
  CHECK(request->proof == asked->request.proof);
  CHECK(check_signatures(*request, offline_exporter()));

  join_admission admission;
  admission.certificates = {{std::byte{1}}, {std::byte{2}, std::byte{3}}};
  const auto answer
    = read_answer(format_answer({{std::byte{9}}, admission, {{"alpha", 1}}}));
  REQUIRE(answer);
  CHECK(answer->root == byte_vector{std::byte{9}});
  CHECK(answer->admission == admission);
  CHECK(answer->directories == std::vector<directory_address>{{"alpha", 1}});

  constexpr auto mistaken_answer
    = R"({"kind": "weft answer 1", "root": "AA==", "answer": "====",)"
      R"( "directories": 7})";
  for (const auto* text :
       {"", "{}", "[1]", R"({"kind": "weft request 1"})",
        R"({"kind": "weft request 1", "request": "a"})", mistaken_answer}) {
    INFO(text);
    CHECK_FALSE(read_request(text));
    CHECK_FALSE(read_answer(text));
  }
}

TEST_CASE("A mistyped token makes nothing") {
  if (!is_root())
    return;
  host beta;
  beta.options.text = "weft1-AAAA";
  CHECK(beta.run(join_network) == exit_mistaken);
  CHECK(beta.has_nothing());
  CHECK_THAT(beta.err, !Contains("AAAA"));
}

TEST_CASE("Commands of a network need a node that is in one") {
  host alpha;
  alpha.options.place.config
    = alpha.place.write("a.yaml", "interface: {name: a}\n");
  for (auto* command : {invite_members, list_tokens, list_members, show_network,
                        renew_membership, leave_network_here}) {
    CHECK(alpha.run(command) == exit_mistaken);
    CHECK(json::parse(alpha.err)["error"]["message"].is_string());
  }
}

TEST_CASE("A directory's backup is put in the place of its lost store, and "
          "only there") {
  if (!is_root())
    return;
  host alpha;
  REQUIRE(alpha.run(init_network) == exit_fine);
  const auto folder = alpha.in_state("directory");
  const auto backup = alpha.place.path() + "/backup.db";
  const host_clock clock;
  system_random random;
  {
    auto store
      = sqlite_store::open({folder, "alpha", "store.db"}, clock, random);
    REQUIRE(store);
    REQUIRE((*store)->back_up(backup));
    alpha.options.store = backup;
    CHECK(alpha.run(recover_network) == exit_failure); // it runs
    CHECK_THAT(alpha.err, Contains("stop it"));
  }
  CHECK(alpha.run(recover_network) == exit_failure); // it is not lost
  CHECK_THAT(alpha.err, Contains("Move that one away before"));
  REQUIRE(fs::remove(folder + "/store.db"));
  const auto code = alpha.run(recover_network);
  INFO(alpha.err);
  REQUIRE(code == exit_fine);
  CHECK(json::parse(alpha.out)["store"] == folder + "/store.db");
  CHECK(sqlite_store::open({folder, "alpha", "store.db"}, clock, random));
}

TEST_CASE("The status says that an issuer waits for `recover`") {
  network_view view;
  view.issuer.emplace();
  view.issuer->recovering = true;
  console text;
  print_network(view, false, text.io());
  CHECK_THAT(text.out.str(), Contains("restored from a backup")
                               && Contains("'weft network recover'"));
  console asked;
  print_network(view, true, asked.io());
  CHECK(json::parse(asked.out.str())["issuer"]["recovering"] == true);
  view.issuer->recovering = false;
  console later;
  print_network(view, false, later.io());
  CHECK_THAT(later.out.str(), !Contains("restored"));
}
