#include "config/yaml_edit.hpp"

#include "config/file_digest.hpp"
#include "support.hpp"
#include "tests/catch.hpp"

#include <map>

using namespace weft;
using namespace weft::test;

namespace {

const std::string name_of_file = "/etc/weft/node.yaml";

/// Files of a folder in memory.
struct files_in_memory {
  std::map<std::string, std::string> texts;

  file_source source() const {
    return [this](const std::string& path,
                  file_use) -> tl::expected<file_text, file_failure> {
      const auto found = texts.find(path);
      if (found == texts.end())
        return tl::unexpected(file_failure{true, "it is missing"});
      return file_text{found->second};
    };
  }
};

/// A text, and what becomes of it.
struct edited_file {
  explicit edited_file(const std::string& text) {
    files.texts[name_of_file] = text;
    files.texts["/etc/weft/two.psk"] = base64(key(8));
    auto read = load_yaml(name_of_file, files.source());
    INFO((read ? "" : text_of(read.error())));
    REQUIRE(read);
    config = std::move(*read);
  }

  peer_config& peer(unsigned n) {
    return *std::find_if(config.peers.begin(), config.peers.end(),
                         [&](const auto& one) {
                           return one.public_key == public_of(n);
                         });
  }
  void remove(unsigned n) {
    std::erase_if(config.peers, [&](const auto& one) {
      return one.public_key == public_of(n);
    });
  }
  peer_config& add(unsigned n) {
    auto& added = config.peers.emplace_back();
    added.public_key = public_of(n);
    return added;
  }

  tl::expected<yaml_edit, std::string> edit() const {
    return edit_yaml(name_of_file, files.source(), config,
                     [&](const std::string& name) {
                       return files.texts.contains("/etc/weft/" + name);
                     });
  }
  std::string text() const {
    auto made = edit();
    return made ? made->text : "refused: " + made.error();
  }

  files_in_memory files;
  node_config config;
};

const std::string head = "# a node\n" + interface_text();

std::string key_line(unsigned n) {
  return "public_key: " + public_text(n);
}

} // namespace

TEST_CASE("A file whose node is as it says stays as it is, to the byte") {
  const auto text
    = GENERATE(as<std::string>(), "", "peers:\n", "peers: [] # none\n",
               "log: {level: debug}\r\n", "# no end of line");
  const edited_file file{head + text};
  CHECK(file.text() == head + text);
  CHECK(file.edit()->digest == file.edit()->edited);
}

TEST_CASE("A new peer comes last, as the others are indented") {
  edited_file file{head + "peers:\n- " + key_line(1) + "\n  name: one\n"
                   + "# the end\nlog:\n  level: info\n"};
  auto& peer = file.add(2);
  peer.name = "two \"x\"";
  peer.endpoint = parse_endpoint("192.0.2.1:7").value();
  peer.allowed_ips = {prefix("10.0.2.0/24"), prefix("fd00::/64")};
  peer.persistent_keepalive = std::chrono::seconds{25};
  CHECK(file.text()
        == head + "peers:\n- " + key_line(1) + "\n  name: one\n"
             + "- name: \"two \\\"x\\\"\"\n  " + key_line(2)
             + "\n  allowed_ips: [\"10.0.2.0/24\", \"fd00::/64\"]\n"
               "  endpoint: \"192.0.2.1:7\"\n"
               "  persistent_keepalive: 25s\n"
             + "# the end\nlog:\n  level: info\n");
}

TEST_CASE("The first peer makes the section, whatever stands for it") {
  const auto peers = "peers:\n  - " + key_line(1) + "\n";
  for (const auto& [before, after] : std::map<std::string, std::string>{
         {"", peers},
         {"peers:\n# none yet\n", peers + "# none yet\n"},
         {"peers: [] # none yet\n",
          "peers: # none yet\n  - " + key_line(1) + "\n"},
         {"peers: ~\n", peers}}) {
    INFO(before);
    edited_file file{head + before};
    file.add(1);
    if (before == "peers: ~\n")
      CHECK(file.text() != head + before);
    else
      CHECK(file.text() == head + after);
  }
}

