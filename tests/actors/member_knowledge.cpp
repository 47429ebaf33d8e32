#include "actors/network/member_knowledge.hpp"

#include "tests/actors/counted_signatures.hpp"
#include "tests/actors/told_network.hpp"

using namespace weft;
using namespace weft::test;

namespace {

constexpr auto now = network_pki::now;

const member_knowledge::lookup nothing
  = [](const byte_vector&) { return nullptr; };

/// What a directory has told so far, by key.
using mirror = std::map<byte_vector, byte_vector>;

auto told_in(const mirror& all) {
  return [&all](const byte_vector& key) -> const byte_vector* {
    const auto found = all.find(key);
    return found == all.end() ? nullptr : &found->second;
  };
}

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

} // namespace

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
    mirror all;
    for (const auto& each : items) {
      all[each.key] = each.content;
      knowledge.take({&each, 1}, told_in(all), now);
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
  mirror all;
  const auto told = told_in(all);
  std::vector<byte_vector> keys;
  for (std::uint8_t i = 0; i < 100; ++i) {
    member_id id;
    id.bytes.fill(std::byte{i});
    const network_item junk{item_key(item_kind::certificate, id),
                            foreign.pki.issuer.certificate.der};
    knowledge.take({&junk, 1}, told, now);
    CHECK(knowledge.waiting() == keys.size()); // it is not there any more
    all[junk.key] = junk.content;
    knowledge.take({&junk, 1}, told, now);
    keys.push_back(junk.key);
  }
  CHECK(knowledge.waiting() == 100);
  knowledge.forget(std::span(keys).first(40));
  CHECK(knowledge.waiting() == 60);
  all.erase(keys[99]);
  knowledge.forget_untold(told);
  CHECK(knowledge.waiting() == 59);
  all.clear();
  knowledge.forget_untold(told);
  CHECK(knowledge.waiting() == 0);
}

TEST_CASE("an issuer that was judged by a wrong clock is looked at again") {
  told_network net;
  auto knowledge = knowledge_of(net);
  mirror all;
  for (const auto& each : {net.issuer_item(), net.list_item(1),
                           told_network::certificate_item(net.self),
                           told_network::certificate_item(net.other)})
    all[each.key] = each.content;
  const auto told = told_in(all);
  for (const auto wrong : {network_time{}, latest_network_time}) {
    for (const auto& [key, content] : all) {
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
  const auto told = [&](const byte_vector& key) -> const byte_vector* {
    return key == sealed[1].key ? &sealed[1].content : nullptr;
  };
  CHECK(knowledge.take({sealed.data(), 1}, told, now).epoch);
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
