// A directory with its members: over TLS on loopback, with a store in a file
// and an issuer behind its socket.
#include "actors/network/directory_keeper.hpp"
#include "platform/network_join.hpp"
#include "platform/store/sqlite_store.hpp"
#include "tests/actors/directory_support.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

byte_vector make_record(const joined_member& who, std::uint64_t serial) {
  record_content content;
  content.endpoints
    = {{*parse_endpoint("192.0.2.7:51820"), endpoint_source::file}};
  return member_record::make(who.contents.network, who.contents.id,
                             {who.contents.generation, serial}, content,
                             who.keys.certificate)
    .bytes();
}

/// All that the directory tells to one who has nothing yet.
std::map<byte_vector, byte_vector> read_all(directory_client& client) {
  std::map<byte_vector, byte_vector> items;
  client.send(compare_items{bucket_table{}.digests()});
  for (;;) {
    const auto page = client.next_of<items_page>();
    for (const auto& each : page.items)
      items[each.key] = each.content;
    if (page.last)
      return items;
    client.send(next_page{});
  }
}

/// Until something of this key is told.
network_item await_item(directory_client& client, const byte_vector& key) {
  for (;;) {
    const auto news = client.next_of<items_changed>();
    for (const auto& each : news.items) {
      if (each.key == key)
        return each;
    }
  }
}

byte_vector certificate_key(const joined_member& who) {
  return item_key(item_kind::certificate, who.contents.id);
}

} // namespace

TEST_CASE("a node joins with a token, and is a member at once") {
  directory_home net;
  net.start();
  const auto token = net.issuer.invite();
  const auto beta = net.join(token, "beta");
  REQUIRE(beta.answer);
  CHECK(beta.contents.name == "beta");
  auto client = net.connect_and_greet(beta);
  CHECK(eventually([&] { return net.state().connected == 1; }));
  CHECK(net.state().admitted == 1);
  const auto members
    = std::get<connected_members>(net.ask(ask_connected_members{}));
  REQUIRE(members.members.size() == 1);
  CHECK(members.members.front().name == "beta");
  CHECK(members.members.front().id == beta.contents.id);
}

TEST_CASE("a member gets what the issuer has signed, and then what changes") {
  directory_home net;
  net.start();
  const auto token = net.issuer.invite(2);
  const auto beta = net.join(token, "beta");
  auto client = net.connect_and_greet(beta);
  CHECK(eventually([&] { return net.state().items >= 3; }));
  const auto items = read_all(client);
  CHECK(items.count(item_key(item_kind::issuer, "main")) == 1);
  CHECK(items.count(item_key(item_kind::list, "main")) == 1);
  CHECK(items.at(certificate_key(beta)) == beta.identity.chain.front());

  const auto gamma = net.join(token, "gamma");
  REQUIRE(gamma.answer);
  const auto told = await_item(client, certificate_key(gamma));
  CHECK(told.content == gamma.identity.chain.front());
}

TEST_CASE("what a member publishes is with the others within a second") {
  directory_home net;
  net.start();
  const auto token = net.issuer.invite(2);
  const auto beta = net.join(token, "beta");
  const auto gamma = net.join(token, "gamma");
  auto one = net.connect_and_greet(beta);
  auto other = net.connect_and_greet(gamma);
  std::ignore = read_all(other);
  const auto record = make_record(beta, 1);
  const auto begun = boot_now();
  one.send(publish_record{7, record});
  const auto key = item_key(item_kind::record, beta.contents.id);
  CHECK(await_item(other, key).content == record);
  WARN("a change was told after " << (boot_now() - begun) / 1ms << " ms");
  CHECK(one.next_of<request_done>().number == 7);
}

