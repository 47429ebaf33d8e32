// What root asks of a directory, and the recovery of one that has lost
// something.
#include "platform/connect.hpp"
#include "platform/store/sqlite_store.hpp"
#include "tests/actors/directory_support.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

class steering_client {
public:
  explicit steering_client(const std::string& path)
    : socket_(must(connect_unix(path))) {
  }

  void send(const byte_vector& bytes) const {
    REQUIRE(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL)
            == static_cast<ssize_t>(bytes.size()));
  }
  /// Nothing: the directory has ended it.
  std::optional<steering_answer> next() {
    for (;;) {
      if (const auto frame = must(reader_.next()))
        return must(read_steering_answer(*frame));
      std::array<std::byte, 4096> part{};
      const auto size = ::recv(socket_.get(), part.data(), part.size(), 0);
      if (size <= 0)
        return std::nullopt;
      reader_.append(byte_span(part).first(static_cast<std::size_t>(size)));
    }
  }
  template <class Answer>
  Answer ask(const steering_question& question) {
    send(encode_frame(question));
    auto answer = next();
    REQUIRE(answer);
    if (const auto* failed = std::get_if<steering_failed>(&*answer);
        failed != nullptr && !std::is_same_v<Answer, steering_failed>)
      FAIL(failed->why);
    return std::get<Answer>(std::move(*answer));
  }

private:
  file_descriptor socket_;
  frame_reader reader_{most_steering_frame_bytes};
};

} // namespace

TEST_CASE("root asks a directory how it stands, over its socket") {
  directory_home net;
  net.start();
  const auto beta = net.join(net.issuer.invite(), "beta");
  const auto member = net.connect_and_greet(beta);
  steering_client root(net.options.steering_socket);
  const auto state = root.ask<directory_state>(ask_directory_state{});
  CHECK(state.name == "alpha");
  CHECK(state.network == "prod");
  CHECK(state.loaded);
  CHECK(state.has_issuer);
  CHECK_FALSE(state.recovering);
  CHECK(state.connected == 1);
  CHECK(state.trouble == directory_trouble{});
  CHECK(root.ask<connected_members>(ask_connected_members{}).all == 1);
  CHECK(net.becomes([](const auto& now) {
    return now.directories.size() == 1 && now.directories[0].name == "alpha";
  }));
}

TEST_CASE("root gets all that a directory holds, page by page") {
  directory_home net;
  net.start();
  net.issuer.publish_ballast(4);
  REQUIRE(net.becomes([](const auto& now) { return now.items >= 6; }));
  steering_client root(net.options.steering_socket);
  std::map<byte_vector, byte_vector> items;
  int pages = 0;
  for (byte_vector after;;) {
    const auto page = root.ask<known_items>(ask_known_items{after});
    ++pages;
    for (const auto& each : page.items)
      items[each.key] = each.content;
    if (!page.more)
      break;
    REQUIRE_FALSE(page.items.empty());
    after = page.items.back().key;
  }
  CHECK(pages > 1);
  CHECK(items.size() == net.state().items);
}

TEST_CASE("a backup of a directory's store makes a store of another history") {
  directory_home net;
  net.start();
  const auto beta = net.join(net.issuer.invite(), "beta");
  REQUIRE(net.becomes([](const auto& now) { return now.items >= 3; }));
  const auto before = net.state();
  const auto backup = net.folder.path() + "/backup";
  steering_client root(net.options.steering_socket);
  std::ignore = root.ask<steering_done>(ask_store_backup{backup});
  CHECK_THAT(root.ask<steering_failed>(ask_store_backup{"backup"}).why,
             Catch::Contains("'/'"));
  CHECK_FALSE(root.ask<steering_failed>(ask_store_backup{backup}).why.empty());
  net.stop();
  const auto folder = net.folder.path() + "/other";
  REQUIRE(recover_sqlite_store(backup, folder, net.pki.random, "store.db"));
  net.options.config.store.file = folder + "/store.db";
  net.start();
  CHECK(net.state().store != before.store);
  CHECK(net.state().items == before.items);
}