TEST_CASE("A peer that is gone takes its own lines with it, and no others") {
  edited_file file{head + "peers:\n  # the cellar\n  - " + key_line(1)
                   + "\n    # old\n    name: one\n\n  # the roof\n  - "
                   + key_line(2) + " # two\n    name: two\n"};
  SECTION("the first") {
    file.remove(1);
    CHECK(file.text()
          == head + "peers:\n  # the cellar\n\n  # the roof\n  - " + key_line(2)
               + " # two\n    name: two\n");
  }
  SECTION("the last") {
    file.remove(2);
    CHECK(file.text()
          == head + "peers:\n  # the cellar\n  - " + key_line(1)
               + "\n    # old\n    name: one\n\n  # the roof\n");
  }
  SECTION("all") {
    file.remove(1);
    file.remove(2);
    CHECK(file.text() == head + "peers:\n  # the cellar\n\n  # the roof\n");
  }
  SECTION("one for another") {
    file.remove(2);
    file.add(3);
    CHECK(file.text()
          == head + "peers:\n  # the cellar\n  - " + key_line(1)
               + "\n    # old\n    name: one\n\n  # the roof\n  - "
               + key_line(3) + "\n");
  }
}

TEST_CASE("A value that changes keeps the comment behind it") {
  edited_file file{head + "peers:\n  - name: 'one'   # first\n    "
                   + key_line(1)
                   + "\n    endpoint: a.example:1 # by DNS\n"
                     "    persistent_keepalive: off\n"};
  auto& peer = file.peer(1);
  peer.name = "eins";
  peer.endpoint = host_endpoint{"b.example", 2};
  peer.persistent_keepalive = std::chrono::seconds{5};
  CHECK(file.text()
        == head + "peers:\n  - name: \"eins\"   # first\n    " + key_line(1)
             + "\n    endpoint: \"b.example:2\" # by DNS\n"
               "    persistent_keepalive: 5s\n");
}

TEST_CASE("A key that has no value any more goes, also from behind a dash") {
  edited_file file{head + "peers:\n  - name: one\n    " + key_line(1)
                   + "\n    endpoint: a.example:1\n  - name: two # 2\n    "
                   + key_line(2) + "\n"};
  file.peer(1).name.clear();
  file.peer(1).endpoint.reset();
  file.peer(2).name.clear();
  CHECK(file.text()
        == head + "peers:\n  - " + key_line(1) + "\n  -  # 2\n    "
             + key_line(2) + "\n");
}

TEST_CASE("A list of prefixes changes item by item where it can") {
  const auto with = [](const std::string& list) {
    return head + "peers:\n  - " + key_line(1) + "\n    allowed_ips: " + list
           + "\n    name: one\n";
  };
  const auto changed = [&](const std::string& list) {
    edited_file file{with(list)};
    file.peer(1).allowed_ips
      = {prefix("10.0.3.0/24"), prefix("10.0.1.0/24")}; // the order is nothing
    return file.text();
  };
  CHECK(changed("[10.0.1.0/24, 10.0.2.0/24] # x")
        == with("[10.0.1.0/24, \"10.0.3.0/24\"] # x"));
  CHECK(changed("[10.0.2.0/24, '10.0.1.0/24',]")
        == with("['10.0.1.0/24', \"10.0.3.0/24\",]"));
  CHECK(changed("10.0.1.0/24, 10.0.2.0/24 # x")
        == with("[\"10.0.3.0/24\", \"10.0.1.0/24\"] # x"));
  CHECK(changed("\n      - 10.0.1.0/24 # office\n      # and\n"
                "      - 10.0.2.0/24")
        == with("\n      - 10.0.1.0/24 # office\n      # and\n"
                "      - \"10.0.3.0/24\""));
  CHECK(changed("") == with("[\"10.0.3.0/24\", \"10.0.1.0/24\"] "));
  CHECK(changed("[]") == with("[\"10.0.3.0/24\", \"10.0.1.0/24\"]"));
}

