// What a membership is made of, without its actor.
#include "actors/network/candidates.hpp"
#include "actors/network/member_files.hpp"
#include "actors/network/member_knowledge.hpp"
#include "actors/network/member_peers.hpp"
#include "actors/network/own_record.hpp"
#include "platform/files.hpp"
#include "tests/actors/counted_signatures.hpp"
#include "tests/platform/network_pki.hpp"
#include "tests/platform/support.hpp"

#include <sys/stat.h>

#include <array>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

constexpr auto now = network_pki::now;

endpoint at(const std::string& text) {
  return *parse_endpoint(text);
}

/// A network and what its directory would tell.
struct told_network {
  network_item issuer_item() const {
    return {item_key(item_kind::issuer, "main"), pki.issuer.certificate.der};
  }
  network_item list_item(std::uint64_t number,
                         const std::set<member_id>& removed = {}) const {
    auto bytes
      = encode(revocation_list{pki.network, "main", number, now, removed});
    const auto made = sign(pki.issuer.seed, bytes);
    bytes.insert(bytes.end(), made.begin(), made.end());
    return {item_key(item_kind::list, "main"), std::move(bytes)};
  }
  static network_item certificate_item(const network_holder& who) {
    return {item_key(item_kind::certificate, id_of(who)), who.chain.front()};
  }
  static network_item
  record_item(const network_holder& who, std::uint64_t serial,
              const std::string& where, std::uint64_t epoch = 0) {
    const auto& own = contents_of(who);
    record_content content;
    content.endpoints = {{at(where), endpoint_source::file}};
    content.epoch = epoch;
    return {item_key(item_kind::record, own.id),
            member_record::make(own.network, own.id, {own.generation, serial},
                                content, who.seed)
              .bytes()};
  }
  static const member_contents& contents_of(const network_holder& who) {
    return std::get<member_contents>(who.certificate.contents);
  }
  static member_id id_of(const network_holder& who) {
    return contents_of(who).id;
  }
  network_holder member(const std::string& name, const std::string& slice,
                        std::uint64_t allocation) {
    auto contents = pki.member_named(name);
    contents.prefixes = {prefix(slice)};
    contents.allocation = allocation;
    contents.revocation = 1;
    return pki.issue(contents);
  }

  network_pki pki;
  network_holder self = member("self", "10.200.0.0/28", 1);
  network_holder other = member("other", "10.200.0.16/28", 2);
};

const member_knowledge::lookup nothing
  = [](const byte_vector&) { return nullptr; };

member_knowledge knowledge_of(const told_network& net, view_marks marks = {},
                              preshared_epochs epochs = {}) {
  return member_knowledge{{net.pki.root.certificate,
                           told_network::id_of(net.self),
                           told_network::contents_of(net.self).key},
                          std::move(marks),
                          std::move(epochs)};
}

member_knowledge::news
take(member_knowledge& knowledge, const std::vector<network_item>& items) {
  return knowledge.take(items, nothing, now);
}

epoch_secret secret_of(std::uint64_t epoch) {
  system_random random;
  epoch_secret made{epoch, {}};
  random.fill(made.secret.bytes());
  return made;
}

} // namespace

// -- knowledge ---------------------------------------------------------------

TEST_CASE("what a directory tells in any order comes to the same peers") {
  told_network net;
  std::vector<network_item> items{net.issuer_item(), net.list_item(1),
                                  told_network::certificate_item(net.self),
                                  told_network::certificate_item(net.other),
                                  told_network::record_item(net.other, 1,
                                                            "192.0.2.1:51820")};
  // One by one, in each rotation of the order and of its reverse.
  for (std::size_t turn = 0; turn < 2 * items.size(); ++turn) {
    auto knowledge = knowledge_of(net);
    std::map<byte_vector, byte_vector> mirror;
    for (const auto& each : items) {
      mirror[each.key] = each.content;
      knowledge.take(
        {&each, 1},
        [&](const byte_vector& key) -> const byte_vector* {
          const auto found = mirror.find(key);
          return found == mirror.end() ? nullptr : &found->second;
        },
        now);
    }
    const auto changes = knowledge.view().update(now);
    REQUIRE(changes.size() == 1);
    const auto& peer = std::get<peer_added>(changes.front()).peer;
    CHECK(peer.name == "other");
    CHECK(peer.endpoints.size() == 1);
    CHECK(knowledge.refused_so_far().empty());
    CHECK(knowledge.kept().size() == items.size());
    std::rotate(items.begin(), items.begin() + 1, items.end());
    if (turn == items.size())
      std::reverse(items.begin(), items.end());
  }
}

