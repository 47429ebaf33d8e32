#include "tools/weft/host/host_helper.hpp"

#include "tests/catch.hpp"
#include "tests/tools/temporary_folder.hpp"
#include "tools/weft/host/dns_calls.hpp"
#include "tools/weft/host/host_note.hpp"

using namespace weft;

namespace {

using words = std::vector<std::string>;

std::vector<words> words_of(const std::vector<program_call>& calls) {
  std::vector<words> all;
  for (const auto& call : calls)
    all.push_back(call.words);
  return all;
}

const dns_manager resolved{
  dns_manager::kind::resolved, "/usr/bin/resolvectl", {}};
const dns_manager resolvconf{dns_manager::kind::resolvconf, "/sbin/resolvconf",
                             "tun."};

} // namespace

TEST_CASE("Every name is asked for there unless domains say which are") {
  const words servers{"10.64.0.1", "fd00::1"};
  CHECK(wish_for({"10.64.0.1", "a.example", "fd00::1"}, false).servers
        == servers);
  CHECK(wish_for({"10.64.0.1", "a.example"}, false).domains
        == words{"a.example"});
  CHECK(wish_for({"10.64.0.1"}, false).everything);
  CHECK_FALSE(wish_for({"10.64.0.1", "a.example"}, false).everything);
  CHECK(wish_for({"10.64.0.1", "a.example"}, true).everything);
  CHECK_FALSE(wish_for({"a.example"}, true).everything);
}

TEST_CASE("systemd-resolved is told what the link's servers are for") {
  CHECK(words_of(calls_to_set(resolved, "weft0",
                              wish_for({"10.64.0.1", "a.example"}, true)))
        == std::vector<words>{
          {resolved.program, "dns", "weft0", "10.64.0.1"},
          {resolved.program, "domain", "weft0", "a.example", "~."},
          {resolved.program, "default-route", "weft0", "yes"}});
  CHECK(
    words_of(calls_to_set(resolved, "weft0",
                          wish_for({"10.64.0.1", "a.example"}, false)))
    == std::vector<words>{{resolved.program, "dns", "weft0", "10.64.0.1"},
                          {resolved.program, "domain", "weft0", "a.example"},
                          {resolved.program, "default-route", "weft0", "no"}});
  CHECK(call_to_undo(resolved, "weft0").words
        == words{resolved.program, "revert", "weft0"});
}

TEST_CASE("resolvconf is given a piece of a resolv.conf") {
  const auto calls = calls_to_set(resolvconf, "weft0",
                                  wish_for({"10.64.0.1", "a.example"}, true));
  CHECK(words_of(calls)
        == std::vector<words>{
          {resolvconf.program, "-a", "tun.weft0", "-m", "0", "-x"}});
  CHECK(calls.front().input == "nameserver 10.64.0.1\nsearch a.example\n");
  CHECK(calls_to_set(resolvconf, "weft0",
                     wish_for({"10.64.0.1", "a.example"}, false))
          .front()
          .words.back()
        == "0");
  CHECK(call_to_undo(resolvconf, "weft0").words
        == words{resolvconf.program, "-d", "tun.weft0", "-f"});
}

TEST_CASE("A note is read as it was written, and no other text") {
  host_note note;
  note.interface = "weft0";
  note.config = "/etc/weft/a \"b\".yaml";
  note.network = 4'026'531'840;
  note.link = 12;
  note.asked = "4\nfile";
  note.mark = 77;
  note.marked = {"eth0", "wlan0"};
  note.accepts_marks = true;
  note.dns = resolvconf;
  note.commands = {"/bin/echo 'a'"};
  const auto read = parse_note(format_note(note));
  REQUIRE(read);
  CHECK(format_note(*read) == format_note(note));
  CHECK(read->network == note.network);
  CHECK(read->link == note.link);
  CHECK(read->asked == note.asked);
  CHECK(read->marked == note.marked);
  CHECK(read->accepts_marks);
  CHECK(read->dns.what == note.dns.what);
  CHECK(parse_note(format_note({}))->dns.what == dns_manager::kind::none);
  for (const auto* text : {"", "{}", "[]", R"({"interface": 1})", "{\"a\": "})
    CHECK_FALSE(parse_note(text));
}

TEST_CASE(
  "Commands of a node that goes on are run once, and again after down") {
  const temporary_folder folder;
  const auto ran = folder.write("ran", "");
  node_config config;
  config.interface.name = "lo"; // one that is there
  config.interface.on_up = {"/bin/sh -c 'echo $WEFT_EVENT >> " + ran + "'"};
  std::vector<std::string> told;
  host_helper helper{folder.path() + "/notes",
                     [&](const std::string& what) { told.push_back(what); }};
  const auto up = [&] {
    helper.up("a", config, {"/etc/weft/a.yaml", {}}, [] { return 0U; });
    return temporary_folder::read(ran);
  };
  CHECK(up() == "up\n");
  CHECK(up() == "up\n"); // on_up alone leaves nothing else to be noted
  helper.down("a");
  CHECK(up() == "up\nup\n");
  config.interface.on_down = config.interface.on_up;
  CHECK(up() == "up\nup\nup\n"); // another file
  CHECK(up() == "up\nup\nup\n");
  helper.down("a");
  CHECK(temporary_folder::read(ran) == "up\nup\nup\ndown\n");
  CHECK(told.empty());
}

TEST_CASE("To renew runs no command, and a file that has changed meanwhile is "
          "left to the next start") {
  const temporary_folder folder;
  const auto ran = folder.write("ran", "");
  node_config config;
  config.interface.name = "lo";
  const auto say = [&](const std::string& word) {
    return "/bin/sh -c 'echo " + word + " >> " + ran + "'";
  };
  config.interface.on_up = {say("up")};
  config.interface.on_down = {say("down")};
  host_helper helper{folder.path() + "/notes",
                     [](const std::string& what) { FAIL_CHECK(what); }};
  const node_file file{"/etc/weft/a.yaml", {}};
  const auto up = [&] { helper.up("a", config, file, [] { return 0U; }); };
  helper.renew("a", config, file); // before up() has run them
  CHECK(temporary_folder::read(ran).empty());
  up();
  helper.renew("a", config, file);
  up();
  CHECK(temporary_folder::read(ran) == "up\n");
  config.interface.on_up = {say("new")};
  config.interface.on_down.clear();
  helper.renew("a", config, file);
  CHECK(temporary_folder::read(ran) == "up\n");
  up();
  CHECK(temporary_folder::read(ran) == "up\ndown\nnew\n");
}
