// Members of a network whose directories are cut off from their store, or lie.
#include "protocol/network/member_session.hpp"
#include "tests/actors/embedded.hpp"
#include "tests/actors/member_node.hpp"
#include "tests/actors/played_directory.hpp"

#include <numeric>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

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

std::uint64_t refused_by(member_node& who) {
  const auto refused = who.network().refused;
  return std::accumulate(refused.begin(), refused.end(), std::uint64_t{0},
                         [](auto sum, const auto& each) {
                           return sum + each.count;
                         });
}

/// A member that knows two directories: a real one, which is away, and one
/// whose part the test plays.
struct between_two_directories {
  between_two_directories() {
    beta.config.directories = {address_of(net.where()), played.address()};
    net.stop();
  }
  static signing_seed start(directory_home& net) {
    net.start();
    net.options.config.listen = net.where(); // also later
    return net.issuer.invite(2);
  }

  directory_home net;
  signing_seed token = start(net);
  member_node beta{net, "beta", token};
  played_directory played{net.pki};
};

} // namespace

TEST_CASE_METHOD(
  between_two_directories,
  "a member whose directory is cut off from its store hears of changes "
  "by another one") {
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

TEST_CASE_METHOD(
  between_two_directories,
  "a member stays at a directory that is cut off while no other one is "
  "there, and says so") {
  beta.start();
  for (int times = 0; times < 2; ++times) {
    // The first time it asks the other one.
    auto there = played.accept();
    there.welcome(true);
    if (times == 0) {
      CHECK(there.is_ended());
      continue;
    }
    CHECK(beta.has_trouble("cut off"));
    CHECK(beta.network().directory == to_string(played.address()));
    there.send(directory_cut_off{false});
    CHECK(beta.has_no_trouble());
  }
}

TEST_CASE_METHOD(
  one_member,
  "a member that has two addresses of one directory knows that it is "
  "the same one, and stays there while that is cut off") {
  net.stop();
  played_directory played(net.pki, "played", "0.0.0.0:0");
  const auto port = played.address().port;
  beta.config.directories = {{"127.0.0.1", port}, {"127.0.0.2", port}};
  beta.start();
  auto there = played.accept();
  there.welcome();
  REQUIRE(beta.is_connected());
  there.send(directory_cut_off{true});
  CHECK(there.is_ended());
  // By the other address it sees who that is, and says nothing.
  CHECK_FALSE(played.accept().next());
  auto again = played.accept();
  again.welcome(true);
  CHECK(beta.has_trouble("cut off"));
  // Later it need not look for that.
  again.send(directory_cut_off{false});
  CHECK(beta.has_no_trouble());
  again.send(directory_cut_off{true});
  CHECK(beta.has_trouble("cut off"));
  CHECK_FALSE(beta.network().directory.empty());
}

TEST_CASE_METHOD(between_two_directories,
                 "a directory that refuses a renewal is left for another one") {
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
  CHECK(eventually([&] { return beta.generation() == 2; }));
}

TEST_CASE_METHOD(
  two_members,
  "a directory that tells 100,000 lies takes from a member neither its "
  "peers nor its memory") {
  connect();
  const auto before = beta.status().peers.at(0);
  beta.end();
  played_directory liar(net.pki);
  beta.config.directories = {liar.address()};
  beta.begin();
  auto there = liar.accept();
  there.welcome();
  REQUIRE(beta.is_connected());

  // What is rightly signed in others' places, what is nearly signed, and what
  // is nothing; now and then in gamma's place.
  const auto rightly = gamma.identity().chain.front();
  auto nearly = rightly;
  nearly.back() ^= std::byte{1};
  const byte_vector nothing(300, std::byte{0x30});
  deterministic_random random{9};
  const auto flood = [&](std::size_t count, bool in_gammas_place) {
    for (std::size_t told = 0; told < count;) {
      items_changed lies;
      lies.revision = told + 2;
      for (std::size_t i = 0; i < 500; ++i, ++told) {
        const bool is_gammas = in_gammas_place && i < 2;
        const auto whose
          = is_gammas ? gamma.contents().id : member_id::draw(random);
        const auto kind
          = i % 2 == 0 ? item_kind::certificate : item_kind::record;
        lies.items.push_back({item_key(kind, whose), is_gammas || i % 20 == 0
                                                       ? nearly
                                                     : i % 20 == 10 ? rightly
                                                                    : nothing});
      }
      there.send(lies);
      if (in_gammas_place)
        there.send(items_changed{
          told, {}, {item_key(item_kind::certificate, gamma.contents().id)}});
      there.send(
        endpoint_seen{{*parse_ip_address("192.0.2.1"),
                       static_cast<std::uint16_t>(told / 500 + 1), 0}});
      there.send(directory_cut_off{told % 1'000 == 0});
    }
  };
  flood(100'000, true);
  // Records wait for their certificates until all has been compared.
  there.send(compare_again{});
  std::ignore = there.next_of<compare_items>();
  there.send(items_page{{}, {}, true, 9});
  CHECK(eventually([&] { return refused_by(beta) >= 90'000; }));
  CHECK(beta.peers() == std::set<std::string>{"gamma"});
  const auto after = beta.status().peers.at(0);
  CHECK(after.public_key == before.public_key);
  CHECK(after.allowed_ips == before.allowed_ips);
  CHECK(after.endpoint == before.endpoint);
  CHECK(beta.network().directory == to_string(liar.address()));
  CHECK(beta.network().refused.size() < 20);

  // One that tells without end is left, and nothing of it stays.
  flood(member_session::most_told_items - 100'000 + 1'000, false);
  CHECK(there.is_ended());
  CHECK(beta.peers() == std::set<std::string>{"gamma"});
  auto again = liar.accept();
  std::ignore = again.next_of<member_hello>();
  again.send(directory_welcome{});
  CHECK(again.next_of<compare_items>().have == bucket_table{}.digests());
}

TEST_CASE_METHOD(
  one_member, "a member speaks to directories alone, and not to another member "
              "in the place of one") {
  played_directory other(net.pki, net.pki.member("other"));
  beta.config.directories = {other.address()};
  beta.start();
  CHECK_FALSE(other.meet().shake_hands());
  CHECK(beta.has_trouble("it is no directory, but a member"));
}

TEST_CASE(
  "a member tells once that its list of removed members is older than a "
  "day, and again when the next one is") {
  directory_home net;
  net.start();
  const auto token = net.issuer.invite(2);
  member_node beta(net, "beta", token);
  const auto gamma = net.join(token, "gamma");
  beta.start();
  REQUIRE(beta.is_connected());
  REQUIRE(eventually([&] { return beta.network().list_issued.has_value(); }));
  const auto first = beta.network().list_issued;
  event_record events(net.home, beta.overlay().running.actor);
  net.clock->skip(25h);
  const auto told = events.next(event_kind::removals_outdated);
  CHECK(told.reason.find("list of removed members") != std::string::npos);
  CHECK(told.peer_name.empty());
  // A newer one comes.
  net.issuer.remove("gamma");
  REQUIRE(eventually([&] { return beta.network().list_issued != first; }));
  net.clock->skip(25h);
  CHECK(events.next(event_kind::removals_outdated).when > told.when + 25h);
}