TEST_CASE("a signature that was right is not looked at again") {
  told_network net;
  auto knowledge = knowledge_of(net);
  std::vector<network_item> items{net.issuer_item(), net.list_item(1),
                                  told_network::certificate_item(net.self),
                                  told_network::certificate_item(net.other),
                                  told_network::record_item(net.other, 1,
                                                            "192.0.2.1:51820")};
  const auto cost = [&] {
    const auto before = signatures_looked_at();
    take(knowledge, items);
    return signatures_looked_at() - before;
  };
  CHECK(cost() >= items.size());
  CHECK(cost() == 0);
  // A page of a bucket of which one item is another one.
  items.back() = told_network::record_item(net.other, 2, "192.0.2.2:51820");
  CHECK(cost() == 1);
}

TEST_CASE("what is signed by others is counted, and changes nothing") {
  told_network net;
  told_network foreign;
  auto knowledge = knowledge_of(net);
  take(knowledge, {net.issuer_item(), net.list_item(1),
                   told_network::certificate_item(net.self),
                   told_network::certificate_item(net.other)});
  knowledge.view().update(now);
  // Another network's issuer, and what it signed.
  CHECK_FALSE(take(knowledge, {foreign.issuer_item()}).peers);
  const auto foreign_one = told_network::certificate_item(foreign.other);
  const auto told = [&](const byte_vector&) { return &foreign_one.content; };
  CHECK_FALSE(knowledge.take({&foreign_one, 1}, told, now).peers);
  CHECK_FALSE(
    take(knowledge, {{net.list_item(1).key, foreign.list_item(9).content}})
      .lists);
  // A record of one member under another's key, or signed by another one.
  auto swapped = told_network::record_item(net.other, 1, "192.0.2.1:1");
  swapped.key = item_key(item_kind::record, told_network::id_of(net.self));
  CHECK_FALSE(take(knowledge, {swapped}).peers);
  auto forged = net.other;
  forged.seed = net.self.seed;
  CHECK_FALSE(
    take(knowledge, {told_network::record_item(forged, 1, "192.0.2.1:1")})
      .peers);
  CHECK_FALSE(take(knowledge, {{{std::byte{'r'}}, {std::byte{1}}}}).peers);
  knowledge.count_waiting();
  knowledge.count_waiting();
  CHECK(knowledge.view().update(now).empty());
  CHECK(knowledge.view().peers().size() == 1);
  const auto refused = knowledge.refused_so_far();
  CHECK(refused.count("bad_signature") == 1);
  CHECK(refused.count("malformed") == 1);
}

TEST_CASE("what nobody known has signed waits only as long as it is told") {
  told_network net;
  told_network foreign;
  auto knowledge = knowledge_of(net);
  std::map<byte_vector, byte_vector> mirror;
  const auto told = [&](const byte_vector& key) -> const byte_vector* {
    const auto found = mirror.find(key);
    return found == mirror.end() ? nullptr : &found->second;
  };
  std::vector<byte_vector> keys;
  for (std::uint8_t i = 0; i < 100; ++i) {
    member_id id;
    id.bytes.fill(std::byte{i});
    const network_item junk{item_key(item_kind::certificate, id),
                            foreign.pki.issuer.certificate.der};
    knowledge.take({&junk, 1}, told, now);
    CHECK(knowledge.waiting() == keys.size()); // it is not there any more
    mirror[junk.key] = junk.content;
    knowledge.take({&junk, 1}, told, now);
    keys.push_back(junk.key);
  }
  CHECK(knowledge.waiting() == 100);
  knowledge.forget(std::span(keys).first(40));
  CHECK(knowledge.waiting() == 60);
  mirror.erase(keys[99]);
  knowledge.forget_untold(told);
  CHECK(knowledge.waiting() == 59);
  mirror.clear();
  knowledge.forget_untold(told);
  CHECK(knowledge.waiting() == 0);
}

