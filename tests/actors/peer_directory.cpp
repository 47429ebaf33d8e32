// Who the peers are, without their actors.
#include "actors/peers/peer_directory.hpp"

#include "protocol/tunnel/receiver_index.hpp"
#include "tests/catch.hpp"
#include "tests/platform/support.hpp"
#include "tests/protocol/support.hpp"

#include <cerrno>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

public_key key_number(unsigned number) {
  public_key key;
  store_le(key.bytes.data(), number + 1);
  return key;
}

patch<peer_config>
put(unsigned number, const std::vector<std::string>& prefixes = {}) {
  patch<peer_config> change;
  change.public_key = key_number(number);
  for (const auto& text : prefixes)
    change.allowed_ips.push_back({prefix(text)});
  return change;
}

patch<peer_config> named(unsigned number, const std::string& name) {
  auto change = put(number);
  change.set(&peer_config::name, name);
  return change;
}

struct directory : peer_directory {
  slot_number make(const patch<peer_config>& change,
                   peer_origin origin = peer_origin::file) {
    const auto slot = add(change, origin, random);
    change_allowed_ips(slot, change);
    return slot;
  }
  /// The errno of a change that is refused; 0 if it is not.
  int refusal_of(std::vector<patch<peer_config>> peers, bool replace = false,
                 peer_origin origin = peer_origin::file) {
    device_update update;
    update.peers = std::move(peers);
    update.replace_peers = replace;
    update.origin = origin;
    const auto refused = check(update);
    return refused ? refused->code : 0;
  }

  deterministic_random random{3};
};

} // namespace

TEST_CASE("A peer is found by its key, with what was said of it") {
  directory peers;
  CHECK(peers.is_empty());
  auto change = named(1, "alpha");
  change.set(&peer_config::endpoint, *parse_endpoint("192.0.2.1:5"));
  change.set(&peer_config::persistent_keepalive, 25s);
  const auto slot = peers.make(change, peer_origin::command);
  CHECK(peers.slot_of(key_number(1)) == slot);
  CHECK_FALSE(peers.slot_of(key_number(2)));
  const auto* known = peers.find(slot);
  REQUIRE(known != nullptr);
  CHECK(known->config.name == "alpha");
  CHECK(known->config.public_key == key_number(1));
  CHECK(known->config.persistent_keepalive == 25s);
  CHECK(known->address == parse_endpoint("192.0.2.1:5"));
  CHECK(known->origin == peer_origin::command);
  CHECK(peers.label(slot) == "alpha");
  CHECK(peers.find(slot + 1) == nullptr);
}

TEST_CASE("What changes of a peer is told, and what it loses by name") {
  directory peers;
  auto change = named(1, "alpha");
  change.set(&peer_config::endpoint, *parse_endpoint("192.0.2.1:5"));
  const auto slot = peers.make(change);
  CHECK_FALSE(peers.change_keys(slot, change, peer_origin::file).any);
  auto less = put(1);
  less.clear(&peer_config::endpoint).clear(&peer_config::preshared_key);
  const auto changed = peers.change_keys(slot, less, peer_origin::file);
  CHECK(changed.any);
  CHECK(changed.cleared == std::vector<std::string_view>{"endpoint"});
  CHECK_FALSE(peers.find(slot)->address);
  CHECK(peers.find(slot)->config.name == "alpha");
}

TEST_CASE("The address of a host name is known once it was found") {
  directory peers;
  auto change = put(1);
  change.set(&peer_config::endpoint, *parse_endpoint("192.0.2.1:5"));
  const auto slot = peers.make(change);
  change.set(&peer_config::endpoint, host_endpoint{"beta.example.net", 5});
  peers.change_keys(slot, change, peer_origin::file);
  CHECK(peers.find(slot)->address == parse_endpoint("192.0.2.1:5"));
  peers.set_address(slot, *parse_endpoint("203.0.113.1:5"));
  CHECK(peers.find(slot)->address == parse_endpoint("203.0.113.1:5"));
}

TEST_CASE("A prefix has one peer, and who loses it is told") {
  directory peers;
  const auto first = peers.make(put(1, {"10.0.0.0/24", "10.0.1.0/24"}));
  const auto second = peers.make(put(2));
  const auto moved
    = peers.change_allowed_ips(second, put(2, {"10.0.0.0/24", "10.0.2.0/24"}));
  CHECK(moved.any);
  CHECK(moved.losers == std::set{first});
  CHECK(moved.moved == std::vector{std::pair{prefix("10.0.0.0/24"), first}});
  CHECK(peers.find(first)->allowed == std::set{prefix("10.0.1.0/24")});
  CHECK(peers.prefixes().find(prefix("10.0.0.0/24")) == second);
  // The same again changes nothing; another's prefix cannot be taken away.
  CHECK_FALSE(peers.change_allowed_ips(second, put(2, {"10.0.0.0/24"})).any);
  auto removal = put(1, {"10.0.0.0/24"});
  removal.allowed_ips[0].remove = true;
  const auto nothing = peers.change_allowed_ips(first, removal);
  CHECK_FALSE(nothing.any);
  CHECK(nothing.losers.empty());
  auto replacement = put(2, {"10.0.3.0/24"});
  replacement.replace_allowed_ips = true;
  CHECK(peers.change_allowed_ips(second, replacement).losers
        == std::set{second});
  CHECK(peers.find(second)->allowed == std::set{prefix("10.0.3.0/24")});
}

