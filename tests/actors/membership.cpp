// Members of a network: overlays with a membership beside them, a real
// directory with its store, and an issuer.
#include "actors/network/membership.hpp"

#include "tests/actors/member_node.hpp"
#include "tests/actors/played_directory.hpp"
#include "tests/actors/slow_disk.hpp"

#include <filesystem>
#include <thread>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

using names = std::set<std::string>;

} // namespace

TEST_CASE("members of a network become each other's peers") {
  directory_home net;
  net.start();
  const auto token = net.issuer.invite(2);
  member_node beta(net, "beta", token);
  beta.start();
  CHECK(beta.is_connected());
  CHECK(beta.peers().empty());
  member_node gamma(net, "gamma", token);
  gamma.config.endpoints = {*parse_endpoint("192.0.2.9:51820")};
  gamma.start();
  CHECK(beta.has_peers({"gamma"}));
  CHECK(gamma.has_peers({"beta"}));
  const auto peer = [&] { return beta.status().peers.at(0); };
  CHECK(peer().public_key == gamma.contents().key);
  CHECK(peer().allowed_ips == gamma.contents().prefixes);
  CHECK(eventually(
    [&] { return peer().endpoint == parse_endpoint("192.0.2.9:51820"); }));
  CHECK(eventually([&] { return beta.network().members == 2; }));
  const auto status = beta.network();
  CHECK(status.name == "prod");
  CHECK(status.member == "beta");
  CHECK(status.trouble.empty());
  CHECK(status.peers == 1);
  CHECK(status.list_issued);
  CHECK(status.certificate_ends);
}

TEST_CASE_METHOD(two_members,
                 "a member that was removed is nobody's peer any more") {
  connect();
  REQUIRE(gamma.has_peers({"beta"}));
  net.issuer.remove("gamma");
  CHECK(beta.has_peers({}));
  CHECK(gamma.has_trouble("was removed from the network"));
  // Nor after a restart without a directory.
  net.stop();
  beta.stop();
  beta.start();
  CHECK(beta.peers().empty());
}

TEST_CASE_METHOD(two_members,
                 "a list of removed members is on the disk before it counts") {
  connect();
  const auto marks = beta.state_folder() + "/marks";
  const auto number_in = [&](const std::string& file) {
    const auto kept = must(load_file(file, file_privacy::any));
    return must(read_marks(net.pki.network, bytes_of(kept.view())))
      .lists.at("main");
  };
  const auto before = number_in(marks);
  slow_disk disk(marks);
  net.issuer.remove("gamma");
  while (number_in(disk.next()) == before) // something else is written
    disk.go_on();
  // The member knows of the removal by now, and could have carried it out.
  std::this_thread::sleep_for(500ms);
  CHECK(beta.peers() == names{"gamma"});
  CHECK(number_in(marks) == before);
  disk.go_on();
  CHECK(beta.has_peers({}));
  CHECK(number_in(marks) > before);
}

TEST_CASE("who comes to many others has them from one change of the overlay") {
  constexpr std::size_t count = 40;
  directory_home net;
  net.start();
  const auto token = net.issuer.invite(count + 1);
  member_node beta(net, "beta", token);
  items_page page;
  page.buckets.set();
  page.last = true;
  page.items
    = {{item_key(item_kind::issuer, "main"), net.pki.issuer.certificate.der},
       {item_key(item_kind::list, "main"), net.issuer.sign_lost_list()}};
  for (std::size_t i = 0; i < count; ++i) {
    const auto other = net.join(token, "other-" + std::to_string(i));
    page.items.push_back({item_key(item_kind::certificate, other.contents.id),
                          other.identity.chain.front()});
  }
  played_directory played(net.pki);
  beta.config.directories = {played.address()};
  fake<overlay_root_actor> overlay(net.home);
  membership_options options;
  options.config = beta.config;
  options.folder = beta.state_folder();
  options.sources.clock = net.clock;
  beta.membership
    = must(start_membership(net.home.system(),
                            caf::actor_cast<overlay_actor>(overlay.handle()),
                            std::move(options)));
  auto there = played.accept();
  std::ignore = there.next_of<member_hello>();
  there.send(directory_welcome{members_version, {}, 1, false, {}, false});
  std::ignore = there.next_of<compare_items>();
  there.send(page);
  CHECK(overlay.next<device_update>().peers.size() == count);
  beta.end();
  CHECK(overlay.count<device_update>() == 0);
}

