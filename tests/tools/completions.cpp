// The completions of shells know all that weft knows.

#include "console.hpp"
#include "temporary_folder.hpp"
#include "tests/catch.hpp"
#include "tools/weft/command_line.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>
#include <sstream>

using namespace weft;

namespace {

/// Beside the tests; their folder of data need not exist.
const auto folder
  = (std::filesystem::path(WEFT_TEST_DATA) / "../../../tools/completions/")
      .lexically_normal()
      .string();

using words = std::set<std::string>;

/// A command, `peer add`, and what may come after it.
struct known_command {
  std::string name;
  words options; ///< long ones
  words commands;
};

std::vector<known_command>
known_commands(CLI::App& app, const std::string& name = {}) {
  known_command one;
  one.name = name;
  for (const auto* option : app.get_options())
    for (const auto& text : option->get_lnames())
      one.options.insert("--" + text);
  std::vector<known_command> all;
  for (auto* below : app.get_subcommands([](CLI::App*) { return true; })) {
    one.commands.insert(below->get_name());
    const auto more
      = known_commands(*below, name.empty() ? below->get_name()
                                            : name + ' ' + below->get_name());
    all.insert(all.end(), more.begin(), more.end());
  }
  all.push_back(std::move(one));
  return all;
}

std::vector<known_command> known_commands() {
  command_line line;
  auto all = known_commands(line.app());
  REQUIRE(all.size() > 20);
  return all;
}

words split(const std::string& text) {
  std::istringstream in(text);
  words found;
  for (std::string word; in >> word;)
    found.insert(word);
  return found;
}

/// What bash offers at the end of a line, with a weft that says `names`.
words complete_in_bash(const std::string& line, const std::string& names = "") {
  const temporary_folder place;
  const auto fake = place.write("weft", "#!/bin/sh\nprintf '" + names + "'\n");
  ::chmod(fake.c_str(), 0700);
  const auto script = place.write(
    "complete.bash", "PATH=" + place.path() + ":$PATH\nsource " + folder
                       + "weft.bash\nread -ra COMP_WORDS <<<'" + line
                       + "'\n[[ '" + line
                       + "' == *' ' ]] && COMP_WORDS+=('')\n"
                         "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_weft\n"
                         "printf '%s\\n' \"${COMPREPLY[@]}\"\n");
  auto* output = ::popen(("bash " + script).c_str(), "r");
  REQUIRE(output != nullptr);
  std::string text;
  std::array<char, 4096> buffer{};
  while (const auto count = ::fread(buffer.data(), 1, buffer.size(), output))
    text.append(buffer.data(), count);
  CHECK(::pclose(output) == 0);
  return split(text);
}

bool includes(const words& all, const words& wanted) {
  return std::includes(all.begin(), all.end(), wanted.begin(), wanted.end());
}

} // namespace

TEST_CASE("the manual page has every command and every option") {
  auto page = temporary_folder::read(folder + "../../docs/man/weft.1");
  std::erase(page, '\\');
  for (const auto& command : known_commands()) {
    INFO(command.name);
    const auto synopsis = "\n.B weft " + command.name + '\n';
    if (command.commands.empty())
      CHECK(page.find(synopsis) != std::string::npos);
    for (const auto& option : command.options) {
      INFO(option);
      CHECK(page.find(option) != std::string::npos);
    }
  }
}

TEST_CASE("bash completes every command and every option") {
  for (const auto& command : known_commands()) {
    const auto line = command.name.empty() ? std::string{"weft "}
                                           : "weft " + command.name + ' ';
    INFO(line);
    CHECK(includes(complete_in_bash(line), command.commands));
    auto options = command.options;
    options.erase("--version");
    if (!command.name.empty() && command.commands.empty())
      CHECK(includes(complete_in_bash(line + "--"), options));
  }
}

TEST_CASE("bash completes names of peers and contexts, but no odd ones") {
  const auto* names = "[\n  {\n    \"name\": \"beta\",\n    \"x\": 1\n  },\n"
                      "  {\n    \"name\": \"a b\",\n    \"name\": \"gamma\"\n"
                      "  },\n  {\n    \"name\": \"$(id)\",\n";
  CHECK(complete_in_bash("weft peer remove ", names) == words{"beta", "gamma"});
  CHECK(complete_in_bash("weft peer set b", names) == words{"beta"});
  CHECK(complete_in_bash("weft context use ", names)
        == words{"local", "beta", "gamma"});
  CHECK(complete_in_bash("weft peer remove ", "").empty());
  CHECK(complete_in_bash("weft log-level de") == words{"debug"});
  CHECK(complete_in_bash("weft peers --at ").empty());
}

TEST_CASE("zsh and fish know every command and every option") {
  const auto zsh = temporary_folder::read(folder + "_weft");
  const auto fish = temporary_folder::read(folder + "weft.fish");
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  for (const auto& command : known_commands()) {
    INFO(command.name);
    for (const auto& option : command.options) {
      INFO(option);
      CHECK((has(zsh, option + '[') || has(zsh, option + "}'[")));
      CHECK(has(fish, " -l " + option.substr(2)));
    }
    for (const auto& name : command.commands) {
      INFO(name);
      if (command.name.empty()) {
        CHECK(has(zsh, "\n    '" + name + ':'));
        CHECK(has(fish, "-n $first -a " + name + ' '));
      } else {
        const auto offer = zsh.find(' ' + command.name + ") commands=(");
        REQUIRE(offer != std::string::npos);
        CHECK(zsh.find(name, offer) < zsh.find(')', zsh.find('(', offer)));
        const auto begins
          = fish.find("'__weft_begins " + command.name + "' -a '");
        REQUIRE(begins != std::string::npos);
        CHECK(fish.find(name, begins) < fish.find('\n', begins));
      }
    }
    if (command.name.empty() || !command.commands.empty())
      continue;
    // What it has to offer is looked up by its whole name.
    const auto is_bare = command.options == words{"--help", "--version"};
    CHECK((is_bare || has(zsh, command.name)));
  }
}
