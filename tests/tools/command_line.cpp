// What is typed, from arguments to answers, also to a node behind its gateway.

#include "tools/weft/command_line.hpp"

#include "actors/control/server/gateway.hpp"
#include "console.hpp"
#include "example_device.hpp"
#include "example_overlay.hpp"
#include "temporary_folder.hpp"
#include "tests/catch.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/logger.h>

#include <thread>

using namespace weft;
using Catch::Contains;
using nlohmann::json;

namespace {

struct printed {
  int code = 0;
  std::string out;
  std::string err;
};

printed run(std::vector<std::string> words) {
  words.insert(words.begin(), "weft");
  std::vector<const char*> argv;
  for (const auto& word : words)
    argv.push_back(word.c_str());
  console terminal;
  command_line line;
  const auto code
    = line.run(static_cast<int>(argv.size()), argv.data(), terminal.io());
  return {code, terminal.out.str(), terminal.err.str()};
}

/// A node whose control socket is in a folder.
struct served_node : example_node {
  temporary_folder folder;
  gateway_actor gateway;

  served_node() {
    script->status = example_device();
    gateway_options options;
    options.interface = "weft0";
    options.socket_path = folder.path() + "/weft0.sock";
    options.log = std::make_shared<spdlog::logger>("nobody reads this");
    auto started = start_gateway(system(), overlay, std::move(options));
    REQUIRE(started);
    gateway = std::move(*started);
  }
  ~served_node() {
    caf::anon_send(gateway, shut_down{});
    gateway = nullptr;
  }

  printed run_here(std::vector<std::string> words) const {
    words.emplace_back("--socket-folder");
    words.push_back(folder.path());
    return run(std::move(words));
  }
};

const auto key = to_string(example_key(0x44));

} // namespace

TEST_CASE("help lists the commands and the exit codes") {
  const auto help = run({"--help"});
  CHECK(help.code == exit_fine);
  for (const auto* word :
       {"genkey", "status", "peers", "watch", "top", "peer", "allow", "apply",
        "reload", "log-level", "offloads", "upgrade", "shutdown", "context",
        "pki", "3 cannot connect", "4 not allowed", "5 no such"})
    CHECK_THAT(help.out, Contains(word));
  CHECK(help.err.empty());
  CHECK(run({"--version"}).out == "weft " WEFT_VERSION "\n");
  CHECK(run({"-V"}).out == "weft " WEFT_VERSION "\n");
  CHECK(run({"peer", "add", "-V"}).out == "weft " WEFT_VERSION "\n");
}

TEST_CASE("help says of a command what its own option does") {
  CHECK(run({"help"}).out == run({"--help"}).out);
  CHECK(run({"help", "peer", "add"}).out == run({"peer", "add", "--help"}).out);
  CHECK(run({"help", "pki"}).out == run({"pki", "--help"}).out);
  CHECK(run({"help", "pier"}).code == exit_mistaken);
  CHECK(run({"help", "pier"}).err
        == "weft: there is no command 'pier'; did you mean 'weft peer'?\n");
  CHECK(run({"hlep"}).err
        == "weft: there is no command 'hlep'; did you mean 'weft help'?\n");
}

TEST_CASE("every command that steers a node says how to get there") {
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"status"},
                                             {"peers"},
                                             {"watch"},
                                             {"top"},
                                             {"peer", "add"},
                                             {"peer", "set"},
                                             {"peer", "remove"},
                                             {"allow", "add"},
                                             {"allow", "remove"},
                                             {"peer", "reset"},
                                             {"apply"},
                                             {"confirm"},
                                             {"reload"},
                                             {"save"},
                                             {"export"},
                                             {"log-level"},
                                             {"offloads"},
                                             {"upgrade"},
                                             {"shutdown"}}) {
    auto asked = words;
    asked.emplace_back("--help");
    const auto help = run(asked);
    CHECK(help.code == exit_fine);
    for (const auto* option :
         {"-i,--interface", "--socket-folder", "--at", "--certificate", "--key",
          "--ca", "--revocations", "--server-name", "--context", "--timeout",
          "--json"})
      CHECK_THAT(help.out, Contains(option));
  }
}