TEST_CASE_METHOD(
  two_members, "a member that starts again has its peers without a directory") {
  connect();
  beta.stop();
  net.stop();
  beta.start();
  CHECK(beta.peers() == names{"gamma"}); // as soon as it has started
  CHECK(eventually([&] { return !beta.network().trouble.empty(); }));
  // A membership alone, beside an overlay that goes on.
  beta.end();
  CHECK(beta.peers() == names{"gamma"});
  beta.begin();
  CHECK(beta.peers() == names{"gamma"});
}

TEST_CASE(
  "a node whose disk has lists but not what others are keeps its peers") {
  directory_home net;
  net.start();
  const auto token = net.issuer.invite(3);
  member_node beta(net, "beta", token);
  member_node gamma(net, "gamma", token);
  member_node delta(net, "delta", token);
  beta.start();
  gamma.start();
  delta.start();
  REQUIRE(beta.has_peers({"gamma", "delta"}));
  beta.stop();
  const auto items = beta.state_folder() + "/items";
  const auto old = must(load_file(items, file_privacy::any));
  // From now on it is full, for what is large.
  beta.start();
  REQUIRE(beta.is_connected());
  REQUIRE(eventually([&] {
    std::filesystem::remove(items);
    std::error_code failure;
    return std::filesystem::create_directory(items, failure);
  }));
  write_file(items + "/in-the-way", "");
  // All that is told is newer than what stays.
  gamma.end();
  net.clock->skip(std::chrono::hours{24 * 61});
  gamma.begin();
  REQUIRE(eventually([&] { return gamma.generation() == 2; }));
  net.issuer.remove("delta");
  REQUIRE(beta.has_peers({"gamma"}));
  CHECK(beta.has_trouble("items"));
  beta.stop();
  net.stop();
  std::filesystem::remove_all(items);
  REQUIRE(replace_file(items, old.view(), 0600));
  beta.start();
  CHECK(beta.peers() == names{"gamma"});
}

TEST_CASE_METHOD(two_members, "peers of a file are left alone by the network") {
  beta.start();
  REQUIRE(beta.is_connected());
  peer_config mine;
  mine.name = "mine";
  mine.public_key.bytes.fill(std::byte{7});
  mine.allowed_ips = gamma.contents().prefixes;
  net.home.ask<config_changes>(beta.overlay().running.actor, add_peer{mine});
  gamma.start();
  CHECK(eventually([&] {
    const auto refused = beta.network().refused;
    return std::any_of(refused.begin(), refused.end(), [](const auto& each) {
      return each.reason == "foreign_peer";
    });
  }));
  CHECK(beta.peers() == names{"mine"});
  net.home.ask<config_changes>(beta.overlay().running.actor,
                               remove_peer{mine.public_key});
  CHECK(beta.has_peers({"gamma"}));
}

TEST_CASE_METHOD(two_members,
                 "what a command gives back is the network's again") {
  connect();
  const auto overlay = beta.overlay().running.actor;
  const auto& theirs = gamma.contents();
  peer_config mine;
  mine.name = "mine";
  SECTION("a key, at once") {
    mine.public_key = theirs.key;
    net.home.ask<config_changes>(overlay, add_peer{mine});
    net.home.ask<config_changes>(overlay, remove_peer{theirs.key});
    CHECK(beta.has_peers({"gamma"}));
  }
  SECTION("a key, after the network has heard of it") {
    mine.public_key = theirs.key;
    net.home.ask<config_changes>(overlay, add_peer{mine});
    CHECK(eventually([&] { return beta.network().peers == 0; }));
    CHECK(beta.peers() == names{"mine"});
    net.home.ask<config_changes>(overlay, remove_peer{theirs.key});
    CHECK(beta.has_peers({"gamma"}));
  }
  SECTION("prefixes") {
    mine.public_key.bytes.fill(std::byte{7});
    net.home.ask<config_changes>(overlay, add_peer{mine});
    patch<peer_config> change;
    change.public_key = mine.public_key;
    change.verb = peer_verb::update;
    for (const auto& each : theirs.prefixes)
      change.allowed_ips.push_back({each, false});
    net.home.ask<config_changes>(overlay, update_peer{change});
    for (auto& each : change.allowed_ips)
      each.remove = true;
    net.home.ask<config_changes>(overlay, update_peer{change});
  }
  CHECK(eventually([&] {
    for (const auto& each : beta.status().peers)
      if (each.name == "gamma")
        return each.allowed_ips == theirs.prefixes;
    return false;
  }));
  CHECK(eventually([&] { return beta.network().peers == 1; }));
}