namespace {

patch<peer_config> gets_all(unsigned number, bool all = true,
                            const std::vector<std::string>& prefixes = {}) {
  auto change = put(number, prefixes);
  change.set(&peer_config::default_route, all);
  return change;
}

} // namespace

TEST_CASE("A peer that all traffic goes to is allowed all addresses, as long "
          "as it has the default route") {
  const std::set both{prefix("0.0.0.0/0"), prefix("::/0")};
  directory peers;
  const auto change = gets_all(1);
  const auto slot = peers.make(change);
  const auto& known = peers.at(slot);
  CHECK(known.allowed == both);
  CHECK(known.stated_allowed_ips().empty());
  CHECK(peers.prefixes().find(prefix("::/0")) == slot);
  // The same again changes nothing.
  CHECK_FALSE(peers.change_allowed_ips(slot, change).any);
  // Of which family it is may be said.
  CHECK(peers.change_allowed_ips(slot, put(1, {"0.0.0.0/0"})).losers
        == std::set{slot});
  CHECK(known.allowed == std::set{prefix("0.0.0.0/0")});
  CHECK_FALSE(peers.prefixes().find(prefix("::/0")));
  auto less = put(1);
  less.replace_allowed_ips = true;
  peers.change_allowed_ips(slot, less);
  CHECK(known.allowed == both);
  const auto off = gets_all(1, false);
  peers.change_keys(slot, off, peer_origin::file);
  CHECK(peers.change_allowed_ips(slot, off).losers == std::set{slot});
  CHECK(known.allowed.empty());
  CHECK(peers.prefixes().size() == 0);
}

TEST_CASE("What another peer has been given is not implied") {
  directory peers;
  const auto other = peers.make(put(2, {"0.0.0.0/0"}));
  const auto slot = peers.make(gets_all(1));
  CHECK(peers.at(slot).allowed == std::set{prefix("::/0")});
  peers.change_allowed_ips(other, put(2, {"::/0"}));
  CHECK(peers.at(slot).allowed.empty());
  CHECK(peers.at(slot).implied.empty());
}

TEST_CASE("What another peer had comes back to the one that all traffic goes "
          "to") {
  const std::set both{prefix("0.0.0.0/0"), prefix("::/0")};
  directory peers;
  const auto slot = peers.make(gets_all(1));
  const auto other = peers.make(put(2, {"0.0.0.0/0"}));
  CHECK(peers.at(slot).allowed == std::set{prefix("::/0")});
  SECTION("when that gives it away") {
    auto less = put(2);
    less.allowed_ips.push_back({prefix("0.0.0.0/0"), true});
    CHECK(peers.change_allowed_ips(other, less).losers == std::set{other});
  }
  SECTION("when that goes") {
    peers.remove(other);
  }
  SECTION("when that is to have nothing") {
    auto less = put(2);
    less.replace_allowed_ips = true;
    peers.change_allowed_ips(other, less);
  }
  CHECK(peers.at(slot).allowed == both);
  CHECK(peers.at(slot).implied == both);
  CHECK(peers.prefixes().find(prefix("0.0.0.0/0")) == slot);
}

TEST_CASE("The default route changes hands in either order") {
  const std::set both{prefix("0.0.0.0/0"), prefix("::/0")};
  directory peers;
  const auto slot = peers.make(gets_all(1));
  const auto next = peers.make(gets_all(2)); // as in one change with the next
  const auto off = gets_all(1, false);
  peers.change_keys(slot, off, peer_origin::file);
  peers.change_allowed_ips(slot, off);
  CHECK(peers.at(slot).allowed.empty());
  CHECK(peers.at(next).allowed == both);
}

TEST_CASE("All traffic goes to one peer only") {
  directory peers;
  peers.make(gets_all(1));
  CHECK(peers.refusal_of({gets_all(2)}) == EEXIST);
  CHECK(peers.refusal_of({gets_all(1)}) == 0);
  CHECK(peers.refusal_of({gets_all(2, false)}) == 0);
  CHECK(peers.refusal_of({gets_all(1, false), gets_all(2)}) == 0);
  auto removal = put(1);
  removal.verb = peer_verb::remove;
  CHECK(peers.refusal_of({removal, gets_all(2)}) == 0);
  CHECK(peers.refusal_of({gets_all(2)}, true) == 0);
  CHECK(peers.refusal_of({gets_all(2), gets_all(3)}, true) == EEXIST);
}