TEST_CASE("an issuer that was judged by a wrong clock is looked at again") {
  told_network net;
  auto knowledge = knowledge_of(net);
  std::map<byte_vector, byte_vector> mirror;
  for (const auto& each : {net.issuer_item(), net.list_item(1),
                           told_network::certificate_item(net.self),
                           told_network::certificate_item(net.other)})
    mirror[each.key] = each.content;
  const auto told = [&](const byte_vector& key) -> const byte_vector* {
    const auto found = mirror.find(key);
    return found == mirror.end() ? nullptr : &found->second;
  };
  for (const auto wrong : {network_time{}, latest_network_time}) {
    for (const auto& [key, content] : mirror) {
      const network_item item{key, content};
      CHECK_FALSE(knowledge.take({&item, 1}, told, wrong).peers);
    }
    CHECK_FALSE(knowledge.look_at_issuers(told, wrong).peers);
  }
  CHECK(knowledge.refused_so_far().size() == 1); // once
  CHECK(knowledge.look_at_issuers(told, now).peers);
  CHECK(knowledge.waiting() == 0);
  CHECK(knowledge.view().update(now).size() == 1);
}

TEST_CASE("a list that removed a member is not taken back by an older one") {
  told_network net;
  auto knowledge = knowledge_of(net);
  take(knowledge, {net.issuer_item(), net.list_item(1),
                   told_network::certificate_item(net.self),
                   told_network::certificate_item(net.other)});
  CHECK(knowledge.view().update(now).size() == 1);
  CHECK(take(knowledge, {net.list_item(5, {told_network::id_of(net.other)})})
          .lists);
  const auto changes = knowledge.view().update(now);
  REQUIRE(changes.size() == 1);
  CHECK(std::holds_alternative<peer_removed>(changes.front()));
  CHECK_FALSE(take(knowledge, {net.list_item(4)}).lists);
  // Nor after a restart, whatever the directory is.
  const auto marks = read_marks(
    net.pki.network, encode_marks(net.pki.network, knowledge.view().kept()));
  auto later = knowledge_of(net, *marks);
  take(later, {net.issuer_item(), net.list_item(4),
               told_network::certificate_item(net.self),
               told_network::certificate_item(net.other)});
  CHECK(later.view().update(now).empty());
}

TEST_CASE("epochs are opened one after the other, however they come") {
  told_network net;
  std::vector<epoch_secret> secrets;
  for (const std::uint64_t epoch : {1U, 2U, 3U})
    secrets.push_back(secret_of(epoch));
  std::vector<network_item> sealed;
  for (std::size_t i = 1; i < secrets.size(); ++i)
    sealed.push_back(
      {epoch_key(secrets[i].epoch),
       seal_under(secrets[i - 1], secrets[i], net.pki.network, net.pki.random)
         .box});
  preshared_epochs first;
  first.add(secrets[0], now);
  auto knowledge = knowledge_of(net, {}, first);
  CHECK_FALSE(take(knowledge, {sealed[1]}).epoch); // not yet
  const auto mirror = [&](const byte_vector& key) -> const byte_vector* {
    return key == sealed[1].key ? &sealed[1].content : nullptr;
  };
  CHECK(knowledge.take({sealed.data(), 1}, mirror, now).epoch);
  CHECK(knowledge.epochs().newest() == 3);
  CHECK_FALSE(take(knowledge, {sealed[0]}).epoch);
  auto none = knowledge_of(net);
  CHECK_FALSE(take(none, sealed).epoch);
}

TEST_CASE("who was away for too many epochs goes on from a given secret") {
  told_network net;
  std::vector<epoch_secret> secrets;
  for (const std::uint64_t epoch : {1U, 7U, 8U})
    secrets.push_back(secret_of(epoch));
  preshared_epochs old;
  old.add(secrets[0], now);
  auto knowledge = knowledge_of(net, {}, old);
  const auto next
    = seal_under(secrets[1], secrets[2], net.pki.network, net.pki.random).box;
  const auto told = [&](const byte_vector& key) -> const byte_vector* {
    return key == epoch_key(8) ? &next : nullptr;
  };
  const network_item item{epoch_key(8), next};
  CHECK_FALSE(knowledge.take({&item, 1}, told, now).epoch);
  CHECK(knowledge.add_epoch(secrets[1], told, now).epoch);
  CHECK(knowledge.epochs().newest() == 8); // and from there with the others
  CHECK_FALSE(knowledge.add_epoch(secrets[1], told, now).epoch);
}

// -- peers -------------------------------------------------------------------

