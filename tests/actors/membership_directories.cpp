// Members of a network whose directories are cut off from their store, or lie.
#include "tests/actors/embedded.hpp"
#include "tests/actors/member_node.hpp"
#include "tests/actors/played_directory.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

directory_address address_of(const endpoint& where) {
  return {to_string(where.address), where.port};
}

/// Events of a node, once it has been subscribed to.
class event_record {
public:
  event_record(world& home, const overlay_actor& overlay) : subscriber_(home) {
    subscriber_.on<event_batch>(
      [to = log_](const event_batch& batch) -> caf::result<void> {
        for (const auto& event : batch.events)
          to->push(event);
        return caf::unit;
      });
    REQUIRE_FALSE(home.command(overlay, subscribe{subscriber_.handle()}));
  }
  /// The next one of that kind.
  overlay_event next(event_kind kind) {
    for (;;) {
      auto event = log_->next<overlay_event>();
      if (event.kind == kind)
        return event;
    }
  }

private:
  message_log_ptr log_ = std::make_shared<message_log>();
  fake<event_subscriber> subscriber_;
};

} // namespace

TEST_CASE("a member whose directory is cut off from its store hears of changes "
          "by another one") {
  directory_home net;
  net.start();
  net.options.config.listen = net.where(); // also later
  const auto token = net.issuer.invite(2);
  member_node beta(net, "beta", token);
  played_directory played(net.pki);
  beta.config.directories = {address_of(net.where()), played.address()};
  net.stop();
  beta.start();
  auto there = played.accept();
  there.welcome();
  REQUIRE(eventually(
    [&] { return beta.network().directory == to_string(played.address()); }));
  net.start();
  member_node gamma(net, "gamma", token);
  CHECK(beta.peers().empty());
  event_record events(net.home, beta.overlay().running.actor);
  there.send(directory_cut_off{true});
  CHECK(events.next(event_kind::directory_lost).reason.find("store")
        != std::string::npos);
  CHECK(there.is_ended());
  gamma.start();
  CHECK(beta.has_peers({"gamma"}));
  const auto real = to_string(address_of(net.where()));
  CHECK(eventually([&] {
    const auto network = beta.network();
    return network.directory == real && network.trouble.empty();
  }));
}

TEST_CASE("a member stays at a directory that is cut off while no other one is "
          "there, and says so") {
  directory_home net;
  net.start();
  net.options.config.listen = net.where();
  member_node beta(net, "beta", net.issuer.invite());
  played_directory played(net.pki);
  beta.config.directories = {address_of(net.where()), played.address()};
  net.stop();
  beta.start();
  for (int times = 0; times < 2; ++times) {
    // The first time it asks the other one.
    auto there = played.accept();
    there.welcome(true);
    if (times == 0) {
      CHECK(there.is_ended());
      continue;
    }
    CHECK(eventually([&] {
      return beta.network().trouble.find("cut off") != std::string::npos;
    }));
    CHECK(beta.network().directory == to_string(played.address()));
    there.send(directory_cut_off{false});
    CHECK(eventually([&] { return beta.network().trouble.empty(); }));
  }
}

TEST_CASE("a directory that refuses a renewal is left for another one") {
  directory_home net;
  net.start();
  net.options.config.listen = net.where();
  member_node beta(net, "beta", net.issuer.invite());
  played_directory played(net.pki);
  beta.config.directories = {address_of(net.where()), played.address()};
  net.stop();
  net.clock->skip(std::chrono::hours{24 * 61});
  beta.start();
  auto there = played.accept();
  there.welcome();
  const auto asked = there.next_of<renew_certificate>();
  net.start();
  there.send(request_refused{asked.number,
                             {refusal::not_allowed,
                              "the issuer is not reached from here"}});
  CHECK(there.is_ended());
  CHECK(eventually([&] {
    return must(load_identity(beta.config)).contents().generation == 2;
  }));
}
