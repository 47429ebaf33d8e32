// Configurations that are only looked at, and those on trial.
#include "messages/errors.hpp"
#include "messages/overlay.hpp"
#include "tests/actors/embedded.hpp"
#include "tests/actors/line_sink.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

peer_config peer_called(const std::string& name) {
  peer_config peer;
  peer.name = name;
  peer.public_key.bytes[0] = std::byte(name.front());
  return peer;
}

/// An overlay from a file with the peer `alpha`, and a clock that is turned by
/// hand.
struct tried {
  tried() {
    one.options.log = std::make_shared<spdlog::logger>("test", lines);
    one.options.sources.clock = clock;
    one.options.config.peers = {peer_called("alpha")};
    file = one.options.config;
    one.options.file = "/etc/weft/x.yaml";
    one.options.file_digest = "first";
    one.options.read_config
      = [this]() -> tl::expected<file_config, std::string> {
      ++reads;
      while (file_is_silent)
        std::this_thread::sleep_for(1ms);
      return file_config{file, digest};
    };
    wanted = one.options.config;
    wanted.peers = {peer_called("beta")};
    wanted.interface.private_key.wipe();
    one.start({});
  }

  tl::expected<config_changes, caf::error> apply(std::chrono::seconds within) {
    return home.try_ask<config_changes>(one.running.actor,
                                        apply_config{wanted, false, within});
  }
  std::vector<std::string> names() {
    std::vector<std::string> all;
    const auto got
      = home.ask<node_configuration>(one.running.actor, get_configuration{});
    for (const auto& peer : got.config.peers)
      all.push_back(peer.name);
    return all;
  }
  /// Over another connection than the rest.
  caf::error confirm() {
    caf::scoped_actor other{home.system()};
    caf::error failure;
    other->request(one.running.actor, patience, confirm_config{})
      .receive([] {}, [&](caf::error& why) { failure = std::move(why); });
    return failure;
  }
  /// Whether the one that is taken back is on trial no more.
  bool has_ended() {
    return eventually([&] { return code_of(confirm()) == EINVAL; });
  }
  int code_of(const caf::error& error) const {
    return error ? error_code(error) : 0;
  }

  std::shared_ptr<line_sink> lines = std::make_shared<line_sink>();
  std::shared_ptr<manual_clock> clock = std::make_shared<manual_clock>();
  deterministic_random random{61};
  node_config file;
  std::string digest = "first";
  std::atomic<int> reads{0};
  std::atomic<bool> file_is_silent{false};
  world home;
  embedded_overlay one{home, random, 1};
  node_config wanted;
};

using words = std::vector<std::string>;

overlay_root_actor root_of(const embedded_overlay& overlay) {
  return caf::actor_cast<overlay_root_actor>(overlay.running.actor);
}

/// A UDP port of the loopback link that is ours, but for a while: one that
/// nobody is given who asks for any.
class held_port {
public:
  held_port() : where_(*parse_endpoint("127.0.0.1:0")) {
    constexpr std::uint16_t first = 20000, count = 10000;
    for (int i = 0; !socket_; ++i) {
      REQUIRE(i < count);
      where_.port
        = static_cast<std::uint16_t>(first + (::getpid() + i) % count);
      take();
    }
  }
  const endpoint& where() const {
    return where_;
  }
  bool take() {
    socket_ = file_descriptor{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(where_.port);
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&to),
               sizeof(to))
        != 0)
      socket_.reset();
    return static_cast<bool>(socket_);
  }
  void release() {
    socket_.reset();
  }

private:
  endpoint where_;
  file_descriptor socket_;
};

} // namespace

TEST_CASE_METHOD(tried, "A dry run says what would change, and changes "
                        "nothing") {
  wanted.interface.mtu = 1300;
  const auto changes
    = home.ask<config_changes>(one.running.actor, apply_config{wanted, true});
  CHECK(changes.peers_added == 1);
  CHECK(changes.peers_removed == 1);
  CHECK(changes.notes.at(0) == "interface.mtu: 1420 -> 1300");
  CHECK(names() == words{"alpha"});
  file = wanted;
  file.interface.private_key = generate_private_key(random);
  const auto reload
    = home.ask<config_changes>(one.running.actor, reload_config{true, false});
  CHECK(reload.peers_added == 1);
  CHECK(reload.notes.at(0) == "interface.private_key: changes");
  CHECK(names() == words{"alpha"});
  CHECK(lines->count("configuration applied") == 0);
}