TEST_CASE("a directory that was started again has what its store has") {
  directory_home net;
  net.start();
  const auto token = net.issuer.invite();
  const auto beta = net.join(token, "beta");
  const auto record = make_record(beta, 1);
  store_id id{};
  {
    auto client = net.connect_and_greet(beta);
    client.send(publish_record{1, record});
    std::ignore = client.next_of<request_done>();
    // What the issuer gave out comes on its own way.
    if (read_all(client).count(certificate_key(beta)) == 0)
      std::ignore = await_item(client, certificate_key(beta));
    id = net.state().store;
  }
  net.stop();
  net.issuer.stop(); // it is not needed for that
  auto started = start_directory(net.home.system(), net.options);
  REQUIRE(started);
  net.directory = *started;
  CHECK(eventually([&] { return net.state().listen && net.state().loaded; }));
  CHECK(net.state().store == id);
  auto client = net.connect(beta);
  client.send(member_hello{});
  CHECK(client.next_of<directory_welcome>().last_record == record);
  CHECK(read_all(client).count(certificate_key(beta)) == 1);
  net.issuer.start();
}

TEST_CASE("the same token and keys get the same answer from a directory") {
  directory_home net;
  net.start();
  const auto keys = net.draw_keys(net.issuer.invite());
  const auto first = net.join(keys, "beta");
  REQUIRE(first.answer);
  const auto again = net.join(keys, "beta");
  REQUIRE(again.answer);
  CHECK(again.answer->certificates == first.answer->certificates);
}

TEST_CASE("a directory lets in who joins by the client's half") {
  directory_home net;
  net.start();
  join_token token;
  token.directories = {{"127.0.0.1", net.where().port}};
  token.root = fingerprint_of(net.pki.root.certificate);
  token.seed = net.issuer.invite();
  const auto keys = net.draw_keys(token.seed);
  const auto joined
    = ask_to_join({token, keys.certificate, keys.wireguard, "beta", net.now()});
  if (!joined)
    FAIL(joined.error().message);
  CHECK(std::get<member_contents>(joined->member.contents).name == "beta");
  const auto again
    = ask_to_join({token, keys.certificate, keys.wireguard, "beta", net.now()});
  CHECK(again->member.der == joined->member.der);
  token.seed = draw_signing_seed(net.pki.random);
  const auto refused
    = ask_to_join({token, keys.certificate, keys.wireguard, "beta", net.now()});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what == join_failure::kind::refused);
}

TEST_CASE("who is not let in hears why from the issuer") {
  directory_home net;
  net.start();
  const auto unknown = net.join(draw_signing_seed(net.pki.random), "beta");
  REQUIRE_FALSE(unknown.answer);
  CHECK(unknown.answer.error().why == refusal::unknown_invitation);
  CHECK(net.state().admitted == 0);
}

TEST_CASE("who wants to join while the issuer is away hears that") {
  directory_home net;
  net.start();
  const auto token = net.issuer.invite();
  net.issuer.stop();
  CHECK(eventually([&] { return !net.state().trouble.issuer.empty(); }));
  const auto refused = net.join(token, "beta");
  REQUIRE_FALSE(refused.answer);
  CHECK_THAT(refused.answer.error().what, Catch::Contains("issuer"));
  net.issuer.start();
  CHECK(eventually([&] { return net.state().trouble.issuer.empty(); }));
  CHECK(net.join(token, "beta").answer);
}

TEST_CASE("many who join at once are all let in") {
  constexpr std::size_t many = 12;
  directory_limits limits;
  limits.new_of_source_in_second = 1000;
  directory_home net(limits);
  net.start();
  const auto token = net.issuer.invite(many);
  const auto where = net.where();
  std::vector<join_keys> keys;
  for (std::size_t i = 0; i < many; ++i)
    keys.push_back(net.draw_keys(token));
  // All have their challenge before the first one asks.
  std::vector<std::unique_ptr<directory_client>> clients;
  const auto tls = must(
    network_tls::joiner([](network_purpose, std::span<const byte_vector>) {
      return std::nullopt;
    }));
  std::vector<join_challenge> challenges(many);
  for (std::size_t i = 0; i < many; ++i) {
    clients.push_back(std::make_unique<directory_client>(tls, where));
    REQUIRE(clients.back()->shake_hands());
    const auto got = clients.back()->next().value();
    std::copy(got.begin(), got.end(), challenges[i].ephemeral.bytes.begin());
  }
  for (std::size_t i = 0; i < many; ++i) {
    const auto asked
      = prove(keys[i], net.pki.network, "node-" + std::to_string(i),
              clients[i]->stream().exporter(join_exporter_label),
              challenges[i]);
    clients[i]->send(with_length(encode(asked.value())));
  }
  for (auto& each : clients)
    CHECK(must(read_join_answer(each->next().value())));
  CHECK(net.state().admitted == many);
}

