// Metrics of an overlay that a service embeds, as a client reads them.
#include "actors/metrics/start_metrics.hpp"
#include "platform/connect.hpp"
#include "tests/actors/embedded.hpp"

#include <poll.h>
#include <sys/socket.h>

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;
using Catch::Contains;
using Catch::StartsWith;

namespace {

struct watched_overlay {
  explicit watched_overlay(metrics_limits limits = {}) {
    node.start({});
    metrics_options options;
    options.config.listen = parse_endpoint("127.0.0.1:0");
    options.limits = limits;
    auto started
      = start_metrics(home.system(), node.running.actor, std::move(options));
    if (!started)
      FAIL(started.error().message);
    server = *started;
    where = home.ask<metrics_places>(server, metrics_places_request{}).listen;
    REQUIRE(where);
  }

  file_descriptor connect() const {
    auto made = start_connect_tcp(*where);
    if (!made)
      FAIL(made.error().message);
    pollfd ready{made->get(), POLLOUT, 0};
    REQUIRE(::poll(&ready, 1, 10'000) == 1);
    return std::move(*made);
  }
  /// What comes until the other side ends it.
  static std::string rest_of(const file_descriptor& connection) {
    std::string text;
    for (;;) {
      pollfd ready{connection.get(), POLLIN, 0};
      if (::poll(&ready, 1, 20'000) != 1)
        return text + "(nothing more came, nor an end)";
      std::array<char, 4096> part{};
      const auto size = ::recv(connection.get(), part.data(), part.size(), 0);
      if (size <= 0)
        return text;
      text.append(part.data(), static_cast<std::size_t>(size));
    }
  }
  std::string get() const {
    const auto connection = connect();
    constexpr std::string_view request
      = "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n";
    REQUIRE(::send(connection.get(), request.data(), request.size(), 0)
            == static_cast<ssize_t>(request.size()));
    return rest_of(connection);
  }

  deterministic_random random{52};
  world home;
  embedded_overlay node{home, random, 1};
  metrics_actor server;
  std::optional<endpoint> where;
};

} // namespace

TEST_CASE("the metrics of an overlay in this process can be read") {
  const watched_overlay watched;
  const auto text = watched.get();
  CHECK_THAT(text, StartsWith("HTTP/1.1 200 OK\r\n")
                     && Contains("text/plain; version=0.0.4; charset=utf-8")
                     && Contains("\nweft_up{interface=\"weft1\"} 1\n"));
}

TEST_CASE("the server of metrics ends with its overlay") {
  watched_overlay watched;
  watched.node.stop();
  watched.home.await_end(watched.server);
}

TEST_CASE("whoever asks for nothing is cut off, and makes room") {
  metrics_limits limits;
  limits.clients = 2;
  limits.patience = 200ms;
  const watched_overlay watched{limits};
  const auto first = watched.connect();
  const auto second = watched.connect();
  CHECK_THAT(watched.get(), StartsWith("HTTP/1.1 200 OK"));
  CHECK(watched_overlay::rest_of(first).empty());
  CHECK(watched_overlay::rest_of(second).empty());
}

TEST_CASE("who has not asked for the longest time gives way to who comes") {
  metrics_limits limits;
  limits.clients = 2;
  limits.patience = 1h;
  limits.hesitation = 0ms;
  const watched_overlay watched{limits};
  const auto first = watched.connect();
  const auto second = watched.connect();
  REQUIRE(::send(first.get(), "GET /metr", 9, 0) == 9); // and no more
  CHECK_THAT(watched.get(), StartsWith("HTTP/1.1 200 OK"));
  CHECK(watched_overlay::rest_of(first).empty());
  REQUIRE(::send(second.get(), "GET /metrics HTTP/1.0\r\n\r\n", 25, 0) == 25);
  CHECK_THAT(watched_overlay::rest_of(second), Contains("200 OK"));
}

TEST_CASE("what was dropped stays counted when its peer is removed") {
  watched_overlay watched;
  auto& node = watched.node;
  peer_config peer;
  peer.public_key.bytes.fill(std::byte{7});
  peer.allowed_ips = {*parse_ip_prefix("10.0.0.2/32")};
  watched.home.ask<config_changes>(node.running.actor, add_peer{peer});
  REQUIRE(node.send({numbered_packet(1, 2, 1, 100, true)}) == 1);
  const auto before = node.drops(drop_reason::no_endpoint);
  CHECK(before == 1);
  watched.home.ask<config_changes>(node.running.actor,
                                   remove_peer{peer.public_key});
  CHECK(node.drops(drop_reason::no_endpoint) == before);
  CHECK_THAT(watched.get(), Contains("reason=\"no_endpoint\"} 1\n"));
}
