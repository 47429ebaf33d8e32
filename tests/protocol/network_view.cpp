#include "protocol/network/member_view.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/network_world.hpp"

#include <algorithm>
#include <random>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

std::string outcome(const accepted<bool>& of) {
  if (!of)
    return std::string{to_string(of.error().why)};
  return *of ? "new" : "known";
}

struct member_one {
  signed_network network;
  member_view view = view_of(1, network);

  explicit member_one(bool with_list = true) {
    view.add_certificate(network.certificate(1)).value();
    if (with_list)
      view.add_list(network.list(1, {})).value();
    view.update(noon);
  }
  std::string add(const verified_certificate& certificate) {
    return outcome(view.add_certificate(certificate));
  }
  std::string add(const member_contents& contents, std::uint64_t number) {
    return add(network.certificate(contents, number));
  }
  std::string update(network_time now = noon) {
    return describe(view.update(now), view);
  }
  std::string why_not(std::uint64_t number) {
    const auto& refusal = view.members().at(some_member(number).id).refusal;
    return refusal ? std::string{to_string(refusal->why)} : "a peer";
  }
};

} // namespace

TEST_CASE("Who is certified is a peer, with what its record says") {
  member_one one;
  CHECK(one.update().empty()); // not of itself
  CHECK(one.add(one.network.certificate(2)) == "new");
  CHECK(one.add(one.network.certificate(2)) == "known");
  CHECK(one.update() == "+member-2");
  CHECK(one.update().empty());
  const auto& peer = one.view.peers().at(some_member(2).id);
  CHECK(peer.key == some_member(2).key);
  CHECK(peer.prefixes == some_member(2).prefixes);
  CHECK(peer.endpoints.empty());

  const auto record = one.network.record(2, {1, 1}, "192.0.2.2:51820");
  CHECK(outcome(one.view.add_record(record)) == "new");
  CHECK(outcome(one.view.add_record(record)) == "known");
  CHECK(one.update() == "~member-2");
  CHECK(to_string(one.view.peers().at(some_member(2).id).endpoints.at(0).where)
        == "192.0.2.2:51820");
}

TEST_CASE("Prefixes outside of root and issuer are refused, unless the file "
          "accepts them") {
  member_one one;
  auto contents = some_member(2);
  contents.prefixes = prefixes_of({"192.168.7.0/24"});
  CHECK(one.add(contents, 2) == "outside_ranges");
  CHECK(one.update().empty());
  CHECK(one.view.refused_so_far(refusal::outside_ranges) == 1);

  const auto self = some_member(1);
  member_view wider(
    {some_root(), self.id, self.key, prefixes_of({"192.168.0.0/16"})});
  wider.add_issuer(one.network.issuer).value();
  CHECK(outcome(wider.add_certificate(one.network.certificate(contents, 2)))
        == "new");

  auto issuer = one.network.issuer;
  issuer.contents.ranges = prefixes_of({"10.0.0.0/8"});
  issuer.until += 1h;
  CHECK(outcome(one.view.add_issuer(issuer)) == "outside_ranges");
  auto stranger = one.network.certificate(3);
  stranger.issuer = "second";
  CHECK(one.add(stranger) == "bad_signature");
}

TEST_CASE("Of overlapping members the one keeps all that was let in first") {
  const auto with = [](auto change) {
    auto contents = some_member(3);
    change(contents);
    return contents;
  };
  const std::vector<member_contents> clashes{
    with([](auto& each) { each.name = "member-2"; }),
    with([](auto& each) { each.key = some_member(2).key; }),
    with([](auto& each) { each.prefixes = some_member(2).prefixes; }),
    with([](auto& each) { each.prefixes = prefixes_of({"10.200.0.32/29"}); }),
    with([](auto& each) { each.prefixes = prefixes_of({"10.200.0.32/27"}); })};
  for (const auto& clash : clashes) {
    for (const bool first : {false, true}) {
      member_one one;
      if (first)
        CHECK(one.add(clash, 3) == "new");
      CHECK(one.add(one.network.certificate(2)) == "new");
      CHECK(one.add(clash, 3) == (first ? "known" : "new"));
      CHECK(one.update() == "+member-2");
      CHECK(one.why_not(3) == "taken");
      CHECK(one.view.refused_so_far(refusal::taken) == 1);
      one.update();
      CHECK(one.view.refused_so_far(refusal::taken) == 1);
      // When the first goes the other one has it.
      CHECK(outcome(one.view.add_list(one.network.list(2, {some_member(2).id})))
            == "new");
      CHECK(one.update() == "-member-2 +" + clash.name);
    }
  }
}

