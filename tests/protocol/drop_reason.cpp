#include "protocol/tunnel/drop_reason.hpp"

#include "tests/catch.hpp"

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

namespace {

using namespace weft;

/// The row as `docs/operations.md` has it.
std::string line_of(const drop_row& row) {
  const auto side
    = row.side == drop_side::host ? "from the host" : "from the network";
  return "| `" + std::string(row.name) + "` | " + side + " | "
         + std::string(row.meaning) + " | " + std::string(row.remedy) + " |";
}

/// The lines of its table of reasons.
std::vector<std::string> documented() {
  const std::filesystem::path data{WEFT_TEST_DATA};
  std::ifstream page((data / "../../../docs/operations.md").lexically_normal());
  REQUIRE(page);
  std::vector<std::string> lines;
  for (std::string line; std::getline(page, line);) {
    if (line.find(" | from the host | ") != std::string::npos
        || line.find(" | from the network | ") != std::string::npos)
      lines.push_back(line);
  }
  return lines;
}

} // namespace

TEST_CASE("Each reason for a drop has a name, a meaning and a remedy") {
  std::set<std::string_view> names;
  for (const auto& row : drop_rows()) {
    CAPTURE(row.name);
    CHECK(names.insert(row.name).second);
    CHECK(to_string(row.reason) == row.name);
    CHECK_FALSE(row.meaning.empty());
    CHECK(row.remedy.ends_with('.'));
  }
  CHECK(names.size() == drop_reason_count);
}

TEST_CASE("The manual lists the reasons for drops as the program has them") {
  std::vector<std::string> lines;
  for (const auto& row : drop_rows())
    lines.push_back(line_of(row));
  CHECK(documented() == lines);
}

TEST_CASE("Drops are counted by their reasons, with or without a context") {
  const endpoint remote{ip_address{}, 51820};
  const byte_array<3> bytes{};
  drop_counters counters;
  counters.dropped(drop_reason::no_route);
  counters.dropped(drop_reason::no_route, 2, {bytes, &remote});
  counters.dropped(drop_reason::replayed, 0);
  CHECK(counters[drop_reason::no_route] == 3);
  CHECK(counters[drop_reason::replayed] == 0);
}

TEST_CASE("Who watches drops sees each with its context, and copies of the "
          "counts are not watched") {
  struct witness final : drop_watcher {
    void dropped(drop_reason reason, std::uint64_t packets,
                 const drop_context& context) override {
      seen.push_back(std::string{to_string(reason)} + ' '
                     + std::to_string(packets) + ' '
                     + std::to_string(context.bytes.size()));
    }
    std::vector<std::string> seen;
  };
  witness watcher;
  const byte_array<3> bytes{};
  drop_counters counters;
  counters.watched_by(&watcher);
  counters.dropped(drop_reason::no_route, 2, {bytes, nullptr});
  auto copy = counters;
  copy.dropped(drop_reason::no_route);
  CHECK(copy[drop_reason::no_route] == 3);
  // What is assigned takes the counts, and keeps its watcher.
  counters = drop_counters{};
  counters.dropped(drop_reason::replayed);
  CHECK(counters[drop_reason::no_route] == 0);
  CHECK(watcher.seen
        == std::vector<std::string>{"no_route 2 3", "replayed 1 0"});
}