TEST_CASE("who asks a directory what is no question is told, and let go") {
  directory_home net;
  net.start();
  steering_client wrong(net.options.steering_socket);
  CHECK(std::holds_alternative<steering_failed>([&] {
    wrong.send(with_length(byte_vector(10, std::byte{0xff})));
    return wrong.next().value();
  }()));
  steering_client large(net.options.steering_socket);
  large.send(
    {std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}});
  CHECK_FALSE(large.next());
}

TEST_CASE("a directory that lacks what was signed gives nothing out until it "
          "is told to") {
  directory_home net;
  net.start();
  const auto token = net.issuer.invite(2);
  const auto beta = net.join(token, "beta");
  auto client = net.connect_and_greet(beta);
  const auto before = net.state().store;
  const auto key = item_key(item_kind::list, "main");
  const auto lost = net.issuer.sign_lost_list();
  client.send(offer_items{{{key, lost}}});
  client.send(members_ping{});
  std::ignore = client.next_of<members_pong>(); // it has seen it
  net.clock->skip(30s);
  CHECK(net.becomes([](const auto& now) { return now.recovering; }));
  CHECK_FALSE(net.state().why_recovering.empty());
  const auto refused = net.join(token, "gamma");
  REQUIRE_FALSE(refused.answer);
  CHECK_THAT(refused.answer.error().what, Catch::Contains("recover"));

  steering_client root(net.options.steering_socket);
  CHECK_FALSE(root.ask<directory_state>(ask_recovery{}).recovering);
  CHECK(net.becomes([&](const auto& now) { return now.store != before; }));
  CHECK(net.join(token, "gamma").answer);
}

TEST_CASE("a directory whose files are wrong does not start, and says which") {
  directory_home net;
  const auto fails = [&](auto change) {
    auto options = net.options;
    change(options);
    const auto started = start_directory(net.home.system(), options);
    REQUIRE_FALSE(started);
    return started.error().message;
  };
  CHECK_THAT(fails([](auto& options) { options.root += "x"; }),
             Catch::Contains("root.pemx"));
  CHECK_THAT(
    fails([](auto& options) { options.root = options.config.certificate; }),
    Catch::Contains("root.pem"));
  CHECK_THAT(
    fails([](auto& options) { options.config.certificate = options.root; }),
    Catch::Contains("issuer's"));
  network_pki other("other");
  const auto path = net.folder.path() + "/other.pem";
  REQUIRE(replace_file(
    path, to_pem(std::vector<byte_vector>{other.root.certificate.der}), 0600));
  CHECK_THAT(fails([&](auto& options) { options.root = path; }),
             Catch::Contains("network"));
  const auto key = net.folder.path() + "/other.key";
  REQUIRE(replace_file(
    key, must(to_pem(draw_signing_seed(net.pki.random))).view(), 0600));
  CHECK_THAT(fails([&](auto& options) { options.config.key = key; }),
             Catch::Contains("other.key"));
}

TEST_CASE("a directory starts while its port, store and issuer are away") {
  directory_home net;
  net.issuer.stop();
  const auto folder = net.folder.path() + "/store";
  {
    // Another process keeps the store, and another socket the port.
    const auto other = tcp_listener::open(*parse_endpoint("127.0.0.1:0"));
    REQUIRE(other);
    net.options.config.listen = other->where();
    net.options.limits.reopen = 100ms;
    auto kept = sqlite_store::open({folder, "beta", "store.db"}, *net.clock,
                                   net.pki.random);
    REQUIRE(kept);
    auto started = start_directory(net.home.system(), net.options);
    REQUIRE(started);
    net.directory = *started;
    CHECK(net.becomes([](const auto& now) {
      return !now.loaded && !now.listen && !now.trouble.store.empty()
             && !now.trouble.issuer.empty() && !now.trouble.listen.empty();
    }));
  }
  net.issuer.start();
  CHECK(net.becomes([](const auto& now) {
    return now.loaded && now.listen && now.trouble == directory_trouble{};
  }));
  CHECK(net.join(net.issuer.invite(), "beta").answer);
}