TEST_CASE("Nobody takes this node's key, name or addresses") {
  member_one one;
  auto contents = some_member(2);
  contents.allocation = 1;
  contents.key = some_member(1).key;
  CHECK(one.add(contents, 2) == "new");
  one.update();
  CHECK(one.why_not(2) == "own_key");
  contents = some_member(3);
  contents.prefixes = some_member(1).prefixes;
  CHECK(one.add(contents, 3) == "new");
  contents = some_member(4);
  contents.name = "member-1";
  CHECK(one.add(contents, 4) == "new");
  CHECK(one.update().empty());
  CHECK(one.why_not(3) == "taken");
  CHECK(one.why_not(4) == "taken");
}

TEST_CASE("Peers of files and commands are left alone") {
  member_one one;
  one.add(one.network.certificate(2));
  one.add(one.network.certificate(3));
  one.view.set_foreign({{some_member(2).key, {}},
                        {{}, prefixes_of({"10.9.0.0/16", "10.9.1.0/24"})}});
  CHECK(one.update() == "+member-3");
  CHECK(one.why_not(2) == "foreign_peer");
  one.view.set_foreign({{{}, prefixes_of({"10.200.0.48/32", "10.0.0.0/9"})}});
  CHECK(one.update() == "-member-3 +member-2");
  CHECK(one.why_not(3) == "foreign_peer");
  one.view.set_foreign({});
  CHECK(one.update() == "+member-3");
}

TEST_CASE("That another's peer is in a member's way is told once") {
  member_one one;
  one.view.set_foreign({{some_member(2).key, {}}});
  one.add(one.network.certificate(2));
  one.update();
  CHECK(one.view.take_contested() == std::vector{some_member(2).id});
  // Not again when its certificate is renewed, nor for its record.
  auto renewed = some_member(2);
  ++renewed.generation;
  CHECK(one.add(renewed, 2) == "new");
  CHECK(outcome(
          one.view.add_record(one.network.record(2, {1, 1}, "192.0.2.2:51820")))
        == "new");
  one.update();
  CHECK(one.why_not(2) == "foreign_peer");
  CHECK(one.view.take_contested().empty());
  CHECK(one.view.refused_so_far(refusal::foreign_peer) == 1);
  // Whoever takes a peer's place is told by that change.
  one.view.set_foreign({});
  CHECK(one.update() == "+member-2");
  one.view.set_foreign({{some_member(2).key, {}}});
  CHECK(one.update() == "-member-2");
  CHECK(one.view.take_contested().empty());
}

TEST_CASE("A full tunnel of a file leaves members where they are") {
  member_one one;
  one.add(one.network.certificate(2));
  one.view.set_foreign(
    {{{}, prefixes_of({"0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1"})}});
  CHECK(one.update() == "+member-2");
}

TEST_CASE("Another issuer's certificate takes no member's place") {
  member_one one;
  auto other = one.network.issuer;
  other.contents.name = "second";
  one.view.add_issuer(other).value();
  REQUIRE(one.add(one.network.certificate(2)) == "new");
  CHECK(one.update() == "+member-2");
  auto contents = some_member(2);
  contents.generation = 9;
  contents.key = some_member(7).key;
  auto forged = one.network.certificate(contents, 2);
  forged.issuer = "second";
  CHECK(one.add(forged) == "not_allowed");
  CHECK(one.update().empty());
  CHECK(one.view.peers().at(contents.id).key == some_member(2).key);
  // Nor after a restart, whichever comes first then.
  member_view again = view_of(1, one.network, one.view.kept());
  again.add_issuer(other).value();
  CHECK(outcome(again.add_certificate(forged)) == "not_allowed");
  CHECK(outcome(again.add_certificate(one.network.certificate(2))) == "new");
}