TEST_CASE_METHOD(tried, "What nobody confirms in time is taken back, and until "
                        "then nobody changes anything else") {
  const auto changes = apply(60s);
  REQUIRE(changes);
  CHECK(changes->notes.back().find("60 s") != std::string::npos);
  CHECK(names() == words{"beta"});
  const auto add = home.try_ask<config_changes>(one.running.actor,
                                                add_peer{peer_called("gamma")});
  CHECK(code_of(add.error()) == EBUSY);
  const auto again = apply(60s);
  CHECK(code_of(again.error()) == EBUSY);
  const auto reload
    = home.try_ask<config_changes>(one.running.actor, reload_config{});
  CHECK(code_of(reload.error()) == EBUSY);
  CHECK(code_of(home.command(one.running.actor, expect_file{"x", "y"}))
        == EBUSY);
  clock->advance(60s - 1ns);
  CHECK(names() == words{"beta"});
  clock->advance(1ns);
  CHECK(eventually([&] { return names() == words{"alpha"}; }));
  CHECK(lines->count("taken back: nobody confirmed it within 60 s") == 1);
  CHECK(eventually([&] {
    return home
      .try_ask<config_changes>(one.running.actor,
                               add_peer{peer_called("gamma")})
      .has_value();
  }));
}

TEST_CASE_METHOD(tried, "What cannot be taken back yet is tried again") {
  held_port port;
  wanted.interface.listen = port.where();
  port.release();
  REQUIRE(apply(0s)); // not on trial
  wanted.interface.listen.port = 0;
  wanted.peers = {peer_called("gamma")};
  REQUIRE(apply(60s));
  REQUIRE(port.take());
  clock->advance(60s);
  CHECK(eventually([&] { return lines->count("taken back: nobody") == 1; }));
  // There is a second try once the first one has failed.
  CHECK(eventually([&] {
    clock->advance(5s);
    return lines->count("taken back: nobody") > 1;
  }));
  CHECK(names() == words{"gamma"});
  port.release();
  CHECK(eventually([&] {
    clock->advance(5s);
    return names() == words{"beta"};
  }));
}

TEST_CASE_METHOD(tried, "A log level that is set while a configuration is on "
                        "trial stays when that is taken back") {
  wanted.log.level = log_level::warn;
  REQUIRE(apply(60s));
  REQUIRE_FALSE(
    home.command(one.running.actor, set_log_level{log_level::debug}));
  clock->advance(60s);
  CHECK(eventually([&] { return names() == words{"alpha"}; }));
  CHECK(home.ask<node_configuration>(one.running.actor, get_configuration{})
          .config.log.level
        == log_level::debug);
}

TEST_CASE_METHOD(tried, "A dry run that nobody waits for any more changes "
                        "nothing once the file answers") {
  file.peers.push_back(peer_called("delta"));
  digest = "second";
  file_is_silent = true;
  caf::scoped_actor curious{home.system()};
  auto dry_run
    = curious->request(one.running.actor, patience, reload_config{true, false});
  CHECK(eventually([&] { return reads == 1; }));
  clock->advance(20s);
  caf::error answer;
  dry_run.receive([](const config_changes&) {},
                  [&](caf::error& why) { answer = std::move(why); });
  CHECK(code_of(answer) == EBUSY);
  file_is_silent = false;
  CHECK(eventually([&] { return lines->count("answers again") == 1; }));
  CHECK(names() == words{"alpha"});
  CHECK(reads == 1);
  CHECK(home.ask<config_changes>(one.running.actor, reload_config{}).peers_added
        == 1);
}

TEST_CASE_METHOD(tried, "What somebody confirms over another connection "
                        "stays") {
  CHECK(code_of(confirm()) == EINVAL); // there is nothing
  REQUIRE(apply(60s));
  const auto same = home.command(one.running.actor, confirm_config{});
  CHECK(code_of(same) == EINVAL);
  CHECK_FALSE(confirm());
  clock->advance(120s);
  CHECK(names() == words{"beta"});
  CHECK(code_of(confirm()) == EINVAL);
}

TEST_CASE_METHOD(tried, "A peer's change on trial is taken back as well") {
  const auto on_trial = [](const std::string& name) {
    add_peer asked{peer_called(name)};
    asked.confirm_within = 60s;
    return asked;
  };
  home.ask<config_changes>(one.running.actor, on_trial("gamma"));
  CHECK(names() == words{"alpha", "gamma"});
  clock->advance(61s);
  CHECK(eventually([&] { return names() == words{"alpha"}; }));
  REQUIRE(has_ended());
  home.ask<config_changes>(one.running.actor, on_trial("gamma"));
  CHECK_FALSE(confirm());
  update_peer renamed;
  renamed.update.public_key = peer_called("gamma").public_key;
  renamed.update.set(&peer_config::name, "delta");
  renamed.confirm_within = 60s;
  home.ask<config_changes>(one.running.actor, renamed);
  CHECK(names() == words{"alpha", "delta"});
  clock->advance(61s);
  CHECK(eventually([&] { return names() == words{"alpha", "gamma"}; }));
  REQUIRE(has_ended());
  // Who is not there is not on trial, either.
  renamed.update.public_key = peer_called("epsilon").public_key;
  CHECK_FALSE(home.try_ask<config_changes>(one.running.actor, renamed));
  CHECK(home.try_ask<config_changes>(one.running.actor,
                                     add_peer{peer_called("epsilon")}));
}

