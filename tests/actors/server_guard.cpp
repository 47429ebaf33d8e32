// What a client lets through of what its server sends.
#include "actors/control/wire/frame_filter.hpp"
#include "messages/control.hpp"
#include "tests/actors/control_frames.hpp"
#include "tests/catch.hpp"

using namespace weft;
using namespace weft::test;
using basp::operation;

TEST_CASE("A server reaches nothing by name in its client, and makes it "
          "allocate little") {
  const auto greeting = frame({operation::server_handshake, 0, 0, 3}, "node");
  const auto violation_of = [&](const std::string& bytes, bool met = true) {
    server_guard guard;
    if (met)
      CHECK(guard.from_remote(greeting).pass == greeting.size());
    return guard.from_remote(bytes).violation;
  };
  const message_frame made;
  for (const auto* types : {"@<>", "@<>+bool", "@<>+weft::device_status"})
    CHECK(violation_of(made.with(content(types, "anything"))).empty());
  CHECK(violation_of(made.with(content("@<>+@error", error_with()))).empty());
  CHECK(violation_of(basp::heartbeat()).empty());
  CHECK(violation_of(greeting) == "a handshake out of place");
  CHECK(violation_of(basp::heartbeat(), false) == "a handshake out of place");
  CHECK_FALSE(
    violation_of(frame({operation::server_handshake, 0, 0, 3}, ""), false)
      .empty());
  CHECK(
    violation_of(frame({operation::server_handshake, 0, 0, 4}, "node"), false)
    == "another version of BASP");
  auto named = made;
  named.flags = basp::named_receiver;
  CHECK_FALSE(violation_of(named.with(content("@<>"))).empty());
  CHECK_FALSE(violation_of(client_handshake(client_node)).empty());
  auto routed = made;
  routed.what = operation::routed_message;
  CHECK_FALSE(violation_of(routed.with(content("@<>"))).empty());
  CHECK_FALSE(violation_of(made.with("")).empty());
  CHECK_FALSE(
    violation_of(basp::to_bytes({operation::direct_message, 0, 0xffff'ffff}))
      .empty());
  CHECK_FALSE(violation_of(std::string(32, '\x7f')).empty());
  const auto four_gigabytes
    = error_with("@<>+@charbuf", "\xff\xff\xff\xff\x0f");
  CHECK(violation_of(made.with(content("@<>+@error", four_gigabytes)))
        == "a malformed error");
  CHECK(violation_of(made.with(content("@<>+@charbuf")))
        == "a message that is none of weft's");
  CHECK(violation_of(made.with(content("@<>+weft::key_pair+@charbuf")))
        == "a message that is none of weft's");
  const auto ended = [&](std::string_view nodes, std::string_view error) {
    return violation_of(frame({operation::down_message, 0, 0, 0, facade_id},
                              std::string{nodes} + std::string{error}));
  };
  const auto nodes = server_node + client_node;
  CHECK(ended(nodes, error_with()).empty());
  CHECK(ended(nodes, four_gigabytes) == "a malformed error");
  CHECK(ended(nodes, "") == "a malformed down message");
  CHECK(ended(std::string(nodes.size(), 'x'), error_with())
        == "a node id of another kind");
}