namespace {

network_peer peer_at(const std::vector<std::string>& where) {
  network_peer peer;
  peer.name = "other";
  peer.key.bytes.fill(std::byte{9});
  peer.prefixes = {prefix("10.200.0.16/28")};
  for (const auto& each : where)
    peer.endpoints.push_back({at(each), endpoint_source::link});
  return peer;
}

std::string endpoint_in(const member_peers::patches& made) {
  REQUIRE(made.size() == 1);
  const auto* where = made.front().find(&peer_config::endpoint);
  return where != nullptr && *where ? to_string(**where) : "";
}

} // namespace

TEST_CASE("a peer's endpoints on a link of one's own come first") {
  const auto peer = peer_at({"192.0.2.1:1", "10.1.2.3:1", "192.0.2.1:1"});
  CHECK(order_candidates(peer.endpoints, {})
        == std::vector{at("192.0.2.1:1"), at("10.1.2.3:1")});
  const own_addresses own{{prefix("10.1.2.9/24")}, 1};
  CHECK(order_candidates(peer.endpoints, own)
        == std::vector{at("10.1.2.3:1"), at("192.0.2.1:1")});
}

TEST_CASE("a node does not take itself for a peer whose bridges are like its "
          "own") {
  const auto peer
    = peer_at({"172.17.0.1:51820", "192.0.2.1:51820", "10.1.2.3:51820"});
  const own_addresses own{{prefix("172.17.0.1/16"), prefix("10.1.2.9/24")},
                          51820};
  CHECK(order_candidates(peer.endpoints, own)
        == std::vector{at("10.1.2.3:51820"), at("192.0.2.1:51820")});
  // Another tunnel of this host may be meant, but is not tried first.
  const own_addresses other_port{own.links, 51821};
  CHECK(order_candidates(peer.endpoints, other_port)
        == std::vector{at("10.1.2.3:51820"), at("192.0.2.1:51820"),
                       at("172.17.0.1:51820")});
}

TEST_CASE("a peer that does not answer is tried at its endpoints in turn") {
  member_peers peers({}, {});
  const auto peer = peer_at({"192.0.2.1:1", "192.0.2.2:1"});
  const std::vector<peer_change> added{peer_added{peer}};
  const auto made = peers.follow(added, {});
  CHECK(endpoint_in(made) == "192.0.2.1:1");
  CHECK(made.front().verb == peer_verb::put);
  CHECK(made.front().allowed_ips.size() == 1);
  CHECK(peers.try_next().empty());
  peers.fails(peer.key);
  CHECK(peers.has_failing());
  CHECK(endpoint_in(peers.try_next()) == "192.0.2.2:1");
  CHECK(endpoint_in(peers.try_next()) == "192.0.2.1:1");
  peers.is_up(peer.key);
  CHECK_FALSE(peers.has_failing());
  CHECK(peers.try_next().empty());
}

TEST_CASE("a session that works is left where it is") {
  member_peers peers({}, {});
  auto peer = peer_at({"192.0.2.1:1"});
  peers.was_up_before(peer.key);
  const std::vector<peer_change> added{peer_added{peer}};
  CHECK(endpoint_in(peers.follow(added, {})).empty());
  peer.endpoints = peer_at({"192.0.2.7:1"}).endpoints;
  const std::vector<peer_change> changed{peer_changed{peer}};
  CHECK(endpoint_in(peers.follow(changed, {})).empty());
  // Once it is lost, the newest list is what counts.
  peers.is_down(peer.key);
  peer.endpoints = peer_at({"192.0.2.8:1"}).endpoints;
  const std::vector<peer_change> moved{peer_changed{peer}};
  CHECK(endpoint_in(peers.follow(moved, {})) == "192.0.2.8:1");
}

TEST_CASE("a peer that moves while its session is up is tried at its new place "
          "once the session is lost") {
  const auto is_failing = GENERATE(false, true);
  member_peers peers({}, {});
  auto peer = peer_at({"192.0.2.1:1"});
  const std::vector<peer_change> added{peer_added{peer}};
  CHECK(endpoint_in(peers.follow(added, {})) == "192.0.2.1:1");
  peers.is_up(peer.key);
  peer.endpoints = peer_at({"192.0.2.7:1"}).endpoints;
  const std::vector<peer_change> moved{peer_changed{peer}};
  CHECK(endpoint_in(peers.follow(moved, {})).empty());
  CHECK_FALSE(peers.has_failing());
  is_failing ? peers.fails(peer.key) : peers.is_down(peer.key);
  REQUIRE(peers.has_failing());
  CHECK(endpoint_in(peers.try_next()) == "192.0.2.7:1");
  // There is no other.
  CHECK_FALSE(peers.has_failing());
  peers.fails(peer.key);
  CHECK_FALSE(peers.has_failing());
}