TEST_CASE(
  "A member that is removed is no peer any more, whatever is replayed") {
  member_one one;
  const auto certificate = one.network.certificate(2);
  one.add(certificate);
  CHECK(one.update() == "+member-2");
  const auto list = one.network.list(5, {some_member(2).id});
  CHECK(outcome(one.view.add_list(list)) == "new");
  CHECK(outcome(one.view.add_list(list)) == "known");
  CHECK(one.update() == "-member-2");
  CHECK(one.why_not(2) == "revoked");
  CHECK(one.add(certificate) == "known");
  auto renewed = some_member(2);
  renewed.generation = 2;
  CHECK(one.add(renewed, 2) == "new");
  CHECK(outcome(one.view.add_list(one.network.list(4, {}))) == "stale");
  CHECK(outcome(one.view.add_list(one.network.list(5, {}))) == "stale");
  CHECK(one.update().empty());
}

TEST_CASE(
  "Who is removed stays so when an issuer whose clock is ahead leaves it "
  "out of its lists") {
  const network_time in_2100{std::chrono::seconds(4'102'444'800)};
  member_one one;
  const auto certificate = one.network.certificate(2);
  one.add(certificate);
  one.add(one.network.certificate(3));
  one.view.add_list(one.network.list(2, {some_member(2).id})).value();
  CHECK(one.update() == "+member-3");
  one.view.add_list(one.network.list(3, {}, in_2100)).value();
  CHECK(one.update(noon + 1h).empty());
  CHECK(one.why_not(2) == "revoked");

  // Nor across a restart that has lost everything but the marks.
  auto again = view_of(1, one.network, one.view.kept());
  again.add_list(one.network.list(4, {}, in_2100)).value();
  for (std::uint64_t i : {1u, 2u, 3u})
    again.add_certificate(one.network.certificate(i)).value();
  CHECK(describe(again.update(noon + 1h), again) == "+member-3");
  CHECK(again.members().at(some_member(2).id).refusal->why == refusal::revoked);

  // It is remembered as long as its certificate could hold.
  CHECK(one.view.kept().removed.at("first").size() == 1);
  auto later = member_one();
  later.view.add_list(later.network.list(2, {some_member(2).id})).value();
  later.view.add_list(later.network.list(3, {}, noon + a_day * 89)).value();
  later.update(noon + a_day * 89);
  CHECK(later.view.kept().removed.at("first").size() == 1);
  auto renewed = later.network.certificate(1);
  renewed.contents.generation = 2;
  renewed.until = noon + a_day * 150;
  later.add(renewed);
  later.view.add_list(later.network.list(4, {}, noon + a_day * 91)).value();
  later.update(noon + a_day * 91);
  CHECK(later.view.kept().removed.at("first").empty());
}

TEST_CASE("A node that was removed has no peers") {
  member_one one;
  one.add(one.network.certificate(2));
  one.update();
  one.view.add_list(one.network.list(2, {some_member(1).id})).value();
  CHECK(one.update() == "-member-2");
  CHECK(one.why_not(1) == "revoked");
}

TEST_CASE("A certificate counts only with a list that is as new as it wants") {
  member_one one(false);
  one.add(one.network.certificate(2));
  auto later = some_member(3);
  later.revocation = 7;
  one.add(later, 3);
  CHECK(one.update().empty()); // without any list
  CHECK(one.why_not(2) == "list_missing");
  one.view.add_list(one.network.list(6, {})).value();
  CHECK(one.update() == "+member-2");
  CHECK(one.why_not(3) == "list_missing");
  one.view.add_list(one.network.list(7, {})).value();
  CHECK(one.update() == "+member-3");
  CHECK(one.view.list_issued("first") == noon);
  CHECK_FALSE(one.view.list_issued("second"));
}

TEST_CASE("Lists of others are none") {
  member_one one;
  auto list = one.network.list(9, {some_member(2).id});
  list.content.back() ^= std::byte{1};
  CHECK(outcome(one.view.add_list(list)) == "bad_signature");
  list = sign_bytes(signed_network::member_seed(2),
                    one.network.list(9, {}).content);
  CHECK(outcome(one.view.add_list(list)) == "bad_signature");
  list = sign_bytes(one.network.issuer_seed,
                    encode(revocation_list{{}, "first", 9, noon, {}}));
  CHECK(outcome(one.view.add_list(list)) == "wrong_network");
  list.content.resize(3); // nobody reads what nobody has signed
  CHECK(outcome(one.view.add_list(list)) == "bad_signature");
  list = sign_bytes(one.network.issuer_seed, std::move(list.content));
  CHECK(outcome(one.view.add_list(list)) == "malformed");
  list.content.resize(most_revocation_bytes + 1);
  CHECK(outcome(one.view.add_list(list)) == "malformed");
  auto of_nobody = revocation_list{some_root().network, "second", 9, noon, {}};
  list = sign_bytes(one.network.issuer_seed, encode(of_nobody));
  CHECK(outcome(one.view.add_list(list)) == "bad_signature");
}

TEST_CASE("Generations and serials never go back") {
  member_one one;
  auto second = some_member(2);
  second.generation = 2;
  CHECK(one.add(second, 2) == "new");
  CHECK(one.add(one.network.certificate(2)) == "stale");
  const auto record = [&](record_order order, const std::string& at) {
    return outcome(one.view.add_record(one.network.record(2, order, at)));
  };
  CHECK(record({1, 5}, "192.0.2.5:1") == "new");
  CHECK(record({1, 4}, "192.0.2.4:1") == "stale");
  CHECK(record({2, 1}, "192.0.2.6:1") == "new");
  CHECK(record({1, 9}, "192.0.2.9:1") == "stale");
  CHECK(record({3, 1}, "192.0.2.9:1") == "not_allowed");
  one.update();

  // Nor across a restart that has lost everything but the marks.
  auto again = view_of(1, one.network, one.view.kept());
  CHECK(outcome(again.add_certificate(one.network.certificate(2))) == "stale");
  CHECK(outcome(again.add_certificate(one.network.certificate(second, 2)))
        == "new");
  CHECK(outcome(again.add_record(one.network.record(2, {1, 9}, "192.0.2.9:1")))
        == "stale");
  CHECK(outcome(again.add_record(one.network.record(2, {2, 1}, "192.0.2.6:1")))
        == "new");
  CHECK(outcome(again.add_list(one.network.list(0, {}))) == "stale");
  CHECK(again.now() == noon);
}

TEST_CASE("Of two records under one number all keep the same") {
  for (const bool swapped : {false, true}) {
    member_one one;
    one.add(one.network.certificate(2));
    const auto a = one.network.record(2, {1, 1}, "192.0.2.1:1");
    const auto b = one.network.record(2, {1, 1}, "192.0.2.2:1");
    one.view.add_record(swapped ? b : a);
    one.view.add_record(swapped ? a : b);
    CHECK(one.view.members().at(some_member(2).id).record->bytes()
          == std::max(a.bytes(), b.bytes()));
  }
}

TEST_CASE("A record is its member's own, and leads outside of the network") {
  member_one one;
  const auto record = one.network.record(2, {1, 1}, "192.0.2.2:1");
  CHECK(outcome(one.view.add_record(record)) == "unknown_member");
  one.add(one.network.certificate(2));
  one.add(one.network.certificate(3));
  const auto forged
    = member_record::make(some_root().network, some_member(2).id, {1, 1}, {},
                          signed_network::member_seed(3));
  CHECK(outcome(one.view.add_record(forged)) == "bad_signature");
  const auto foreign = member_record::make({}, some_member(2).id, {1, 1}, {},
                                           signed_network::member_seed(2));
  CHECK(outcome(one.view.add_record(foreign)) == "wrong_network");
  CHECK(outcome(one.view.add_record(
          one.network.record(2, {1, 1}, "10.200.0.49:51820")))
        == "not_allowed");
  CHECK(outcome(one.view.add_record(record)) == "new");
}

TEST_CASE("A new key is a new tunnel, other news change the one there is") {
  member_one one;
  one.add(one.network.certificate(2));
  one.add(one.network.certificate(3));
  one.update();
  auto renewed = some_member(2);
  renewed.generation = 2;
  renewed.groups = {"web"};
  one.add(renewed, 2);
  CHECK(one.update() == "~member-2");
  renewed.generation = 3;
  renewed.key = some_member(9).key;
  one.add(renewed, 2);
  CHECK(one.update() == "-member-2 +member-2");

  // Two that change their addresses: none is two peers' at once.
  auto other = some_member(3);
  other.generation = 2;
  other.prefixes = renewed.prefixes;
  renewed.generation = 4;
  renewed.prefixes = some_member(3).prefixes;
  one.add(renewed, 2);
  one.add(other, 3);
  CHECK(one.update() == "-member-2 -member-3 +member-2 +member-3");
}

TEST_CASE("A peer is dropped when its certificate or its issuer's ends, which "
          "is told before") {
  member_one one;
  auto early = one.network.certificate(2);
  early.until = noon + a_day * 30;
  one.add(early);
  one.add(one.network.certificate(3));
  auto later = one.network.certificate(4);
  later.from = noon + 1h;
  one.add(later);
  CHECK(one.update() == "+member-2 +member-3");
  CHECK(one.why_not(4) == "not_yet_valid");
  CHECK(one.view.take_notices().empty());
  CHECK(one.update(noon + 1h) == "+member-4");
  one.update(noon + a_day * 16);
  CHECK(one.view.take_notices() == std::vector{some_member(2).id});
  CHECK(one.view.take_notices().empty());
  CHECK(one.update(early.until - 1s).empty());
  one.view.add_list(one.network.list(2, {}, early.until)).value();
  CHECK(one.update(early.until) == "-member-2");
  CHECK(one.why_not(2) == "expired");
  CHECK(one.add(early) == "known");
  auto again = view_of(1, one.network, one.view.kept());
  CHECK(outcome(again.add_certificate(early)) == "expired");
}

TEST_CASE("What ended long ago is forgotten, and does not come back") {
  member_one one;
  auto early = one.network.certificate(2);
  early.until = noon + a_day;
  one.add(early);
  for (std::uint64_t i : {1u, 3u, 4u}) {
    auto renewed = one.network.certificate(i);
    renewed.contents.generation = 2;
    renewed.until = noon + a_day * 360;
    one.add(renewed);
  }
  one.update(noon + a_day);
  CHECK(one.view.members().size() == 4);
  one.view.add_list(one.network.list(2, {}, noon + a_day * 91)).value();
  one.update(noon + a_day * 91);
  CHECK(one.view.members().size() == 3);
  CHECK(one.view.kept().members.count(some_member(2).id) == 0);
  CHECK(one.add(early) == "expired");
}

TEST_CASE("With clocks in 1970 and in 2100 peers stay") {
  member_one one;
  one.add(one.network.certificate(2));
  one.add(one.network.certificate(3));
  one.update();
  CHECK(one.update(network_time{}).empty());
  CHECK(one.view.clock_suspect());
  CHECK(one.view.now() == noon);
  CHECK(one.update(noon - 1h).empty());
  CHECK_FALSE(one.view.clock_suspect());

  const network_time in_2100{std::chrono::seconds(4'102'444'800)};
  CHECK(one.update(in_2100).empty());
  CHECK(one.view.clock_suspect());
  CHECK(one.view.now() == noon);
  CHECK(one.view.kept().floor == noon);
  CHECK(one.update(noon + 1h).empty());
  CHECK_FALSE(one.view.clock_suspect());

  // An issuer whose clock is wrong ends no network, either.
  one.view.add_list(one.network.list(2, {}, in_2100)).value();
  CHECK(one.update(noon + 2h).empty());
  CHECK(one.view.clock_suspect());
  CHECK(one.view.now() == noon + 2h);

  // Started anew under such a clock, from what is on disk.
  auto again = view_of(1, one.network, one.view.kept());
  again.add_list(one.network.list(3, {})).value();
  for (std::uint64_t i : {1u, 2u, 3u})
    again.add_certificate(one.network.certificate(i)).value();
  CHECK(describe(again.update(in_2100), again) == "+member-2 +member-3");
  CHECK(again.clock_suspect());
}

TEST_CASE("A clock that was ahead once is believed only as long as it is") {
  member_one one;
  auto renewed = one.network.certificate(1);
  renewed.contents.generation = 2;
  renewed.until = noon + a_day * 120;
  one.add(renewed);
  for (std::uint64_t i : {2u, 3u, 4u})
    one.add(one.network.certificate(i));
  CHECK(one.update() == "+member-2 +member-3 +member-4");
  CHECK(one.update(noon + a_day * 100) == "-member-2 -member-3 -member-4");
  CHECK(one.view.now() == noon + a_day * 100);
  CHECK(one.view.kept().floor == noon + member_view::clock_lead);
  CHECK(one.update(noon + a_day * 2) == "+member-2 +member-3 +member-4");
  CHECK(one.view.now() == noon + a_day * 2);
}

TEST_CASE("A clock that ends few certificates is believed, and so is one that "
          "others were renewed by") {
  member_one one;
  for (std::uint64_t i : {2u, 3u, 4u})
    one.add(one.network.certificate(i));
  one.update();
  const auto late = noon + a_day * 100;
  CHECK(one.update(late).empty());
  CHECK(one.view.clock_suspect());
  for (std::uint64_t i : {2u, 3u}) {
    auto renewed = one.network.certificate(i);
    renewed.contents.generation = 2;
    renewed.until = late + a_day * 60;
    one.add(renewed);
  }
  CHECK(one.update(late) == "-member-4"); // and its own has ended
  CHECK_FALSE(one.view.clock_suspect());
  CHECK(one.why_not(1) == "expired");
}

TEST_CASE("Members that know the same have the same peers, in whatever order "
          "they learned it") {
  const signed_network network;
  std::vector<std::function<void(member_view&)>> news;
  for (std::uint64_t i = 2; i < 12; ++i) {
    for (const std::uint64_t generation : {1u, 2u}) {
      auto contents = some_member(i);
      contents.generation = generation;
      if (i % 4 == 0)
        contents.name = "member-2";
      if (i % 5 == 0)
        contents.prefixes = some_member(3).prefixes;
      news.emplace_back([&network, contents, i](auto& view) {
        view.add_certificate(network.certificate(contents, i));
      });
    }
    news.emplace_back([&network, i](auto& view) {
      view.add_record(network.record(i, {1, i}, "192.0.2.1:1"));
    });
  }
  std::set<member_id> removed;
  for (const std::uint64_t number : {1u, 2u, 3u}) {
    removed.insert(some_member(number + 1).id);
    news.emplace_back([&network, number, removed](auto& view) {
      view.add_list(network.list(number, removed));
    });
  }
  std::optional<std::map<member_id, network_peer>> agreed;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    deterministic_random random(seed);
    auto view = view_of(1, network);
    for (int i = 0; i < 60; ++i) {
      news.at(random.below(news.size()))(view);
      if (i % 7 == 0)
        view.update(noon);
    }
    auto rest = news;
    std::shuffle(rest.begin(), rest.end(), std::minstd_rand(seed));
    for (int round = 0; round < 2; ++round) // records wait for certificates
      for (const auto& each : rest)
        each(view);
    view.update(noon);
    if (!agreed)
      agreed = view.peers();
    CHECK(view.peers() == *agreed);
  }
  CHECK(agreed->size() > 3);
}