TEST_CASE("wrong usage exits with 2, as JSON if that was asked for") {
  CHECK(run({"pear"}).code == exit_mistaken);
  CHECK(run({"pear"}).err
        == "weft: there is no command 'pear'; did you mean 'weft peer'?\n");
  CHECK(run({"p\x1B[2J"}).err.find('\x1B') == std::string::npos);
  CHECK(run({"peer"}).code == exit_mistaken);
  CHECK(run({"peers", "--loud"}).code == exit_mistaken);
  CHECK(run({"watch", "--count", "none"}).code == exit_mistaken);
  CHECK(run({"top", "--interval", "0"}).code == exit_mistaken);
  const auto wrong = run({"peers", "--loud", "--json"});
  CHECK(wrong.code == exit_mistaken);
  CHECK(json::parse(wrong.err).at("error").at("code") == "EINVAL");
  CHECK_THAT(
    json::parse(wrong.err).at("error").at("message").get<std::string>(),
    Contains("--loud"));
}

TEST_CASE("a wrong word is answered with what may have been meant") {
  const auto says
    = [](const std::vector<std::string>& words, const std::string& text) {
        const auto wrong = run(words);
        CHECK(wrong.code == exit_mistaken);
        CHECK(wrong.out.empty());
        CHECK(wrong.err == "weft: " + text + "\n");
      };
  says({"statsu"}, "there is no command 'statsu'; did you mean 'weft status'?");
  says({"peer", "delete", "n1"}, "there is no command 'delete' of 'weft peer'; "
                                 "did you mean 'weft peer remove'?");
  says({"allow", "rm"}, "there is no command 'rm' of 'weft allow'; did you "
                        "mean 'weft allow remove'?");
  says({"peer", "list"}, "there is no command 'list' of 'weft peer'; did you "
                         "mean 'weft peers'?");
  says({"stop"}, "there is no command 'stop'; did you mean 'weft shutdown'?");
  const auto means = [&](const std::string& word, const std::string& command) {
    says({word}, "there is no command '" + word + "'; did you mean 'weft "
                   + command + "'?");
  };
  means("delete", "peer remove");
  means("rm", "peer remove");
  means("ls", "peers");
  means("create", "peer add");
  means("show", "status");
  says({"pki", "create"}, "there is no command 'create' of 'weft pki'; did you "
                          "mean 'weft pki issue'?");
  says({"context", "show"}, "there is no command 'show' of 'weft context'; did "
                            "you mean 'weft context list'?");
  says({"zzzzzzzzz"},
       "there is no command 'zzzzzzzzz'; weft --help lists them");
  says({"-v"}, "there is no option '-v' of 'weft'; did you mean '--version'?");
  says({"peer", "set", "b", "--allowed-ipz", "10.0.0.0/8"},
       "there is no option '--allowed-ipz' of 'weft peer set'; did you mean "
       "'--allowed-ip'?");
  says({"peer", "add", key, "--preshared-key", "x"},
       "there is no option '--preshared-key' of 'weft peer add'; did you mean "
       "'--preshared-key-file'?");
  says({"reload", "-x"}, "there is no option '-x' of 'weft reload'; 'weft "
                         "reload --help' lists them");
}

TEST_CASE("what is missing or too much is said with the command's usage") {
  const auto says
    = [](const std::vector<std::string>& words, const std::string& text) {
        const auto wrong = run(words);
        CHECK(wrong.code == exit_mistaken);
        CHECK(wrong.err == "weft: " + text + "\n");
      };
  says({}, "a command is missing: weft --help lists them");
  says({"peer"},
       "a command is missing: weft peer add, set, remove or reset is expected");
  says({"peer", "remove"}, "PEER is missing: weft peer remove PEER");
  says({"allow", "add", "beta"},
       "PREFIX is missing: weft allow add PEER PREFIX...");
  says({"status", "a", "b"},
       "there are more arguments than 'weft status' takes: weft status [NAME]");
  says({"genkey", "a"},
       "there are more arguments than 'weft genkey' takes: weft genkey");
  says({"top", "--interval"},
       "--interval needs a value; 'weft top --help' says which");
  says({"top", "--interval", "abc"},
       "--interval: 'abc' cannot be used; a number of seconds from 0.1 to 3600 "
       "is expected");
  says({"watch", "--count", "1.5"},
       "--count: '1.5' cannot be used; a number of events from 1 to 1000000000 "
       "is expected");
  says({"pki", "issue", "a", "--days", "0"},
       "--days: '0' cannot be used; a number of days from 1 to 3650 is "
       "expected");
  says({"peers", "wg0", "-i", "wg1"},
       "--interface: there are two interfaces, 'wg1' and 'wg0'; one is "
       "expected");
  CHECK(json::parse(run({"top", "--interval", "x", "--json"}).err)
          .at("error")
          .at("code")
        == "EINVAL");
}