TEST_CASE("a peer that was heard from elsewhere and is lost there is tried at "
          "the place that it publishes") {
  member_peers peers({}, {});
  const auto peer = peer_at({"192.0.2.1:1"});
  const std::vector<peer_change> added{peer_added{peer}};
  peers.follow(added, {});
  peers.is_up(peer.key);
  peers.is_down(peer.key); // nobody needs it: it stays where it was heard
  CHECK_FALSE(peers.has_failing());
  peers.fails(peer.key);
  REQUIRE(peers.has_failing());
  CHECK(endpoint_in(peers.try_next()) == "192.0.2.1:1");
  CHECK_FALSE(peers.has_failing());
}

TEST_CASE("a peer that nobody needs any more is not tried at other endpoints") {
  member_peers peers({}, {});
  const auto peer = peer_at({"192.0.2.1:1", "192.0.2.2:1"});
  const std::vector<peer_change> added{peer_added{peer}};
  peers.follow(added, {});
  peers.fails(peer.key);
  CHECK(peers.has_failing());
  peers.is_down(peer.key);
  CHECK_FALSE(peers.has_failing());
  // Nor one that is gone.
  peers.fails(peer.key);
  const std::vector<peer_change> gone{peer_removed{{}, peer.key}};
  peers.follow(gone, {});
  CHECK_FALSE(peers.has_failing());
}

TEST_CASE("a peer gets the key of the epoch that its record names") {
  network_id network;
  public_key own;
  own.bytes.fill(std::byte{1});
  preshared_epochs epochs;
  for (const std::uint64_t epoch : {1U, 2U})
    epochs.add(secret_of(epoch), now);
  member_peers peers(network, own);
  auto peer = peer_at({});
  const auto key_of = [&](std::uint64_t epoch) {
    return *epochs.key_of(epoch, network, own, peer.key);
  };
  for (const auto& [named, first, other] :
       {std::tuple{1, 1, 2}, std::tuple{2, 2, 1}, std::tuple{7, 2, 1}}) {
    peer.epoch = static_cast<std::uint64_t>(named);
    const std::vector<peer_change> added{peer_added{peer}};
    const auto made = peers.follow(added, epochs);
    REQUIRE(made.size() == 1);
    CHECK(*made.front().find(&peer_config::preshared_key)
          == key_of(static_cast<std::uint64_t>(first)));
    CHECK(made.front().other_preshared_keys
          == std::vector{key_of(static_cast<std::uint64_t>(other))});
  }
  CHECK(peers.rekey(epochs).size() == 1);
}

// -- the own record ----------------------------------------------------------

TEST_CASE("a record has the endpoints that may be published, best first") {
  network_config config;
  config.endpoints = {at("198.51.100.1:51820")};
  own_places places;
  places.interface = "prod";
  places.port = 51820;
  places.seen = at("203.0.113.5:4000");
  places.addresses = {{prefix("10.200.0.1/28"), "prod"},
                      {prefix("10.200.3.1/24"), "eth1"}, // of the overlay
                      {prefix("10.1.2.3/24"), "eth0"},
                      {prefix("127.0.0.1/8"), "lo"}};
  const std::vector overlay{prefix("10.200.0.0/16")};
  const auto texts = [&] {
    std::vector<std::string> all;
    for (const auto& each : describe_self(config, places, overlay, 4).endpoints)
      all.push_back(to_string(each.where));
    return all;
  };
  CHECK(texts()
        == std::vector<std::string>{"198.51.100.1:51820", "203.0.113.5:4000",
                                    "10.1.2.3:51820"});
  config.publish = {endpoint_source::link};
  CHECK(texts() == std::vector<std::string>{"10.1.2.3:51820"});
  // Bridges that containers and virtual machines are on come last.
  for (const auto* bridge : {"virbr0", "docker0", "br-0123456789ab"}) {
    places.addresses.insert(places.addresses.begin(),
                            {prefix("172.17.0.1/16"), bridge});
    CHECK(texts()
          == std::vector<std::string>{"10.1.2.3:51820", "172.17.0.1:51820"});
    places.addresses.erase(places.addresses.begin());
  }
  places.port = 0;
  CHECK(texts().empty());
  for (int i = 1; i < 20; ++i)
    places.addresses.push_back(
      {prefix("10.1.3." + std::to_string(i) + "/24"), "eth2"});
  places.port = 1;
  CHECK(texts().size() == most_record_endpoints);
}