TEST_CASE("A slot is free once its peer has left, for other indices") {
  directory peers;
  const auto slot = peers.make(put(1, {"10.0.0.0/24"}));
  const auto other = peers.make(put(2));
  const auto departure = peers.remove(slot);
  CHECK_FALSE(peers.slot_of(key_number(1)));
  CHECK_FALSE(peers.prefixes().find(prefix("10.0.0.0/24")));
  const auto third = peers.make(put(3));
  CHECK(third != slot);
  CHECK(third != other);
  peers.has_left(departure, 77);
  CHECK(peers.make(put(1)) == slot);
  CHECK(peers.generation(slot) == 77);
}

TEST_CASE("A full directory gives away the slot of a peer that leaves, whose "
          "end then says nothing of the next one") {
  constexpr auto most = receiver_index_codec::max_slots;
  directory peers;
  for (unsigned i = 0; i < most; ++i)
    peers.add(put(i), peer_origin::file, peers.random);
  CHECK(peers.refusal_of({put(most)}) == ENOSPC);
  CHECK_THROWS_AS(peers.add(put(most), peer_origin::file, peers.random),
                  std::logic_error);
  const auto slot = *peers.slot_of(key_number(5));
  const auto before = peers.generation(slot);
  const auto departure = peers.remove(slot);
  CHECK(peers.refusal_of({put(most)}) == 0);
  CHECK(peers.make(put(most)) == slot);
  const auto next = peers.generation(slot);
  CHECK(next - before == 1U << (receiver_index_codec::generation_bits - 1));
  peers.has_left(departure, before);
  CHECK(peers.generation(slot) == next);
  // Nor is the slot free when its second peer leaves, and the first has.
  peers.remove(slot);
  peers.has_left(departure, before);
  CHECK(peers.make(put(most + 1)) == slot);
  CHECK(peers.generation(slot) != before);
}

TEST_CASE("No two peers have one name, but names change hands in one change") {
  directory peers;
  peers.make(named(1, "alpha"));
  peers.make(named(2, "beta"));
  CHECK(peers.refusal_of({named(3, "alpha")}) == EEXIST);
  CHECK(peers.refusal_of({named(3, "x"), named(4, "x")}) == EEXIST);
  CHECK(peers.refusal_of({put(1), named(3, "alpha")}) == EEXIST);
  CHECK(peers.refusal_of({named(1, "beta"), named(2, "alpha")}) == 0);
  auto removal = put(1);
  removal.verb = peer_verb::remove;
  CHECK(peers.refusal_of({removal, named(3, "alpha")}) == 0);
  CHECK(peers.refusal_of({named(3, "alpha")}, true) == 0);
}

TEST_CASE("What a file replaces are peers of files and commands, not those of "
          "the network") {
  using enum peer_origin;
  for (const auto by : {file, command}) {
    CHECK(peer_directory::replaces(by, file));
    CHECK(peer_directory::replaces(by, command));
    CHECK_FALSE(peer_directory::replaces(by, network));
  }
  CHECK(peer_directory::replaces(network, network));
  CHECK_FALSE(peer_directory::replaces(network, file));
  directory peers;
  const auto slot = peers.make(named(1, "alpha"), network);
  // Its name is told apart.
  CHECK(peers.refusal_of({named(2, "alpha")}, false, file) == 0);
  CHECK(peers.refusal_of({named(2, "alpha")}, false, network) == 0);
  CHECK(peers.refusal_of({named(2, "alpha")}, true, network) == 0);
  // A file that names it makes it its own; the network does not take it back.
  peers.change_keys(slot, put(1), file);
  CHECK(peers.find(slot)->origin == file);
  peers.change_keys(slot, put(1), network);
  CHECK(peers.find(slot)->origin == file);
}

TEST_CASE("A directory that everybody has left begins anew, but for its "
          "indices") {
  directory peers;
  const auto slot = peers.make(put(1));
  const auto departure = peers.remove(slot);
  peers.shrink();
  CHECK(peers.slots() == 1); // its peer may still be there
  peers.has_left(departure, 9);
  peers.shrink();
  CHECK(peers.slots() == 0);
  CHECK(peers.make(put(2)) == slot);
  CHECK(peers.generation(slot) == 9);
}

TEST_CASE("Peers of an earlier process keep their slots, and new ones get "
          "those that are free, for indices that were not used") {
  directory peers;
  peers.restore({7, 8, 9, 10}, {key_number(5)});
  CHECK(peers.deprived().contains(key_number(5)));
  CHECK(peers.slots() == 4);
  CHECK(peers.is_empty());
  CHECK(peers.add_at(0, put(0), peer_origin::file) == 0);
  CHECK(peers.add_at(2, named(2, "two"), peer_origin::network) == 2);
  CHECK(peers.shown_name(2) == "two");
  CHECK(peers.at(2).is_networks());
  CHECK_THROWS_AS(peers.add_at(2, put(3), peer_origin::file), std::logic_error);
  CHECK_THROWS_AS(peers.add_at(4, put(3), peer_origin::file), std::logic_error);
  CHECK(peers.make(put(4)) == 1);
  CHECK(peers.generation(1) == 8);
  CHECK(peers.make(put(6)) == 3);
  CHECK(peers.make(put(7)) == 4);
  CHECK_THROWS_AS(peers.restore({}, {}), std::logic_error);
}