TEST_CASE("Own addresses keep their order") {
  edited_file file{head + "  addresses: [10.0.0.1/24, 10.0.1.1/24]\n"};
  std::swap(file.config.interface.addresses[0],
            file.config.interface.addresses[1]);
  CHECK(file.text()
        == head + "  addresses: [\"10.0.1.1/24\", \"10.0.0.1/24\"]\n");
}

TEST_CASE("A file in flow style, as JSON is, stays in it") {
  const auto interface = R"({"interface": {"private_key": ")"
                         + base64(key(1000)) + "\"}";
  edited_file file{interface + R"(, "peers": [{"public_key": ")"
                   + public_text(1) + R"(", "name": "one"}, {"public_key": ")"
                   + public_text(2) + "\"}]}\n"};
  file.peer(1).name = "eins";
  file.peer(1).persistent_keepalive = std::chrono::seconds{9};
  file.remove(2);
  file.add(3);
  file.config.log.level = log_level::debug;
  CHECK(file.text()
        == interface + R"(, "peers": [{"public_key": ")" + public_text(1)
             + "\", \"name\": \"eins\", persistent_keepalive: 9s}, {"
             + key_line(3) + "}], log: {level: debug}}\n");
  edited_file none{interface + "}"};
  none.add(1);
  CHECK(none.text() == interface + ", peers: [{" + key_line(1) + "}]}");
}

TEST_CASE("Lines end as those of the file do, and the last one need not") {
  edited_file file{"interface:\r\n  private_key: " + base64(key(1000))
                   + "\r\npeers:\r\n  - " + key_line(1)};
  file.add(2).name = "two";
  CHECK(file.text()
        == "interface:\r\n  private_key: " + base64(key(1000))
             + "\r\npeers:\r\n  - " + key_line(1)
             + "\r\n  - name: \"two\"\r\n    " + key_line(2));
}

TEST_CASE("Places are found behind letters of other alphabets, and a mark") {
  edited_file file{"\xef\xbb\xbf# a\n" + interface_text()
                   + "peers:\n  - {name: \"\u00fc\u4e2d\", " + key_line(1)
                   + ", endpoint: a:1}\n"};
  file.peer(1).endpoint = host_endpoint{"b", 2};
  CHECK(file.text().find("{name: \"\u00fc\u4e2d\", " + key_line(1)
                         + ", endpoint: \"b:2\"}\n")
        != std::string::npos);
}

TEST_CASE("A new key goes to a file of its own, and no other file is named") {
  edited_file file{head + "peers:\n  - name: one\n    " + key_line(1)
                   + "\n    preshared_key: " + base64(key(8)) + "\n  - "
                   + key_line(2) + "\n    preshared_key_file: two.psk\n"};
  SECTION("in the place of one in the text") {
    file.files.texts["/etc/weft/one.psk"] = "of somebody else";
    file.peer(1).preshared_key = key(16);
    const auto edit = file.edit();
    REQUIRE(edit);
    CHECK(edit->text
          == head + "peers:\n  - name: one\n    " + key_line(1)
               + "\n    preshared_key_file: \"one-2.psk\"\n  - " + key_line(2)
               + "\n    preshared_key_file: two.psk\n");
    REQUIRE(edit->keys.size() == 1);
    CHECK(edit->keys[0].name == "one-2.psk");
    CHECK(edit->keys[0].key == key(16));
    CHECK(edit->key_files_left.empty());
    CHECK(edit->edited != edit->digest);
  }
  SECTION("of a new peer") {
    auto& added = file.add(3);
    added.name = "../drei";
    added.preshared_key = key(24);
    const auto edit = file.edit();
    REQUIRE(edit);
    CHECK(edit->keys.at(0).name == "---drei.psk");
    CHECK(edit->text.find(base64(key(24))) == std::string::npos);
  }
  SECTION("none any more") {
    file.peer(2).preshared_key = {};
    const auto edit = file.edit();
    REQUIRE(edit);
    CHECK(edit->text.find("two.psk") == std::string::npos);
    CHECK(edit->key_files_left
          == std::vector<std::string>{"/etc/weft/two.psk"});
  }
}