// -- files -------------------------------------------------------------------

namespace {

struct member_folder {
  member_folder() {
    std::string text
      = to_pem(std::vector<byte_vector>{net.pki.root.certificate.der});
    write_file(folder.path() + "/root.pem", text);
    write_file(folder.path() + "/member.pem", to_pem(net.self.chain));
    const auto key = must(to_pem(net.self.seed));
    REQUIRE(replace_file(folder.path() + "/member.key", key.view(), 0600));
    config.root = folder.path() + "/root.pem";
    config.certificate = folder.path() + "/member.pem";
    config.key = folder.path() + "/member.key";
  }

  told_network net;
  temporary_folder folder;
  network_config config;
};

} // namespace

TEST_CASE("a member's files say who it is, or what is wrong with them") {
  member_folder here;
  const auto identity = load_identity(here.config);
  REQUIRE(identity);
  CHECK(identity->contents().name == "self");
  here.config.name = "test";
  CHECK_THAT(load_identity(here.config).error().message,
             Contains("root.pem") && Contains("not of 'test'"));
  here.config.name = "prod";
  REQUIRE(load_identity(here.config));

  write_file(here.config.certificate, to_pem(here.net.other.chain));
  CHECK_THAT(load_identity(here.config).error().message,
             Contains("member.pem") && Contains("key"));
  const auto directory = here.net.pki.directory("alpha");
  write_file(here.config.certificate, to_pem(directory.chain));
  CHECK_THAT(load_identity(here.config).error().message,
             Contains("member.pem") && Contains("directory"));
  write_file(here.config.certificate, to_pem(network_pki{}.member("x").chain));
  CHECK_FALSE(load_identity(here.config));
  write_file(here.config.certificate, "nothing");
  CHECK_THAT(load_identity(here.config).error().message,
             Contains("member.pem"));
  ::chmod(here.config.key.c_str(), 0644);
  write_file(here.config.certificate, to_pem(here.net.self.chain));
  CHECK_THAT(load_identity(here.config).error().message,
             Contains("member.key"));
}

TEST_CASE("what a member keeps comes back, and spoilt files are told of") {
  const temporary_folder outer;
  const auto folder = outer.path() + "/network";
  told_network net;
  const auto item = net.issuer_item();
  const std::array<const network_item*, 1> items{&item};
  view_marks marks;
  marks.lists["main"] = 7;
  preshared_epochs epochs;
  epochs.add(secret_of(2), now);
  {
    const auto files = must(member_files::open(folder));
    const auto empty = must(files->read(net.pki.network));
    CHECK(empty.items.empty());
    CHECK(empty.notes.empty());
    REQUIRE(files->write_marks(encode_marks(net.pki.network, marks)));
    REQUIRE(files->write_items(encode_items(net.pki.network, items)));
    REQUIRE(files->write_secrets(epochs));
  }
  for (const auto* name : {"/marks", "/items", "/secrets"}) {
    struct stat info {};
    REQUIRE(::stat((folder + name).c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
  }
  const auto read = [&](const network_id& network) {
    return must(member_files::open(folder))->read(network);
  };
  auto kept = must(read(net.pki.network));
  CHECK(kept.notes.empty());
  CHECK(kept.marks.lists == marks.lists);
  CHECK(kept.items == std::vector{item});
  CHECK(kept.epochs.newest() == 2);
  CHECK_THAT(read(network_id{}).error().message,
             Contains(folder) && Contains("another network"));

  REQUIRE(keep_joining_secret(folder, secret_of(3), now));
  CHECK(must(read(net.pki.network)).epochs.to_try()
        == std::vector<std::uint64_t>{3, 2});

  write_file(folder + "/secrets", "spoilt");
  write_file(folder + "/marks", "spoilt");
  kept = must(read(net.pki.network));
  CHECK(kept.notes.size() == 2);
  CHECK(kept.items.size() == 1); // they have the numbers of lists
  write_file(folder + "/items", "spoilt");
  CHECK_THAT(read(net.pki.network).error().message,
             Contains("Remove " + folder + "/marks"));
}
