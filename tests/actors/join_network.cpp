// A service that joins a network with one call: a real directory, its store and
// an issuer are in this process.
#include "actors/network/join_network.hpp"

#include "tests/actors/directory_support.hpp"

#include <filesystem>

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

/// A service without a device.
class service {
public:
  service(directory_home& net, const std::string& folder)
    : net_(net), folder_(folder), consumer_(net.home) {
  }
  service(const service&) = delete;
  service& operator=(const service&) = delete;
  ~service() {
    stop();
  }

  result<void> join(const std::optional<join_token>& token,
                    std::vector<endpoint> endpoints = {}) {
    join_network_options options;
    options.folder = folder_;
    options.endpoints = std::move(endpoints);
    options.overlay.config.interface.name = "weft9";
    options.overlay.config.interface.listen = *parse_endpoint("127.0.0.1:0");
    options.overlay.device = use_packet_port{consumer_.handle()};
    options.overlay.sources.clock = net_.clock;
    options.name = std::filesystem::path{folder_}.filename().string();
    options.limits.update = std::chrono::milliseconds{50};
    auto made = join_network(net_.home.system(), token, std::move(options));
    if (!made) {
      UNSCOPED_INFO(made.error().message);
      return tl::unexpected(made.error());
    }
    joined = std::move(*made);
    return {};
  }
  void stop() {
    if (!joined.membership)
      return;
    caf::anon_send(joined.membership, shut_down{});
    net_.home.await_end(joined.membership);
    caf::anon_send(joined.overlay.actor, shut_down{});
    net_.home.await_end(joined.overlay.actor);
    joined = {};
  }
  device_status status() {
    return net_.home.ask<device_status>(joined.overlay.actor, get_status{});
  }
  bool has_peer(const std::string& name) {
    return eventually([&] {
      const auto peers = status().peers;
      return std::any_of(peers.begin(), peers.end(),
                         [&](const auto& each) { return each.name == name; });
    });
  }

  joined_network joined;

private:
  directory_home& net_;
  std::string folder_;
  fake<packet_consumer> consumer_;
};

join_token token_of(directory_home& net, std::uint64_t uses) {
  return {{address_of(net.where())},
          fingerprint_of(net.pki.root.certificate),
          net.issuer.invite(uses)};
}

} // namespace

TEST_CASE("a service joins with one call, and is a member again without a "
          "token") {
  directory_home net;
  net.start();
  const temporary_folder outer;
  const auto folder = outer.path() + "/alpha";
  service alpha(net, folder);
  REQUIRE(alpha.join(token_of(net, 1)));
  const auto name = alpha.joined.name;
  const auto addresses = alpha.joined.addresses;
  const auto key = alpha.status().public_key;
  CHECK_FALSE(name.empty());
  CHECK_FALSE(addresses.empty());
  CHECK(eventually([&] {
    const auto network = alpha.status().network;
    return network && !network->directory.empty();
  }));
  alpha.stop();
  net.stop();
  service again(net, folder);
  REQUIRE(again.join(std::nullopt));
  CHECK(again.joined.name == name);
  CHECK(again.joined.addresses == addresses);
  CHECK(again.status().public_key == key);
}

TEST_CASE("two services that joined become each other's peers") {
  directory_home net;
  net.start();
  const temporary_folder outer;
  const auto token = token_of(net, 2);
  service alpha(net, outer.path() + "/alpha");
  service beta(net, outer.path() + "/beta");
  REQUIRE(alpha.join(token));
  REQUIRE(beta.join(token));
  CHECK(alpha.joined.addresses != beta.joined.addresses);
  CHECK(alpha.has_peer(beta.joined.name));
  CHECK(beta.has_peer(alpha.joined.name));
}

TEST_CASE("a service that cannot join says why, and leaves nothing running") {
  directory_home net;
  net.start();
  const temporary_folder outer;
  service alpha(net, outer.path() + "/alpha");
  const auto without = alpha.join(std::nullopt);
  REQUIRE_FALSE(without);
  CHECK_THAT(without.error().message,
             Contains("alpha/member.pem") && Contains("it needs a token"));
  auto token = token_of(net, 1);
  const auto right = token.root;
  token.root.fill(std::byte{1});
  CHECK_FALSE(alpha.join(token));
  // The same folder and keys serve the right one.
  token.root = right;
  CHECK(alpha.join(token));
}