TEST_CASE("keys are printed as JSON if that is asked for") {
  const auto made = run({"genkey", "--json"});
  CHECK(json::parse(made.out).at("private_key").get<std::string>().size()
        == 44);
  CHECK(json::parse(run({"genpsk", "--json"}).out).contains("preshared_key"));
  const auto wrong = run({"pubkey", "--json"});
  CHECK(wrong.code == exit_failure);
  CHECK(json::parse(wrong.err).at("error").at("code") == "EINVAL");
}

TEST_CASE("a socket that is not there exits with 3 and says what to do") {
  const temporary_folder folder;
  const auto gone
    = run({"peers", "-i", "wg0", "--socket-folder", folder.path()});
  CHECK(gone.code == exit_unreachable);
  CHECK_THAT(gone.err, Contains(folder.path() + "/wg0.sock")
                         && Contains("is weftd running?")
                         && Contains("systemctl status weft@wg0"));
  const auto watched
    = run({"watch", "-i", "wg0", "--socket-folder", folder.path(), "--json"});
  CHECK(watched.code == exit_unreachable);
  CHECK(json::parse(watched.err).at("error").at("code") == "ENOTCONN");
}

TEST_CASE("a file of TLS that is not there exits with 2") {
  const temporary_folder folder;
  const auto absent = folder.path() + "/absent.pem";
  const auto wrong = run({"peers", "--at", "127.0.0.1:1", "--certificate",
                          absent, "--key", absent, "--ca", absent});
  CHECK(wrong.code == exit_mistaken);
  CHECK_THAT(wrong.err, Contains(absent));
}

TEST_CASE("commands reach a node through its gateway") {
  const served_node node;
  const auto peers = node.run_here({"peers"});
  CHECK(peers.code == exit_fine);
  CHECK_THAT(peers.out, Contains("beta ") && Contains("192.0.2.7:51820"));
  CHECK(peers.err.empty());

  const auto status = node.run_here({"status", "weft0", "-v"});
  CHECK(status.code == exit_fine);
  CHECK_THAT(status.out, Contains("sent 4000 packets"));

  const auto top = node.run_here({"top", "--once", "--interval", "0.1"});
  CHECK(top.code == exit_fine);
  CHECK_THAT(top.out, Contains("weft0: 2 peers"));

  node.script->changes.peers_changed = 1;
  const auto set
    = node.run_here({"peer", "set", "beta", "--endpoint", "192.0.2.9:1",
                     "--allowed-ip", "10.0.0.0/8", "--allowed-ip", "fd00::/8",
                     "--keepalive", "25", "--name", "b", "--json"});
  CHECK(set.code == exit_fine);
  CHECK(json::parse(set.out).at("peers_changed") == 1);
  const auto update = node.script->all<update_peer>().at(0).update;
  CHECK(update.public_key == example_key(0x22));
  CHECK(update.allowed_ips.size() == 2);
  CHECK(*update.find(&peer_config::name) == "b");

  CHECK(node.run_here({"peer", "add", key}).code == exit_fine);
  CHECK(node.run_here({"peer", "remove", key}).code == exit_fine);
  CHECK(
    node.run_here({"allow", "add", "beta", "10.1.0.0/16", "10.2.0.0/16"}).code
    == exit_fine);
  CHECK(node.script->all<update_peer>().size() == 2);
  CHECK(node.run_here({"allow", "remove", "beta", "10.1.0.0/16"}).code
        == exit_fine);
  CHECK(node.run_here({"reload"}).code == exit_fine);
  CHECK(node.run_here({"log-level", "warn"}).code == exit_fine);
  CHECK(node.run_here({"shutdown"}).code == exit_fine);
  CHECK(node.script->all<shut_down>().size() == 1);

  CHECK(node.run_here({"peer", "remove", "nobody"}).code == exit_no_peer);
}

