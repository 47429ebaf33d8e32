// Two directories of one network over three real nodes of etcd.
#include "tests/actors/directory_support.hpp"
#include "tests/stores/etcd_cluster.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

byte_vector make_record(const joined_member& who, std::uint64_t serial) {
  record_content content;
  content.relays = serial % 2 == 0;
  return member_record::make(who.contents.network, who.contents.id,
                             {who.contents.generation, serial}, content,
                             who.keys.certificate)
    .bytes();
}

/// Until it was told that, in a change or in a comparison.
void await_record(directory_client& client, const joined_member& whose,
                  const byte_vector& record) {
  const auto key = item_key(item_kind::record, whose.contents.id);
  const auto has_it = [&](const std::vector<network_item>& items) {
    return std::any_of(items.begin(), items.end(), [&](const auto& each) {
      return each.key == key && each.content == record;
    });
  };
  for (;;) {
    const auto message = client.next_message();
    REQUIRE(message);
    if (const auto* changed = std::get_if<items_changed>(&*message);
        changed != nullptr && has_it(changed->items))
      return;
    if (std::holds_alternative<compare_again>(*message))
      client.send(compare_items{bucket_table{}.digests()});
    if (const auto* page = std::get_if<items_page>(&*message)) {
      if (has_it(page->items))
        return;
      if (!page->last)
        client.send(next_page{});
    }
  }
}

/// Its store is in etcd.
void keep_in(const etcd_cluster& cluster, directory_home& net) {
  auto& store = net.options.config.store;
  store.file.clear();
  for (std::size_t i = 0; i < etcd_cluster::size; ++i)
    store.etcd.push_back(cluster.endpoint(i));
}

} // namespace

TEST_CASE("two directories over etcd tell the same, whichever node is killed") {
  if (!have_etcd())
    return;
  etcd_cluster cluster;
  directory_home net;
  keep_in(cluster, net);
  net.start();

  auto options = net.options;
  options.config.issuer.clear();
  options.steering_socket.clear();
  net.write_files(options.config, net.pki.directory("beta"));
  auto started = start_directory(net.home.system(), options);
  REQUIRE(started);
  const auto second = *started;
  const auto is_ready = [&] {
    const auto now = net.state_of(second);
    return now.loaded && now.listen && now.items == net.state().items;
  };
  REQUIRE(eventually(is_ready));
  CHECK(net.state_of(second).store == net.state().store);
  // Both say that they are there.
  CHECK(
    eventually([&] { return net.state_of(second).directories.size() == 2; }));

  const auto token = net.issuer.invite(2);
  const auto gamma = net.join(token, "gamma");
  const auto delta = net.join(token, "delta");
  REQUIRE(delta.answer);
  auto at_first = net.connect_and_greet(gamma);
  auto at_second = net.connect(delta, *net.state_of(second).listen);
  at_second.send(member_hello{});
  std::ignore = at_second.next_of<directory_welcome>();
  at_second.send(compare_items{bucket_table{}.digests()});
  for (std::size_t node = 0; node < etcd_cluster::size; ++node) {
    cluster.kill(node);
    const auto record = make_record(gamma, node + 1);
    at_first.send(publish_record{node, record});
    await_record(at_second, gamma, record);
    CHECK(at_first.next_of<request_done>().number == node);
    cluster.start(node);
    net.clock->skip(11s); // records may not come faster
    at_second.send(members_ping{});
  }
  // The link to the issuer may just be made anew: time has leapt.
  const auto keys = net.draw_keys(net.issuer.invite());
  CHECK(
    eventually([&] { return net.join(keys, "epsilon").answer.has_value(); }));
  caf::anon_send(second, shut_down{});
  net.home.await_end(second);
}

TEST_CASE(
  "a directory tells its members when it hears nothing of etcd any more, "
  "and when it does again") {
  if (!have_etcd())
    return;
  etcd_cluster cluster;
  directory_home net;
  keep_in(cluster, net);
  net.start();
  const auto beta = net.join(net.issuer.invite(), "beta");
  auto client = net.connect_and_greet(beta);
  // Of three two: the third one has no leader any more.
  cluster.kill(0);
  cluster.kill(1);
  CHECK(client.next_of<directory_cut_off>().is_so);
  auto other = net.connect(beta);
  other.send(member_hello{});
  CHECK(other.next_of<directory_welcome>().cut_off);
  cluster.start(0);
  cluster.start(1);
  CHECK_FALSE(other.next_of<directory_cut_off>().is_so);
}