TEST_CASE_METHOD(
  two_members,
  "what a directory tells that nobody signed is counted and no more") {
  beta.start();
  REQUIRE(beta.has_peers({"gamma"}));
  net.issuer.publish_ballast(20);
  CHECK(eventually([&] { return !beta.network().refused.empty(); }));
  CHECK(beta.peers() == names{"gamma"});
}

TEST_CASE_METHOD(two_members, "a member leaves its network") {
  connect();
  REQUIRE(gamma.is_connected());
  CHECK_FALSE(net.home.command(gamma.membership, end_membership{}));
  CHECK(beta.has_peers({}));
}

TEST_CASE_METHOD(
  two_members,
  "a member renews its certificate in time, and uses the new one") {
  gamma.start();
  beta.start();
  REQUIRE(gamma.has_peers({"beta"}));
  beta.end();
  net.clock->skip(std::chrono::hours{24 * 61});
  beta.begin();
  CHECK(eventually([&] { return beta.generation() == 2; }));
  CHECK(eventually([&] {
    return beta.network().certificate_ends
           > net.clock->wall() + std::chrono::hours{24 * 80};
  }));
  // The last list is of two months ago.
  CHECK(beta.has_trouble("older than a day"));
  CHECK(gamma.peers() == names{"beta"});
  // What it says of itself from now on is under the new one.
  beta.end();
  beta.begin();
  CHECK(beta.is_connected());
}

TEST_CASE("a member whose secrets were lost fetches the newest one at once") {
  directory_home net;
  net.start();
  epoch_secret secret{3, {}};
  secret.secret.bytes()[0] = std::byte{9};
  net.issuer.keep_secret(secret);
  const auto token = net.issuer.invite(2);
  member_node beta(net, "beta", token);
  member_node gamma(net, "gamma", token);
  REQUIRE(keep_joining_secret(gamma.state_folder(), secret, network_pki::now));
  gamma.start();
  beta.start();
  CHECK(eventually([&] { return beta.network().epoch == 3; }));
  CHECK(beta.network().trouble.empty());
  CHECK(beta.generation() == 1);
  // It is on its disk.
  net.stop();
  beta.stop();
  beta.start();
  CHECK(eventually([&] { return beta.network().epoch == 3; }));
}

TEST_CASE_METHOD(one_member,
                 "a member whose files are on two machines says so on both") {
  member_node other(net, beta);
  other.config.endpoints = {*parse_endpoint("192.0.2.9:51820")};
  beta.start();
  other.start();
  for (auto* each : {&beta, &other})
    CHECK(each->has_trouble("used on two machines"));
  // One of them is no more.
  other.stop();
  CHECK(beta.is_connected());
  net.clock->skip(double_memory);
  CHECK(beta.has_no_trouble());
}

TEST_CASE_METHOD(
  one_member,
  "a member whose files were moved to another machine is not accused") {
  beta.start();
  REQUIRE(beta.is_connected());
  beta.stop();
  member_node moved(net, beta);
  moved.config.endpoints = {*parse_endpoint("192.0.2.9:51820")};
  moved.start();
  CHECK(moved.is_connected());
  moved.stop();
  beta.start(); // and back
  CHECK(beta.is_connected());
  CHECK(beta.network().trouble.empty());
}

TEST_CASE_METHOD(one_member, "a membership ends with its overlay") {
  beta.start();
  const auto membership = std::exchange(beta.membership, nullptr);
  beta.overlay().stop();
  net.home.await_end(membership);
}

TEST_CASE_METHOD(one_member,
                 "a membership says which of its files it cannot use") {
  beta.start();
  beta.end();
  membership_options options;
  options.config = beta.config;
  options.folder = beta.state_folder();
  options.config.key = "/no/such/file";
  const auto started = start_membership(
    net.home.system(), beta.overlay().running.actor, std::move(options));
  REQUIRE_FALSE(started);
  CHECK_THAT(started.error().message, Contains("/no/such/file"));
}
