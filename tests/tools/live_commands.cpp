// `weft watch` and `weft top` against an overlay that plays a script.

#include "console.hpp"
#include "example_device.hpp"
#include "example_overlay.hpp"
#include "platform/process.hpp"
#include "tests/catch.hpp"
#include "tools/weft/commands/control_commands.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <array>
#include <csignal>
#include <thread>

using namespace weft;
using namespace std::chrono_literals;
using Catch::Contains;
using nlohmann::json;

namespace {

/// Both ends of a pipe: one stands for signals, or for keys.
class pipe_ends {
public:
  pipe_ends() {
    REQUIRE(::pipe(ends_.data()) == 0);
  }
  pipe_ends(const pipe_ends&) = delete;
  pipe_ends& operator=(const pipe_ends&) = delete;
  ~pipe_ends() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  int reading() const {
    return ends_[0];
  }
  void write(const std::string& text) const {
    REQUIRE(::write(ends_[1], text.data(), text.size())
            == static_cast<ssize_t>(text.size()));
  }

private:
  std::array<int, 2> ends_{};
};

overlay_event event_of(event_kind kind, const std::string& name = "beta") {
  overlay_event event;
  event.kind = kind;
  event.when = example_now;
  event.interface = "weft0";
  event.peer = example_key(0x22);
  event.peer_name = name;
  return event;
}

/// A node whose test waits for subscribers, and tells how the connection is.
struct fixture : example_node, console {
  node_connection link(bool json = false) {
    node_connection made{system(),
                         [this](connection_told how) -> outcome<overlay_actor> {
                           told = std::move(how);
                           return overlay;
                         }};
    made.json = json;
    return made;
  }

  event_subscriber subscriber(std::size_t number = 1) {
    for (;;) {
      if (const auto all = script->all<subscribe>(); all.size() >= number)
        return all.back().subscriber;
      std::this_thread::sleep_for(1ms);
    }
  }
  /// Sends a batch and waits until it has been printed.
  void publish(const event_subscriber& to, std::vector<overlay_event> events) {
    caf::scoped_actor self{system()};
    self->request(to, 20s, event_batch{0, std::move(events)})
      .receive([] {}, [](const caf::error&) {});
  }

  connection_told told;
};

std::vector<json> json_lines(const std::string& text) {
  std::istringstream in(text);
  std::vector<json> lines;
  for (std::string line; std::getline(in, line);)
    lines.push_back(json::parse(line));
  return lines;
}

/// Does something while a command runs.
class meanwhile {
public:
  explicit meanwhile(std::function<void()> action)
    : thread_(std::move(action)) {
  }
  meanwhile(const meanwhile&) = delete;
  meanwhile& operator=(const meanwhile&) = delete;
  ~meanwhile() {
    thread_.join();
  }

private:
  std::thread thread_;
};

} // namespace

TEST_CASE("watch prints events until there were enough") {
  fixture node;
  const pipe_ends signals;
  const meanwhile publishing([&] {
    const auto to = node.subscriber();
    node.publish(to, {event_of(event_kind::peer_up)});
    node.publish(to, {event_of(event_kind::peer_down),
                      event_of(event_kind::peer_removed),
                      event_of(event_kind::peer_added)});
  });
  CHECK(watch_events({3}, node.link(), node.io(), signals.reading())
        == exit_fine);
  CHECK(node.out.str()
        == "2023-11-14T22:13:20.000Z  peer_up              beta\n"
           "2023-11-14T22:13:20.000Z  peer_down            beta\n"
           "2023-11-14T22:13:20.000Z  peer_removed         beta\n");
}

TEST_CASE("watch ends with a signal, and that is fine") {
  fixture node;
  const pipe_ends signals;
  const meanwhile publishing([&] {
    node.publish(node.subscriber(), {event_of(event_kind::peer_up)});
    signals.write("x");
  });
  CHECK(watch_events({}, node.link(true), node.io(), signals.reading())
        == exit_fine);
  const auto lines = json_lines(node.out.str());
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].at("kind") == "peer_up");
  CHECK(node.err.str().empty());
}

