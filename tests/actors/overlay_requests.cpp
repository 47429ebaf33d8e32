// What many askers, slow files and clones of the machine mean to an overlay.
#include "messages/errors.hpp"
#include "messages/overlay.hpp"
#include "platform/clock.hpp"
#include "tests/actors/embedded.hpp"
#include "tests/actors/line_sink.hpp"

#include <cerrno>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

/// A configuration file that answers once it is told to.
class slow_file {
public:
  slow_file() = default;
  slow_file(const slow_file&) = delete;
  slow_file& operator=(const slow_file&) = delete;
  ~slow_file() {
    answer();
  }
  auto reader(node_config config) const {
    return
      [state = state_,
       config = std::move(config)]() -> tl::expected<file_config, std::string> {
        std::unique_lock lock(state->mutex);
        ++state->reads;
        state->changed.wait(lock, [&] { return state->answers; });
        return file_config{config, {}};
      };
  }
  void answer() {
    const std::lock_guard guard(state_->mutex);
    state_->answers = true;
    state_->changed.notify_all();
  }
  std::size_t reads() const {
    const std::lock_guard guard(state_->mutex);
    return state_->reads;
  }

private:
  struct state {
    std::mutex mutex;
    std::condition_variable changed;
    bool answers = false;
    std::size_t reads = 0;
  };
  std::shared_ptr<state> state_ = std::make_shared<state>();
};

overlay_root_actor root_of(const embedded_overlay& overlay) {
  return caf::actor_cast<overlay_root_actor>(overlay.running.actor);
}

/// An overlay that was started from a file, and requests whose answers come to
/// a log.
struct from_file {
  from_file() {
    one.options.log = std::make_shared<spdlog::logger>("test", lines);
    one.options.read_config = file.reader(one.options.config);
    one.options.sources.clock = clock;
    one.start({});
  }
  template <class Message>
  void ask(Message message, std::size_t times = 1) {
    home.system().spawn([this, message,
                         times](caf::event_based_actor* self) -> caf::behavior {
      for (std::size_t i = 0; i < times; ++i)
        self->request(root_of(one), caf::infinite, message)
          .then([to = answers](const config_changes& done) { to->push(done); },
                [to = answers](const caf::error& error) { to->push(error); });
      return {};
    });
  }

  std::shared_ptr<line_sink> lines = std::make_shared<line_sink>();
  std::shared_ptr<manual_clock> clock = std::make_shared<manual_clock>();
  deterministic_random random{61};
  slow_file file;
  world home;
  embedded_overlay one{home, random, 1};
  message_log_ptr answers = std::make_shared<message_log>();
};

} // namespace

TEST_CASE_METHOD(from_file,
                 "However many ask for a reload while the file is "
                 "being read, it is read once more for all of them") {
  ask(reload_config{});
  REQUIRE(eventually([&] { return file.reads() == 1; }));
  ask(reload_config{}, 50);
  for (int i = 0; i < 10'000; ++i)
    caf::anon_send(one.running.actor, reload_config{});
  one.status(); // the overlay has heard of the ten thousand, and goes on
  file.answer();
  for (int i = 0; i < 51; ++i)
    answers->next<config_changes>();
  CHECK(file.reads() == 2);
}

TEST_CASE_METHOD(from_file, "A file that does not answer keeps nobody from "
                            "changing the overlay, or from ending it") {
  ask(reload_config{}, 3);
  REQUIRE(eventually([&] { return file.reads() == 1; }));
  peer_config peer;
  peer.public_key.bytes[0] = std::byte{9};
  CHECK(home.ask<config_changes>(one.running.actor, add_peer{peer}).peers_added
        == 1);
  one.stop();
  for (int i = 0; i < 3; ++i)
    CHECK(error_code(answers->next<caf::error>()) == ESHUTDOWN);
}

TEST_CASE_METHOD(from_file, "Who waits for a file that does not answer is told "
                            "so, and it is read anew once it does") {
  ask(reload_config{});
  REQUIRE(eventually([&] { return file.reads() == 1; }));
  one.status(); // the overlay has set its deadline
  clock->advance(20s - 1ns);
  one.status();
  CHECK(answers->count<caf::error>() == 0);
  clock->advance(1ns);
  CHECK(error_code(answers->next<caf::error>()) == EBUSY);
  ask(reload_config{});
  CHECK(error_code(answers->next<caf::error>()) == EBUSY);
  file.answer();
  CHECK(eventually([&] { return file.reads() == 2; }));
}

TEST_CASE_METHOD(from_file,
                 "Changes that wait are bounded, and the order to end "
                 "passes them") {
  device_update many;
  for (unsigned i = 0; i < 4000; ++i) {
    auto& peer = many.peers.emplace_back();
    store_le(peer.public_key.bytes.data(), i + 1);
  }
  std::mutex mutex;
  std::map<int, std::size_t> codes;
  std::size_t done = 0;
  constexpr std::size_t count = 3000;
  home.system().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    caf::anon_send(root_of(one), many);
    remove_peer absent;
    absent.peer.bytes[0] = std::byte{1};
    for (std::size_t i = 0; i < count; ++i)
      self->request(root_of(one), caf::infinite, absent)
        .then(
          [&](const config_changes&) {
            const std::lock_guard guard(mutex);
            ++done;
          },
          [&](const caf::error& error) {
            const std::lock_guard guard(mutex);
            ++codes[error_code(error)];
            ++done;
          });
    caf::anon_send(root_of(one), shut_down{});
    return {};
  });
  home.await_end(one.running.actor);
  one.running = {};
  REQUIRE(eventually([&] {
    const std::lock_guard guard(mutex);
    return done == count;
  }));
  CHECK(codes[EBUSY] > 0);
  CHECK(codes[ESHUTDOWN] > 0);
}

