// The reference of configuration has the rows of config/fields.hpp, and no
// others.  With WEFT_UPDATE_REFERENCE in the environment its pages are written
// instead of compared.
#include "config/fields.hpp"
#include "protocol/tunnel/trouble_words.hpp"
#include "tests/catch.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

using namespace weft;

namespace {

/// In docs/, beside the tests; their folder of data need not exist.
std::string place_of(const std::string& page) {
  return (std::filesystem::path(WEFT_TEST_DATA) / "../../../docs" / page)
    .lexically_normal()
    .string();
}

std::string text_of(const std::string& page) {
  std::ifstream in(place_of(page));
  std::stringstream text;
  text << in.rdbuf();
  REQUIRE_FALSE(text.str().empty());
  return text.str();
}

std::string table_row(std::string_view key, std::string_view meaning,
                      std::string_view fallback) {
  return "| `" + std::string{key} + "` | " + std::string{meaning} + " | "
         + std::string{fallback} + " |\n";
}

template <class Section>
std::string table() {
  std::string text = "| key | value | default |\n|---|---|---|\n";
  for_each_field<Section>([&](const auto& row, auto) {
    if (!row.file_name.empty())
      text += table_row(row.file_name, row.file_meaning, row.fallback);
    text += table_row(row.name, row.meaning, row.fallback);
  });
  return text;
}

/// Markdown in the words of man(7): a sentence a line.
std::string to_roff(std::string_view markdown) {
  std::string out;
  bool is_code = false;
  for (std::size_t i = 0; i < markdown.size(); ++i) {
    const auto c = markdown[i];
    if (c == '`') {
      is_code = !is_code;
      out += is_code ? "\\fB" : "\\fR";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == ' ' && i > 0 && markdown[i - 1] == '.') {
      out += '\n';
    } else {
      out += c;
    }
  }
  return out + '\n';
}

std::string manual_entry(std::string_view key, std::string_view meaning,
                         std::string_view fallback) {
  auto text = ".TP\n.B " + std::string{key} + "\n" + to_roff(meaning);
  if (fallback != "-" && fallback != "none")
    text += to_roff("The default is " + std::string{fallback} + ".");
  return text;
}

template <class Section>
std::string manual_entries() {
  std::string text;
  for_each_field<Section>([&](const auto& row, auto) {
    if (!row.file_name.empty())
      text += manual_entry(row.file_name, row.file_meaning, row.fallback);
    text += manual_entry(row.name, row.meaning, row.fallback);
  });
  return text;
}

/// Part of a page: from `begin`, behind `heading`, to before `end`.
struct passage {
  std::string page;
  std::string heading;
  std::string begin;
  std::string end;
};

void hold(const passage& where, const std::string& expected) {
  auto page = text_of(where.page);
  const auto heading = page.find("\n" + where.heading + "\n");
  REQUIRE(heading != std::string::npos);
  const auto begin = page.find("\n" + where.begin, heading + 1) + 1;
  const auto end = page.find("\n" + where.end, begin) + 1;
  if (std::getenv("WEFT_UPDATE_REFERENCE") != nullptr) { // NOLINT
    page.replace(begin, end - begin, expected);
    std::ofstream{place_of(where.page)} << page;
    return;
  }
  CHECK(page.substr(begin, end - begin) == expected);
}

using words = std::set<std::string>;

} // namespace

TEST_CASE("The page on configuration has the tables of all keys") {
  const auto* page = "configuration.md";
  hold({page, "## `interface`", "| key | value |", "\n"},
       table<interface_config>());
  hold({page, "## `peers`", "| key | value |", "\n"}, table<peer_config>());
}

TEST_CASE("The manual page of the daemon has all keys") {
  const auto* page = "man/weftd.8";
  hold({page, ".SS interface", ".TP", ".SS"},
       manual_entries<interface_config>());
  hold({page, ".SS peers", ".TP", ".SS"}, manual_entries<peer_config>());
}

TEST_CASE("The manual page of weft has the options of all keys") {
  const auto page = text_of("man/weft.1");
  for_each_field<peer_config>([&](const auto& row, auto) {
    std::string option;
    for (const char c : row.option)
      option += c == '-' ? std::string{"\\-"} : std::string{c};
    INFO(row.option);
    CHECK(page.find(option) != std::string::npos);
  });
}

TEST_CASE("The manual page of weft has every cause") {
  const auto page = text_of("man/weft.1");
  const auto begin = page.find("\n.B cause\n");
  REQUIRE(begin != std::string::npos);
  const auto entry = page.substr(begin, page.find("\n.TP", begin) - begin);
  for (const auto each : cause::all) {
    INFO(each);
    CHECK(entry.find(" " + std::string{each}) != std::string::npos);
  }
}

TEST_CASE("Every key has a name of its own, and can be read and checked") {
  const auto hold = []<class Section>(const Section& fresh) {
    words seen;
    for_each_field<Section>([&](const auto& row, auto number) {
      INFO(row.name);
      CHECK(seen.emplace(row.name).second);
      CHECK(number_of(row.member) == number);
      CHECK(row.print != nullptr);
      CHECK_FALSE(row.meaning.empty());
      CHECK_FALSE(row.expected.empty());
      using value = value_of<decltype(row)>;
      if constexpr (!is_list<value>)
        CHECK((row.read != nullptr || row.is_folder));
      // What holds without the key is fine, but for the key of a peer.
      if (row.check != nullptr && !std::is_same_v<value, public_key>)
        CHECK_FALSE(row.check(fresh.*row.member));
    });
  };
  hold(interface_config{});
  hold(peer_config{});
}