TEST_CASE("watch says that the connection was lost, and that it is back") {
  fixture node;
  const pipe_ends signals;
  const meanwhile publishing([&] {
    const auto to = node.subscriber();
    // All goes through the one mailbox, in this order.
    node.publish(to, {event_of(event_kind::peer_up)});
    const failure why{exit_unreachable, ECONNRESET, "the other end is gone"};
    node.told({why, false});
    node.told({why, false});
    node.publish(to, {});
    node.told({});
    node.publish(to, {event_of(event_kind::peer_down)});
  });
  CHECK(watch_events({2}, node.link(true), node.io(), signals.reading())
        == exit_fine);
  const auto lines = json_lines(node.out.str());
  REQUIRE(lines.size() == 4);
  CHECK(lines[0].at("kind") == "peer_up");
  CHECK(lines[1].at("kind") == "connection_lost");
  CHECK(lines[1].at("reason") == "the other end is gone");
  CHECK(lines[2].at("kind") == "connected");
  CHECK(lines[3].at("kind") == "peer_down");
}

TEST_CASE("watch subscribes again after it was too slow") {
  fixture node;
  const pipe_ends signals;
  const meanwhile publishing([&] {
    node.publish(node.subscriber(), {event_of(event_kind::events_lost)});
    node.publish(node.subscriber(2), {event_of(event_kind::peer_up)});
  });
  CHECK(watch_events({2}, node.link(), node.io(), signals.reading())
        == exit_fine);
  CHECK_THAT(node.out.str(), Contains("events_lost") && Contains("peer_up"));
}

TEST_CASE("watch that cannot begin says why") {
  fixture node;
  const pipe_ends signals;
  SECTION("because the node refuses") {
    node.script->refusal = make_error(ENOSPC, "too many subscribers");
    CHECK(watch_events({}, node.link(), node.io(), signals.reading())
          == exit_failure);
    CHECK(node.err.str() == "weft: too many subscribers\n");
  }
  SECTION("because there is no way to it") {
    node_connection link{
      node.system(), [](const connection_told&) -> outcome<overlay_actor> {
        return tl::unexpected(failure{exit_mistaken, ENOENT, "no certificate"});
      }};
    link.json = true;
    CHECK(watch_events({}, link, node.io(), signals.reading())
          == exit_mistaken);
    CHECK(json_lines(node.err.str()).at(0).at("error").at("message")
          == "no certificate");
  }
}

TEST_CASE("watch ends when the connection does not come back") {
  fixture node;
  const pipe_ends signals;
  SECTION("as it was refused for good") {
    const meanwhile publishing([&] {
      node.publish(node.subscriber(), {event_of(event_kind::peer_up)});
      node.told({failure{exit_forbidden, EACCES, "revoked"}, true});
    });
    CHECK(watch_events({}, node.link(), node.io(), signals.reading())
          == exit_forbidden);
    CHECK_THAT(node.out.str(), Contains("connection_lost      revoked\n"));
    CHECK(node.err.str() == "weft: revoked\n");
  }
  SECTION("as the overlay itself is gone") {
    const meanwhile publishing([&] {
      node.publish(node.subscriber(), {event_of(event_kind::peer_up)});
      caf::anon_send_exit(node.overlay, caf::exit_reason::kill);
    });
    CHECK(watch_events({}, node.link(), node.io(), signals.reading())
          == exit_unreachable);
  }
}

// -- top ---------------------------------------------------------------------

namespace {

/// Signals of this thread as weft handles them; as before at the end.
class handled_signals {
public:
  handled_signals() {
    ::pthread_sigmask(SIG_SETMASK, nullptr, &before_);
    static constexpr std::array handled{SIGINT, SIGWINCH};
    watch_.emplace(signal_watch::open(handled).value());
  }
  handled_signals(const handled_signals&) = delete;
  handled_signals& operator=(const handled_signals&) = delete;
  ~handled_signals() {
    while (watch_->read() != 0) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  const signal_watch* get() const {
    return &*watch_;
  }

private:
  sigset_t before_{};
  std::optional<signal_watch> watch_;
};

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos;
       at = text.find(part, at + 1))
    ++count;
  return count;
}

constexpr auto takes_screen = "\x1B[?1049h\x1B[?25l";
constexpr auto gives_screen = "\x1B[?25h\x1B[?1049l";

} // namespace