TEST_CASE("options stand where one likes, and are called as in the file") {
  const served_node node;
  const std::vector<std::string> place{"--socket-folder", node.folder.path()};
  const auto early = [&](std::vector<std::string> words) {
    words.insert(words.begin(), place.begin(), place.end());
    return run(words);
  };
  CHECK(early({"--json", "peers"}).out.front() == '[');
  CHECK(early({"-v", "status", "weft0"}).out.find("sent 4000")
        != std::string::npos);
  CHECK(early({"peer", "--timeout=5", "remove", "beta"}).code == exit_fine);
  CHECK(early({"-iweft0", "peers"}).code == exit_fine);
  CHECK(early({"status", "-vi", "weft0"}).code == exit_fine);
  CHECK(early({"peers", "weft0", "-i", "weft0"}).code == exit_fine);
  CHECK(early({"status", "-i", "weft0"}).code == exit_fine);
  CHECK(early({"--count", "1", "peers"}).code == exit_mistaken);
  CHECK(run({"--help", "peers"}).out == run({"peers", "--help"}).out);

  CHECK(early({"peer", "set", "beta", "--allowed-ips", "10.0.0.0/8",
               "--persistent_keepalive=25s"})
          .code
        == exit_fine);
  const auto update = node.script->all<update_peer>().at(0).update;
  CHECK(update.allowed_ips.size() == 1);
  CHECK(*update.find(&peer_config::persistent_keepalive)
        == std::chrono::seconds{25});
  // Behind two dashes there are arguments only.
  CHECK(early({"peer", "remove", "--", "--json"}).code == exit_no_peer);
}

TEST_CASE("apply sends a file's keys to the node and prints none of them") {
  const served_node node;
  const auto secret = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=";
  const auto path = node.folder.write(
    "weft0.yaml",
    "interface:\n  name: weft0\n  private_key: " + std::string{secret} + '\n');
  const auto applied = node.run_here({"apply", path});
  CHECK(applied.code == exit_fine);
  CHECK(applied.out == "nothing to change\n");
  CHECK((applied.out + applied.err).find(secret) == std::string::npos);
  const auto sent = node.script->all<apply_config>().at(0).config;
  CHECK(to_base64(sent.interface.private_key.bytes())
        != to_base64(private_key{}.bytes()));
}

TEST_CASE("what needs another command or another place is said at once") {
  const served_node node;
  const auto path
    = node.folder.write("weft0.yaml",
                        "interface: {private_key: "
                        "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=}\n");
  const auto mistaken = [&](std::vector<std::string> words) {
    const auto told = node.run_here(std::move(words));
    CHECK(told.code == exit_mistaken);
    return told.err;
  };
  CHECK_THAT(mistaken({"apply", path, "--confirm", "off"}),
             Contains("1s to 1h"));
  CHECK_THAT(mistaken({"apply", path, "--confirm", "9s", "--save"}),
             Contains("on trial cannot be saved"));
  CHECK_THAT(mistaken({"export"}), Contains("--running"));
  CHECK_THAT(mistaken({"export", path, "--running"}), Contains("--running"));
  CHECK_THAT(mistaken({"export", path, "--keys"}),
             Contains("--keys") && Contains("--running"));
  CHECK(node.script->requests.empty());
  CHECK_THAT(run({"peer", "remove", key, "--save", "--at", "gw.example:7",
                  "--certificate", "c", "--key", "k", "--ca", "a"})
               .err,
             Contains("on its own host"));
}

TEST_CASE("watch prints the events of a node behind its gateway") {
  served_node node;
  std::thread publishing([&] {
    while (node.script->all<subscribe>().empty())
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    overlay_event event;
    event.kind = event_kind::peer_up;
    event.when = example_now;
    event.peer_name = "evil\x1B[2J";
    event.peer = example_key(0x22);
    caf::anon_send(node.script->all<subscribe>().at(0).subscriber,
                   event_batch{0, {event}});
  });
  const auto watched = node.run_here({"watch", "--count", "1"});
  publishing.join();
  CHECK(watched.code == exit_fine);
  CHECK(watched.out
        == "2023-11-14T22:13:20.000Z  peer_up              evil?[2J\n");
}