TEST_CASE_METHOD(from_file, "A reload takes back the peers of commands, and "
                            "leaves those of the network") {
  const auto key = [](std::uint8_t number) {
    public_key made;
    made.bytes[0] = std::byte{number};
    return made;
  };
  device_update told;
  told.origin = peer_origin::network;
  told.peers.emplace_back().public_key = key(1);
  REQUIRE_FALSE(home.command(root_of(one), told));
  peer_config commanded;
  commanded.public_key = key(2);
  home.ask<config_changes>(one.running.actor, add_peer{commanded});
  CHECK(one.status().peers.size() == 2);
  clock->advance(1s); // reports have a price in time
  file.answer();
  CHECK(
    home.ask<config_changes>(one.running.actor, reload_config{}).peers_removed
    == 1);
  const auto left = one.status().peers;
  REQUIRE(left.size() == 1);
  CHECK(left[0].public_key == key(1));
}

TEST_CASE("A reload for which there is no room is told to the log") {
  deterministic_random random{61};
  world home;
  embedded_overlay one{home, random, 1};
  const auto lines = std::make_shared<line_sink>();
  one.options.log = std::make_shared<spdlog::logger>("test", lines);
  std::promise<overlay_root_actor> root;
  one.options.read_config
    = [config = one.options.config, root = root.get_future().share()]()
    -> tl::expected<file_config, std::string> {
    // Before what is read comes to the overlay, others fill its queue.
    for (int i = 0; i < 20'000; ++i)
      caf::anon_send(root.get(), remove_peer{});
    return file_config{config, {}};
  };
  one.start({});
  root.set_value(root_of(one));
  caf::anon_send(one.running.actor, reload_config{});
  CHECK(eventually([&] {
    return lines->count("stays as it was: too many changes wait already") == 1;
  }));
}

TEST_CASE_METHOD(from_file, "Reports that differ are collected one after the "
                            "other, and all who ask are answered") {
  auto pages = std::make_shared<message_log>();
  home.system().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    for (std::uint32_t i = 0; i < 100; ++i)
      for (int twice = 0; twice < 2; ++twice)
        self->request(one.running.actor, caf::infinite, get_status{i, 1 + i})
          .then([pages](const device_status&) { pages->push(true); });
    return {};
  });
  CHECK(eventually([&] {
    clock->advance(1ms); // what a report costs
    return pages->count<bool>() == 200;
  }));
}

TEST_CASE_METHOD(from_file, "A change that the registry would refuse changes "
                            "neither key nor port") {
  peer_config alpha;
  alpha.name = "alpha";
  alpha.public_key.bytes[0] = std::byte{9};
  home.ask<config_changes>(one.running.actor, add_peer{alpha});
  device_update update;
  update.private_key = generate_private_key(random);
  update.listen_port = 0;
  auto& peer = update.peers.emplace_back();
  peer.public_key.bytes[0] = std::byte{8};
  peer.set(&peer_config::name, "alpha");
  const auto error = home.command(root_of(one), update);
  CHECK(error_code(error) == EEXIST);
  const auto status = one.status();
  CHECK(status.public_key == one.key);
  CHECK(status.listen_port == one.running.port);
  CHECK(status.peers.size() == 1);
}

TEST_CASE_METHOD(from_file,
                 "However many ask for the status, and however often, "
                 "it is collected four times a second at most") {
  for (int round = 0; round < 5; ++round) {
    auto together = std::make_shared<message_log>();
    home.system().spawn([&](caf::event_based_actor* self) -> caf::behavior {
      for (int i = 0; i < 100; ++i)
        self->request(one.running.actor, caf::infinite, get_status{})
          .then([together](const device_status& status) {
            together->push(status.listen_port);
          });
      self->request(one.running.actor, caf::infinite, generate_keys{})
        .then([together](const key_pair&) { together->push(true); });
      return {};
    });
    together->next<bool>(); // the overlay has heard all of them
    CHECK(together->count<std::uint16_t>() <= (round == 0 ? 1U : 0U));
    clock->advance(250ms);
    for (int i = 0; i < 100; ++i)
      CHECK(together->next<std::uint16_t>() == one.running.port);
  }
}

TEST_CASE("The sessions of a machine that was cloned end, and begin anew") {
  embedded_pair pair;
  fake<event_subscriber> listener(pair.home);
  REQUIRE_FALSE(
    pair.home.command(pair.left.running.actor, subscribe{listener.handle()}));
  const auto handshakes = std::make_shared<message_log>();
  listener.on<event_batch>(
    [handshakes](const event_batch& batch) -> caf::result<void> {
      for (const auto& event : batch.events) {
        if (event.kind == event_kind::handshake_completed)
          handshakes->push(event);
      }
      return caf::unit;
    });
  const auto packet = numbered_packet(1, 2, 1, 100, true);
  REQUIRE(pair.left.send({packet}) == 1);
  CHECK(pair.right.next() == packet);
  handshakes->next<overlay_event>();
  caf::anon_send(root_of(pair.left), machine_cloned{});
  CHECK(eventually([&] { return !pair.left.status().peers[0].session_age; }));
  REQUIRE(pair.left.send({packet}) == 1);
  CHECK(pair.right.next() == packet);
  handshakes->next<overlay_event>();
}