TEST_CASE("top --once prints one screen without escape codes") {
  fixture node;
  node.script->status = example_device();
  CHECK(show_top_once({1ms, {80, 0}}, node.example_node::link(), node.io())
        == exit_fine);
  const auto text = node.out.str();
  CHECK(text.find('\x1B') == std::string::npos);
  CHECK(count_of(text, "weft0: 2 peers") == 1);
  CHECK_THAT(text, Contains("beta "));
  CHECK(node.script->all<get_status>().size() == 2);

  node.out.str("");
  CHECK(show_top_once({1ms, {80, 0}}, node.example_node::link(true), node.io())
        == exit_fine);
  CHECK(json::parse(node.out.str()).at("peers").size() == 2);
}

TEST_CASE("top --once of a node that refuses exits with its reason") {
  fixture node;
  node.script->refusal = make_error(EACCES, "not you");
  CHECK(show_top_once({1ms, {}}, node.example_node::link(), node.io())
        == exit_forbidden);
}

TEST_CASE("top draws again and again, and gives the terminal back") {
  fixture node;
  node.script->status = example_device();
  const handled_signals signals;
  const pipe_ends keys;
  const meanwhile looking([&] {
    while (node.script->all<get_status>().size() < 3)
      std::this_thread::sleep_for(1ms);
    keys.write("xq");
  });
  CHECK(show_top_live({1ms, {}}, node.example_node::link(), node.io(),
                      {signals.get(), keys.reading(), -1})
        == exit_fine);
  const auto text = node.out.str();
  CHECK(text.find(takes_screen) == 0);
  CHECK_THAT(text, Catch::EndsWith(gives_screen));
  CHECK(count_of(text, "weft0: 2 peers") >= 2);
  CHECK(count_of(text, takes_screen) == 1);
  // No line end behind the last line: it would move a full screen.
  CHECK(count_of(text, "\r\n\x1B[H") == 0);
  // Lines are erased from their beginnings on.
  CHECK(count_of(text, "\x1B[K")
        == count_of(text, "\r\n\x1B[K") + count_of(text, "\x1B[H\x1B[K"));
}

TEST_CASE("top ends with a signal, and draws anew when the size changes") {
  fixture node;
  node.script->status = example_device();
  const handled_signals signals;
  // To this thread: the others of the test do not know the signals.
  const auto self = ::pthread_self();
  const meanwhile signalling([&] {
    while (node.script->all<get_status>().empty())
      std::this_thread::sleep_for(1ms);
    ::pthread_kill(self, SIGINT);
  });
  CHECK(show_top_live({1h, {}}, node.example_node::link(), node.io(),
                      {signals.get(), -1, -1})
        == exit_fine);
  CHECK_THAT(node.out.str(), Catch::EndsWith(gives_screen));
}

TEST_CASE(
  "top whose first question fails gives the terminal back and says why") {
  fixture node;
  node.script->refusal = make_error(ENOTCONN, "No daemon listens");
  const handled_signals signals;
  CHECK(show_top_live({1ms, {}}, node.example_node::link(), node.io(),
                      {signals.get(), -1, -1})
        == exit_unreachable);
  CHECK_THAT(node.out.str(), Catch::EndsWith(gives_screen));
  CHECK(node.err.str() == "weft: No daemon listens\n");
}

TEST_CASE("top shows why its figures are old, and goes on") {
  fixture node;
  node.script->status = example_device();
  const handled_signals signals;
  const pipe_ends keys;
  const meanwhile failing([&] {
    const auto wait = [&](std::size_t more) {
      const auto until = node.script->all<get_status>().size() + more;
      while (node.script->all<get_status>().size() < until)
        std::this_thread::sleep_for(1ms);
    };
    wait(2);
    {
      const std::scoped_lock lock(node.script->mutex);
      node.script->refusal = make_error(ECONNRESET, "connection is gone");
    }
    wait(3);
    {
      const std::scoped_lock lock(node.script->mutex);
      node.script->refusal = {};
    }
    wait(3);
    keys.write("q");
  });
  CHECK(show_top_live({1ms, {}}, node.example_node::link(), node.io(),
                      {signals.get(), keys.reading(), -1})
        == exit_fine);
  const auto text = node.out.str();
  CHECK_THAT(text, Contains("connection is gone"));
  CHECK(text.rfind("connection is gone") < text.rfind("weft0: 2 peers"));
}