TEST_CASE_METHOD(tried, "A change of a peer that is the network's is not on "
                        "trial, and nothing is taken back for it") {
  device_update told;
  told.origin = peer_origin::network;
  told.peers.emplace_back().public_key = peer_called("member").public_key;
  REQUIRE_FALSE(home.command(root_of(one), told));
  update_peer asked;
  asked.update.public_key = peer_called("member").public_key;
  asked.update.set(&peer_config::name, "mine");
  asked.confirm_within = 60s;
  CHECK_FALSE(home.try_ask<config_changes>(one.running.actor, asked));
  CHECK(code_of(confirm()) == EINVAL);
  CHECK(home.try_ask<config_changes>(one.running.actor,
                                     add_peer{peer_called("gamma")}));
  clock->advance(120s);
  CHECK(names() == words{"alpha", "gamma"});
  CHECK(lines->count("taken back") == 0);
}

TEST_CASE_METHOD(tried, "What is refused while the node is handed over is not "
                        "on trial once it goes on") {
  home.ask<overlay_left>(root_of(one), hand_over{});
  CHECK_FALSE(apply(60s));
  caf::anon_send(root_of(one), thaw{});
  CHECK(eventually([&] {
    return home
      .try_ask<config_changes>(one.running.actor,
                               add_peer{peer_called("gamma")})
      .has_value();
  }));
  CHECK(names() == words{"alpha", "gamma"});
}

TEST_CASE_METHOD(tried, "A change that fails is not on trial") {
  wanted.peers = {peer_called("beta"), peer_called("beta")};
  wanted.peers[1].public_key.bytes[1] = std::byte{1};
  CHECK_FALSE(apply(60s));
  CHECK(names() == words{"alpha"});
  CHECK(home.try_ask<config_changes>(one.running.actor,
                                     add_peer{peer_called("gamma")}));
  clock->advance(120s);
  CHECK(names() == words{"alpha", "gamma"});
  CHECK(code_of(apply(2h).error()) == EINVAL);
}

TEST_CASE_METHOD(tried,
                 "A file that changed while another configuration was on "
                 "trial is read afterwards") {
  REQUIRE(apply(60s));
  file.peers.push_back(peer_called("delta"));
  digest = "second";
  caf::anon_send(one.running.actor, reload_config{false, true});
  CHECK(eventually([&] { return lines->count("is on trial") == 1; }));
  CHECK(reads == 0);
  CHECK_FALSE(confirm());
  CHECK(eventually([&] { return names() == words{"alpha", "delta"}; }));
}

TEST_CASE_METHOD(tried,
                 "A watched file is not applied again if it is as it was "
                 "read or saved") {
  home.ask<config_changes>(one.running.actor, add_peer{peer_called("gamma")});
  const auto look = [&] {
    return home.ask<config_changes>(one.running.actor,
                                    reload_config{false, true});
  };
  look();
  CHECK(names() == words{"alpha", "gamma"});
  digest = "second";
  REQUIRE_FALSE(
    home.command(one.running.actor, expect_file{"first", "second"}));
  look();
  CHECK(names() == words{"alpha", "gamma"});
  // Once it is saved, an older text is news.
  REQUIRE_FALSE(
    home.command(one.running.actor, expect_file{"second", "second"}));
  look();
  CHECK(names() == words{"alpha", "gamma"});
  digest = "first";
  CHECK(look().peers_removed == 1);
  home.ask<config_changes>(one.running.actor, add_peer{peer_called("gamma")});
  digest = "third";
  CHECK(look().peers_removed == 1);
  CHECK(names() == words{"alpha"});
  // Whoever asks for it gets it in any case.
  home.ask<config_changes>(one.running.actor, add_peer{peer_called("gamma")});
  CHECK(
    home.ask<config_changes>(one.running.actor, reload_config{}).peers_removed
    == 1);
}

TEST_CASE_METHOD(tried, "A configuration is told with its file, by pages, and "
                        "without secrets") {
  auto secret = peer_called("secret");
  secret.preshared_key = preshared_key{generate_private_key(random).bytes()};
  home.ask<config_changes>(one.running.actor, add_peer{secret});
  const auto got
    = home.ask<node_configuration>(one.running.actor, get_configuration{});
  CHECK(got.file == "/etc/weft/x.yaml");
  CHECK(got.digests.at(0) == "first");
  CHECK(got.changes == 2); // the peers of its file, too
  CHECK(got.config.interface.private_key.is_zero());
  REQUIRE(got.config.peers.size() == 2);
  CHECK(got.config.peers[1].preshared_key.is_zero());
  CHECK(got.with_preshared_key == std::vector{secret.public_key});
  const auto rest
    = home.ask<node_configuration>(one.running.actor, get_configuration{1});
  CHECK(rest.config.peers.size() == 1);
  CHECK(rest.next_peer == 0);
}
