#include "actors/control/wire/hello.hpp"
#include "tests/actors/control_frames.hpp"
#include "tests/catch.hpp"

#include <algorithm>

using namespace weft;
using namespace weft::test;

TEST_CASE("What a client says first arrives as it was said") {
  const client_hello said{control_version, node_id('c')};
  const auto bytes = to_bytes(said);
  REQUIRE(bytes.size() == client_hello::size);
  const auto heard = parse_client_hello(bytes);
  REQUIRE(heard);
  CHECK(heard->version == control_version);
  CHECK(heard->node == node_id('c'));
}

TEST_CASE("What a server answers arrives as it was said") {
  server_hello said;
  said.answer = admission::try_later;
  said.role = control_role::operate;
  said.code = 11;
  said.interface = "weft0";
  said.text = "too many connections";
  const auto bytes = to_bytes(said);
  REQUIRE(bytes.size() == server_hello::size);
  const auto heard = parse_server_hello(bytes);
  REQUIRE(heard);
  CHECK(heard->answer == said.answer);
  CHECK(heard->role == said.role);
  CHECK(heard->code == said.code);
  CHECK(heard->interface == said.interface);
  CHECK(heard->text == said.text);
}

TEST_CASE("A text that is too long is cut") {
  server_hello said;
  said.interface = "0123456789abcdefXYZ";
  said.text = std::string(1000, 'x');
  const auto bytes = to_bytes(said);
  REQUIRE(bytes.size() == server_hello::size);
  const auto heard = parse_server_hello(bytes);
  REQUIRE(heard);
  CHECK(heard->interface == "0123456789abcdef");
  CHECK(heard->text == std::string(server_hello::size - 32, 'x'));
}

TEST_CASE("The version of another protocol is understood, and only that") {
  client_hello client{control_version + 1, node_id('c')};
  auto heard = parse_client_hello(to_bytes(client));
  REQUIRE(heard);
  CHECK(heard->version == control_version + 1);
  CHECK(heard->node.empty());
  server_hello server;
  server.version = control_version + 7;
  auto bytes = to_bytes(server);
  std::fill(bytes.begin() + 12, bytes.end(), '\xff');
  const auto answered = parse_server_hello(bytes);
  REQUIRE(answered);
  CHECK(answered->version == control_version + 7);
}

TEST_CASE("What is no hello is not taken for one") {
  CHECK_FALSE(parse_client_hello(std::string(client_hello::size, 'x')));
  CHECK_FALSE(parse_client_hello(to_bytes(server_hello{})));
  CHECK_FALSE(parse_server_hello(std::string(server_hello::size, '\0')));
  const auto with = [](std::size_t place, char byte) {
    auto bytes = to_bytes(server_hello{});
    bytes[place] = byte;
    return parse_server_hello(bytes);
  };
  CHECK(with(12, 2));
  CHECK_FALSE(with(12, 3));      // a result
  CHECK_FALSE(with(13, 3));      // a role
  CHECK_FALSE(with(16, '\x1b')); // a name that would steer a terminal
  CHECK_FALSE(with(32, '\x1b'));
  CHECK_FALSE(with(32, '\xff'));
}
