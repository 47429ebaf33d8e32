// An overlay that a service embeds goes on in another process.
#include "actors/overlay/export_overlay.hpp"

#include "messages/overlay.hpp"
#include "tests/actors/embedded.hpp"
#include "tests/platform/hand_over_support.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <iterator>

using namespace weft;
using namespace weft::test;

namespace {

struct connection {
  connection() {
    std::array<int, 2> made{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made.data())
            == 0);
    former = file_descriptor{made[0]};
    successor = file_descriptor{made[1]};
  }
  file_descriptor former;
  file_descriptor successor;
};

void await_first_byte(const file_descriptor& from) {
  pollfd entry{from.get(), POLLIN, 0};
  ::poll(&entry, 1, 60'000);
}

/// Another process, with one end of the connection.
child_process
in_another_process(connection& way,
                   const std::function<int(file_descriptor)>& run) {
  return child_process{[&]() -> int {
    way.former.reset();
    try {
      await_first_byte(way.successor);
      return run(std::move(way.successor));
    } catch (...) {
      return 99;
    }
  }};
}

/// Goes on with the first overlay of a pair: answers a packet, and waits for
/// one more.
int go_on(file_descriptor way, bool prepares) {
  world home;
  deterministic_random random{52};
  embedded_overlay overlay{home, random, 1};
  if (prepares) {
    overlay.options.config.peers.resize(100);
    if (!prepare_to_import(home.system(), overlay.options))
      return 9;
  }
  auto imported = import_overlay(std::move(way), overlay.options);
  if (!imported)
    return 10;
  if (!imported->left.state)
    return 11;
  overlay.options.inherited = std::move(imported->left);
  overlay.start({});
  if (overlay.next() != numbered_packet(2, 1, 7))
    return 12;
  if (overlay.send({numbered_packet(1, 2, 8)}) != 1)
    return 13;
  const bool has_come = overlay.next() == numbered_packet(2, 1, 9);
  overlay.stop();
  return has_come ? 0 : 14;
}

std::ptrdiff_t count_threads() {
  using tasks = std::filesystem::directory_iterator;
  return std::distance(tasks{"/proc/self/task"}, tasks{});
}

peer_status only_peer(embedded_overlay& overlay) {
  const auto status = overlay.status();
  REQUIRE(status.peers.size() == 1);
  return status.peers[0];
}

void talk(embedded_pair& pair) {
  REQUIRE(pair.left.send({numbered_packet(1, 2, 1)}) == 1);
  CHECK(pair.right.next() == numbered_packet(1, 2, 1));
  REQUIRE(pair.right.send({numbered_packet(2, 1, 2)}) == 1);
  CHECK(pair.left.next() == numbered_packet(2, 1, 2));
}

} // namespace

TEST_CASE("An embedded overlay goes on in another process, and its peer sees "
          "one session") {
  connection way;
  const bool prepares = GENERATE(false, true);
  // Before there are threads.
  auto successor
    = in_another_process(way, [prepares](file_descriptor connection) {
        return go_on(std::move(connection), prepares);
      });
  way.successor.reset();
  embedded_pair pair;
  talk(pair);
  const auto before = only_peer(pair.right);
  const auto done = export_overlay(pair.home.system(), pair.left.running.actor,
                                   std::move(way.former));
  INFO((done ? "" : done.error().message));
  REQUIRE(done);
  REQUIRE(pair.right.send({numbered_packet(2, 1, 7)}) == 1);
  CHECK(pair.right.next() == numbered_packet(1, 2, 8));
  REQUIRE(pair.right.send({numbered_packet(2, 1, 9)}) == 1);
  CHECK(successor.wait() == 0);
  const auto after = only_peer(pair.right);
  CHECK(after.last_handshake == before.last_handshake);
  CHECK(after.rx_packets == before.rx_packets + 1);
  CHECK(pair.right.drops(drop_reason::replayed) == 0);
  // It is not there any more.
  connection another;
  CHECK_FALSE(export_overlay(pair.home.system(), pair.left.running.actor,
                             std::move(another.former)));
}

TEST_CASE("An embedded overlay goes on where it is if the other process does "
          "not take it") {
  connection way;
  const bool begins = GENERATE(false, true);
  auto other = in_another_process(way, [begins](file_descriptor connection) {
    if (!begins)
      return 0;
    overlay_options options; // which do not go with what was left
    options.config.control.socket_folder
      = options.config.interface.socket_folder;
    return import_overlay(std::move(connection), options) ? 1 : 0;
  });
  way.successor.reset();
  embedded_pair pair;
  talk(pair);
  const auto before = only_peer(pair.right);
  CHECK_FALSE(export_overlay(pair.home.system(), pair.left.running.actor,
                             std::move(way.former)));
  CHECK(other.wait() == 0);
  talk(pair);
  CHECK(only_peer(pair.right).last_handshake == before.last_handshake);
}

TEST_CASE("Options that were prepared start one overlay without what another "
          "process leaves, and a copy of them another one") {
  world home;
  deterministic_random random{54};
  embedded_overlay one{home, random, 1};
  one.options.config.peers.resize(10);
  REQUIRE(prepare_to_import(home.system(), one.options));
  one.options.config.peers.clear();
  embedded_overlay other{home, random, 2};
  other.options.prepared = one.options.prepared;
  one.start({});
  other.start({&one});
  REQUIRE(other.send({numbered_packet(2, 1, 1)}) == 1);
  CHECK(one.status().peers.empty());
  one.stop();
  other.stop();
}

TEST_CASE("What was prepared for an overlay that is not given ends with its "
          "options") {
  world home;
  const auto before = count_threads();
  overlay_options options;
  options.config.peers.resize(10);
  REQUIRE(prepare_to_import(home.system(), options));
  CHECK(options.prepared);
  options = {};
  CHECK(eventually([before] { return count_threads() <= before; }));
}

TEST_CASE("Both processes hear why an embedded overlay is not given now") {
  connection way;
  auto other = in_another_process(way, [](file_descriptor connection) {
    const auto imported = import_overlay(std::move(connection), {});
    return !imported && imported.error().code == EBUSY ? 0 : 1;
  });
  way.successor.reset();
  embedded_pair pair;
  const auto root
    = caf::actor_cast<overlay_root_actor>(pair.left.running.actor);
  std::ignore = pair.home.ask<overlay_left>(root, hand_over{});
  const auto done = export_overlay(pair.home.system(), pair.left.running.actor,
                                   std::move(way.former));
  REQUIRE_FALSE(done);
  CHECK(done.error().code == EBUSY);
  CHECK(other.wait() == 0);
  caf::anon_send(root, thaw{});
  talk(pair);
}
