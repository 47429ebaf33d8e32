// Members whose directory lies, without end.
#include "platform/connect.hpp"
#include "protocol/network/member_session.hpp"
#include "tests/actors/member_node.hpp"

#include <poll.h>

#include <numeric>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

using names = std::set<std::string>;

/// A directory in the place of an honest one: it has a certificate of the
/// network, and shows of it what it likes.
class lying_directory {
public:
  lying_directory(directory_home& net, const endpoint& where)
    : listener_(must(tcp_listener::open(where))),
      tls_(must(network_tls::directory(identity_of(net.pki),
                                       [](network_purpose,
                                          std::span<const byte_vector>) {
                                         return std::optional<refused>{};
                                       }))) {
  }

  /// Waits for a member, and welcomes it.
  frame_connection welcome() {
    pollfd ready{listener_.descriptor(), POLLIN, 0};
    REQUIRE(::poll(&ready, 1, 60'000) == 1);
    frame_connection member(must(tls_.accept(listener_.accept().fd)));
    REQUIRE(member.shake_hands());
    await<member_hello>(member);
    say(member, directory_welcome{});
    await<compare_items>(member);
    // Of all that it had told before it has nothing any more.
    items_page nothing;
    nothing.buckets.set();
    nothing.last = true;
    say(member, nothing);
    return member;
  }
  static void say(frame_connection& to, const directory_message& message) {
    to.send(encode_frame(message));
  }
  /// Whether the member says such a thing, before it ends the connection.
  template <class Message>
  static bool says(frame_connection& from) {
    while (const auto frame = from.next()) {
      const auto message = must(read_member_message(*frame));
      if (message && std::holds_alternative<Message>(*message))
        return true;
    }
    return false;
  }

private:
  template <class Message>
  static void await(frame_connection& from) {
    REQUIRE(says<Message>(from));
  }
  static network_identity identity_of(network_pki& pki) {
    const auto self = pki.directory("alpha");
    return {self.chain, self.seed, pki.root.certificate.der};
  }

  tcp_listener listener_;
  network_tls tls_;
};

std::uint64_t count_refused(member_node& who) {
  const auto refused = who.network().refused;
  return std::accumulate(refused.begin(), refused.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& each) {
                           return sum + each.count;
                         });
}

/// A network of an honest directory, which is in another one's place from now
/// on, and a member that knows another.
struct deceived_member {
  deceived_member() {
    beta.start();
    gamma.start();
    REQUIRE(beta.has_peers({"gamma"}));
    gamma.stop();
    where = net.where();
    net.stop();
  }
  /// The honest one is back.
  void undeceive() {
    net.options.config.listen = where;
    net.start();
  }
  peer_status peer() {
    const auto peers = beta.status().peers;
    REQUIRE(peers.size() == 1);
    return peers.front();
  }

  struct started_home : directory_home {
    started_home() {
      start();
    }
  };
  started_home net;
  signing_seed token = net.issuer.invite(3);
  member_node beta{net, "beta", token};
  member_node gamma{net, "gamma", token};
  endpoint where;
};

/// What is wrong in one way or another, so many items that no two have a key.
class forger {
public:
  explicit forger(deceived_member& of)
    : random_(of.net.pki.random), network_(of.net.pki.network),
      victim_(of.gamma.contents().id), seed_(of.gamma.identity().seed),
      certificate_(of.gamma.identity().chain.front()) {
    broken_ = certificate_;
    broken_.at(broken_.size() - 10) ^= std::byte{1}; // within the signature
  }

  /// A change of five items.
  items_changed next() {
    items_changed change;
    change.revision = ++number_;
    // Signed rightly, for another place.
    change.items.push_back({certificate_key(), certificate_});
    change.items.push_back({certificate_key(), broken_});
    change.items.push_back({certificate_key(), byte_vector(100)});
    // Old things of a member that there is, and its end.
    change.items.push_back(
      {item_key(item_kind::record, victim_), old_record()});
    const auto own = item_key(item_kind::certificate, victim_);
    if (number_ % 2 == 0)
      change.gone.push_back(own);
    else
      change.items.push_back({own, certificate_});
    return change;
  }

private:
  byte_vector certificate_key() {
    return item_key(item_kind::certificate, member_id::draw(random_));
  }
  byte_vector old_record() {
    record_content content;
    content.epoch = number_;
    return member_record::make(network_, victim_, {1, 0}, content, seed_)
      .bytes();
  }

  random_source& random_;
  network_id network_;
  member_id victim_;
  signing_seed seed_;
  byte_vector certificate_;
  byte_vector broken_;
  std::uint64_t number_ = 0;
};

} // namespace

TEST_CASE("a directory that floods a member with 100,000 changes changes "
          "nothing, and each lie is counted") {
  deceived_member home;
  const auto before = home.peer();
  {
    lying_directory liar(home.net, home.where);
    auto member = liar.welcome();
    forger forge(home);
    constexpr std::size_t changes = 20'000; // of five items each
    for (std::size_t i = 0; i < changes; ++i)
      lying_directory::say(member, forge.next());
    // It has read all of it, and is still there.
    lying_directory::say(member, compare_again{});
    CHECK(lying_directory::says<compare_items>(member));
    lying_directory::say(member, items_page{{}, {}, true, 1});
    CHECK(eventually([&] { return count_refused(home.beta) >= 4 * changes; }));
    CHECK_FALSE(home.beta.network().directory.empty());
  }
  const auto after = home.peer();
  CHECK(after.name == before.name);
  CHECK(after.public_key == before.public_key);
  CHECK(after.allowed_ips == before.allowed_ips);
  home.undeceive();
  CHECK(home.beta.is_connected());
  member_node delta(home.net, "delta", home.token);
  delta.start();
  CHECK(home.beta.has_peers({"gamma", "delta"}));
}

TEST_CASE("a directory that tells of more than a network may have is hung up "
          "on, and what it told forgotten") {
  deceived_member home;
  {
    lying_directory liar(home.net, home.where);
    auto member = liar.welcome();
    items_changed change;
    for (std::size_t told = 0; told <= member_session::most_told_items;) {
      change.items.clear();
      for (int i = 0; i < 10'000; ++i, ++told)
        change.items.push_back(
          {item_key(item_kind::record, member_id::draw(home.net.pki.random)),
           byte_vector(1)});
      lying_directory::say(member, change);
    }
    CHECK(member.is_ended());
  }
  CHECK(home.beta.peers() == names{"gamma"});
  CHECK(count_refused(home.beta) >= 250'000);
  home.undeceive();
  CHECK(home.beta.is_connected());
}