TEST_CASE("Offloads that a command has changed are written where they belong") {
  edited_file file{head + "offloads: # a comment\n  udp: auto\n"};
  file.config.offloads.udp = offload_mode::off;
  CHECK(file.text() == head + "offloads: # a comment\n  udp: off\n");
  file.config.offloads.tun = offload_mode::off;
  CHECK(file.text()
        == head + "offloads: # a comment\n  udp: off\n  tun: off\n");
  edited_file bare{head};
  bare.config.offloads.udp = offload_mode::on;
  CHECK(bare.text() == head + "offloads: {tun: auto, udp: on, uring: auto}\n");
}

TEST_CASE("What no command changes is not taken over") {
  edited_file file{head + "  name: wg7\n  mtu: 1300\nreload: watch\n"};
  file.config.interface.name = "wg0";
  file.config.interface.socket_folder = "/elsewhere";
  file.config.reload = reload_mode::manual;
  file.config.log.format = log_format::json;
  file.config.control.group = "x";
  CHECK(file.text() == head + "  name: wg7\n  mtu: 1300\nreload: watch\n");
  file.config.interface.mtu = 1280;
  CHECK(file.text() == head + "  name: wg7\n  mtu: 1280\nreload: watch\n");
}

TEST_CASE("What cannot be changed without loss is refused, with its line") {
  const auto refusal = [](const std::string& rest, auto change) {
    edited_file file{head + "peers:\n  - " + key_line(1) + "\n" + rest};
    change(file);
    return file.text();
  };
  CHECK(refusal("    name: &anchor one\n",
                [](auto& file) { file.peer(1).name = "two"; })
          .find("refused: /etc/weft/node.yaml: line 6: ")
        == 0);
  CHECK(refusal("    name: >-\n      one\n",
                [](auto& file) { file.peer(1).name = "two"; })
          .find("refused: ")
        == 0);
  CHECK(refusal("    allowed_ips: [10.0.1.0/24, # office\n"
                "      10.0.2.0/24, 10.0.3.0/24]\n",
                [](auto& file) {
                  auto& list = file.peer(1).allowed_ips;
                  list.erase(list.begin());
                })
          .find("comment")
        != std::string::npos);
}

TEST_CASE("The digest is that of the file and of its key files") {
  edited_file file{head + "peers:\n  - " + key_line(1) + "\n"};
  const auto digest = file.edit()->digest;
  CHECK(file.edit()->digest == digest);
  file.files.texts[name_of_file] += "#";
  CHECK(file.edit()->digest != digest);

  files_in_memory files;
  files.texts[name_of_file] = "interface: {private_key_file: a.key}";
  const auto with_key = [&](unsigned n) {
    files.texts["/etc/weft/a.key"] = base64(key(n));
    file_digest seen;
    REQUIRE(load_yaml(name_of_file, seen.watching(files.source())));
    return seen.text();
  };
  CHECK(with_key(8) != with_key(16));
  CHECK(with_key(8) == with_key(8));
}

namespace {

/// Writes configurations in the ways in which people write them, and changes
/// them.
class whim {
public:
  explicit whim(unsigned seed) : random_(seed) {
  }

  std::size_t below(std::size_t end) {
    return std::uniform_int_distribution<std::size_t>{0, end - 1}(random_);
  }
  bool perhaps() {
    return below(2) == 0;
  }

  /// A comment that no other place has, or nothing.
  std::string remark() {
    if (!perhaps())
      return {};
    return " # remark " + std::to_string(++remarks_);
  }

