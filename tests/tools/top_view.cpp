// What keys do to the screen of `weft top`.

#include "tools/weft/view/top_view.hpp"

#include "example_device.hpp"
#include "tests/catch.hpp"

#include <sstream>

using namespace weft;
using namespace std::chrono_literals;
using wish = top_view::wish;
using names = std::vector<std::string>;

namespace {

constexpr auto down = "\x1B[B";
constexpr auto page_down = "\x1B[6~";

/// Fifty peers, the later ones busier.
top_summary fifty_peers() {
  top_summary summary;
  for (unsigned i = 10; i < 60; ++i) {
    auto& peer = summary.peers.emplace_back();
    peer.name = "peer-" + std::to_string(i);
    peer.public_key = example_key(static_cast<unsigned char>(i));
    peer.amount.rx_bytes = i;
    peer.state.word = peer_word::up;
  }
  return summary;
}

names shown_by(const top_view& view, const top_summary& summary) {
  names all;
  for (const auto* peer : view.choose(summary.peers))
    all.push_back(peer->name);
  return all;
}

/// The names on a screen of 24 lines.
names on_screen(top_view& view, const top_summary& summary) {
  std::istringstream lines(format_top(summary, {80, 24}, view));
  names all;
  for (std::string line; std::getline(lines, line);)
    if (line.rfind("peer-", 0) == 0)
      all.push_back(line.substr(0, line.find(' ')));
  return all;
}

} // namespace

TEST_CASE("fifty peers are scrolled through on 24 lines") {
  const auto summary = fifty_peers();
  top_view view;
  const auto top = on_screen(view, summary);
  REQUIRE(top.size() == 18);
  CHECK(top.front() == "peer-59");

  CHECK(view.type(down) == wish::redraw);
  CHECK(on_screen(view, summary).front() == "peer-58");
  CHECK(view.type(page_down) == wish::redraw);
  CHECK(on_screen(view, summary).front() == "peer-40");
  view.type("G");
  CHECK(on_screen(view, summary).back() == "peer-10");
  // There is nothing behind the end, and one step back is one step.
  view.type("jjjj");
  CHECK(on_screen(view, summary).size() == 18);
  view.type("k");
  CHECK(on_screen(view, summary).back() == "peer-11");
  view.type("\x1B[H");
  CHECK(on_screen(view, summary) == top);
  view.type("bk");
  CHECK(on_screen(view, summary) == top);
}

TEST_CASE("s sorts by one thing after the other") {
  top_summary summary;
  summary.peers.resize(3);
  auto& alpha = summary.peers[0];
  auto& beta = summary.peers[1];
  auto& gamma = summary.peers[2];
  alpha.name = "alpha";
  alpha.state.word = peer_word::idle;
  alpha.age = 5s;
  beta.name = "beta";
  beta.state.word = peer_word::failing;
  gamma.name = "gamma";
  gamma.state.word = peer_word::up;
  gamma.age = 1s;
  gamma.amount.tx_rate = 1;
  top_view view;
  CHECK(shown_by(view, summary) == names{"gamma", "alpha", "beta"});
  CHECK(view.describe().empty());
  CHECK(view.type("s") == wish::redraw);
  CHECK(shown_by(view, summary) == names{"beta", "gamma", "alpha"});
  CHECK(view.describe() == "by state");
  view.type("s");
  CHECK(shown_by(view, summary) == names{"alpha", "beta", "gamma"});
  view.type("s");
  CHECK(shown_by(view, summary) == names{"gamma", "alpha", "beta"});
  CHECK(view.describe() == "by handshake");
  view.type("s");
  CHECK(view.describe().empty());
}

TEST_CASE("/ shows those that have a text, whatever its case") {
  auto summary = fifty_peers();
  summary.peers[3].endpoint = "192.0.2.7:51820";
  summary.peers[4].state = {peer_word::failing, "No answer", {}, 1, {}};
  top_view view;
  CHECK(view.type("/") == wish::redraw);
  CHECK(view.describe() == "/_");
  CHECK(view.type("PEER-2") == wish::redraw);
  CHECK(shown_by(view, summary).size() == 10);
  // While one types, letters are letters.
  view.type("q");
  CHECK(view.describe() == "/PEER-2q_");
  view.type("\x7F\n");
  CHECK(view.describe() == "only 'PEER-2'");
  CHECK(shown_by(view, summary).size() == 10);
  view.type("\x1B");
  CHECK(view.describe().empty());
  CHECK(shown_by(view, summary).size() == 50);

  view.type("/192.0.2\r");
  CHECK(shown_by(view, summary) == names{"peer-13"});
  view.type("\x1B/no ans\r");
  CHECK(shown_by(view, summary) == names{"peer-14"});
  view.type("\x1B/failing\x1B");
  CHECK(shown_by(view, summary).size() == 50);
  view.type("/\xC3\xBC");
  view.type("\b");
  CHECK(view.describe() == "/_");
  view.type(std::string(1000, 'x'));
  CHECK(view.describe().size() < 100);
}

TEST_CASE("a filter that leaves few peers shows them from the first on") {
  const auto summary = fifty_peers();
  top_view view;
  view.type("G");
  on_screen(view, summary);
  view.type("/peer-1\n");
  CHECK(on_screen(view, summary).size() == 10);
}

TEST_CASE("? shows help, and q quits") {
  const auto summary = fifty_peers();
  top_view view;
  CHECK(view.type("?") == wish::redraw);
  CHECK(view.shows_help());
  const auto help = format_top(summary, {80, 24}, view);
  for (const auto* key : {"s  ", "/  ", "q  ", "PageUp"})
    CHECK(help.find(key) != std::string::npos);
  CHECK(on_screen(view, summary).empty());
  view.type("?");
  CHECK_FALSE(view.shows_help());
  CHECK(view.type("x") == wish::nothing);
  CHECK(view.type("") == wish::nothing);
  CHECK(view.type("\x1B[Z") == wish::nothing);
  CHECK(view.type("\x1B[") == wish::nothing);
  CHECK(view.type("sq") == wish::quit);
}