TEST_CASE("a member that is removed is sent away, and does not come back") {
  directory_home net;
  net.start();
  const auto token = net.issuer.invite(2);
  const auto beta = net.join(token, "beta");
  const auto gamma = net.join(token, "gamma");
  auto client = net.connect_and_greet(beta);
  auto other = net.connect_and_greet(gamma);
  std::ignore = read_all(other);
  net.issuer.remove("beta");
  CHECK(client.next_of<request_refused>().why.why == refusal::revoked);
  CHECK(client.is_ended());
  std::ignore = await_item(other, item_key(item_kind::list, "main"));
  auto again = net.connect(beta);
  again.send(member_hello{});
  CHECK(again.next_of<request_refused>().why.why == refusal::revoked);
  CHECK(again.is_ended());
}

TEST_CASE("a member renews its certificate through the directory") {
  directory_home net;
  net.start();
  const auto beta = net.join(net.issuer.invite(), "beta");
  auto client = net.connect_and_greet(beta);
  const auto next = draw_signing_seed(net.pki.random);
  const renewal_request request{net.pki.network, beta.contents.id,
                                beta.contents.generation, beta.contents.key,
                                derive_verifying_key(next)};
  client.send(
    renew_certificate{3, make_renewal(request, beta.keys.certificate)});
  const auto answer = client.next_of<request_certified>();
  CHECK(answer.number == 3);
  const auto certificate
    = must(read_network_certificate(answer.certificates.front()));
  CHECK(certificate.key == derive_verifying_key(next));
  CHECK(std::get<member_contents>(certificate.contents).generation
        == beta.contents.generation + 1);
}

TEST_CASE("a directory cuts the history of its store off, an hour back") {
  directory_home net;
  net.start();
  const auto beta = net.join(net.issuer.invite(), "beta");
  REQUIRE(net.becomes([](const auto& now) { return now.items >= 3; }));
  // From one look to the next, and then a look finds what is to be forgotten.
  for (int hour = 0; hour < 3; ++hour) {
    net.clock->skip(1h + 1s);
    auto client = net.connect_and_greet(beta);
    client.send(members_ping{});
    std::ignore = client.next_of<members_pong>();
  }
  net.stop();
  sqlite_settings settings;
  settings.folder = net.folder.path() + "/store";
  settings.file = "store.db";
  settings.writer = "alpha";
  auto opened = sqlite_store::open(settings, *net.options.sources.clock,
                                   *net.options.sources.random);
  REQUIRE(opened);
  const auto& store = *opened;
  store_range first;
  first.at = 1;
  const auto page = store->list(first);
  REQUIRE_FALSE(page);
  CHECK(page.error().failure == store_failure::history_lost);
}

TEST_CASE("a directory that has failed is started anew") {
  directory_home net;
  std::atomic<int> started{0};
  std::mutex mutex;
  directory_actor current;
  const auto keeper = keep_directory(net.home.system(), net.options,
                                     [&](const directory_actor& which) {
                                       const std::lock_guard guard(mutex);
                                       current = which;
                                       ++started;
                                     });
  REQUIRE(keeper);
  REQUIRE(eventually([&] { return started == 1; }));
  {
    const std::lock_guard guard(mutex);
    caf::anon_send_exit(current, caf::exit_reason::unhandled_exception);
  }
  CHECK(eventually([&] { return started == 2; }));
  net.directory = current;
  CHECK(net.becomes([](const auto& now) { return now.listen && now.loaded; }));
  net.directory = nullptr;
  const auto last = std::exchange(current, nullptr);
  caf::anon_send(*keeper, shut_down{});
  net.home.await_end(last);
  net.home.await_end(*keeper);
}
