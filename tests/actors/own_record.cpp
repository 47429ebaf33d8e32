#include "actors/network/own_record.hpp"

#include "tests/actors/told_network.hpp"

using namespace weft;
using namespace weft::test;

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