  peer_config peer(unsigned n) {
    peer_config made;
    made.public_key = public_of(n);
    change(made, n);
    return made;
  }
  void change(peer_config& peer, unsigned n) {
    if (perhaps())
      peer.name = perhaps() ? "" : "p" + std::to_string(n);
    if (perhaps())
      peer.endpoint.reset();
    else if (perhaps())
      peer.endpoint = host_endpoint{"h" + std::to_string(below(9)), 7};
    if (perhaps())
      peer.persistent_keepalive = std::chrono::seconds{below(3) * 20};
    if (perhaps())
      peer.preshared_key = {};
    else if (perhaps())
      peer.preshared_key = key(8);
    peer.allowed_ips.clear();
    for (auto left = below(4); left > 0; --left)
      peer.allowed_ips.push_back(prefix("10." + std::to_string(n) + "."
                                        + std::to_string(left * 7 % 5)
                                        + ".0/24"));
  }

  std::string write(const peer_config& peer, bool in_flow) {
    std::vector<std::string> entries{"public_key: "
                                     + to_string(peer.public_key)};
    if (!peer.name.empty())
      entries.push_back("name: " + peer.name);
    if (peer.endpoint)
      entries.push_back("endpoint: '" + to_string(*peer.endpoint) + "'");
    if (peer.persistent_keepalive.count() > 0)
      entries.push_back("persistent_keepalive: "
                        + std::to_string(peer.persistent_keepalive.count()));
    if (!peer.preshared_key.is_zero())
      entries.push_back("preshared_key: " + base64(peer.preshared_key));
    std::shuffle(entries.begin(), entries.end(), random_);
    std::string list;
    const bool in_lines = !in_flow && perhaps();
    for (const auto& one : peer.allowed_ips)
      list += in_lines ? "\n      - " + to_string(one) + remark()
                       : (list.empty() ? "[" : ", ") + to_string(one);
    if (!list.empty())
      entries.push_back("allowed_ips: " + list + (in_lines ? "" : "]"));
    std::string text;
    if (in_flow) {
      for (const auto& entry : entries)
        text += (text.empty() ? "  - {" : ", ") + entry;
      return text + "}" + remark() + "\n";
    }
    for (const auto& entry : entries)
      text += (text.empty() ? "  - " : "    ") + entry + remark() + "\n";
    return text;
  }

private:
  std::mt19937 random_;
  unsigned remarks_ = 0;
};

} // namespace

TEST_CASE("Whatever changes in whatever file, it says so afterwards, and what "
          "does not change keeps its lines") {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    whim draw{seed};
    std::string text = head + "peers:" + draw.remark() + "\n";
    std::map<unsigned, std::string> parts;
    const auto count = static_cast<unsigned>(1 + draw.below(5));
    for (unsigned n = 1; n <= count; ++n) {
      parts[n] = draw.write(draw.peer(n), draw.perhaps());
      text += "  # peer " + std::to_string(n) + "\n" + parts[n];
    }
    if (draw.perhaps())
      text += "log: {level: info}" + draw.remark() + "\n";
    INFO("seed " << seed << "\n" << text);
    edited_file file{text};
    for (unsigned n = 1; n <= count; ++n) {
      if (draw.perhaps())
        continue;
      if (draw.perhaps())
        file.remove(n);
      else
        draw.change(file.peer(n), n);
      parts.erase(n);
    }
    if (draw.perhaps())
      file.config.peers.push_back(draw.peer(9));
    if (draw.perhaps())
      file.config.log.level = log_level::warn;
    const auto edit = file.edit(); // which reads again what it has written
    INFO((edit ? edit->text : edit.error()));
    REQUIRE(edit);
    for (const auto& [n, part] : parts)
      CHECK(edit->text.find("  # peer " + std::to_string(n) + "\n" + part)
            != std::string::npos);
  }
}
