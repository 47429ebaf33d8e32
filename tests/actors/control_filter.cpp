#include "actors/control/wire/frame_filter.hpp"
#include "messages/control.hpp"
#include "tests/actors/control_frames.hpp"
#include "tests/catch.hpp"

#include <caf/binary_serializer.hpp>

using namespace weft;
using namespace weft::test;
using basp::operation;

namespace {

constexpr std::uint64_t relay_id = 77;

/// A filter, and what it has let through.
struct filtered {
  explicit filtered(control_role role = control_role::operate,
                    std::shared_ptr<client_account> account = nullptr)
    : filter({role, facade_id, server_node, std::move(account)}) {
  }

  /// Sends a client's bytes; why it is cut off, if it is.
  std::string send(std::string bytes) {
    pending += bytes;
    for (;;) {
      const auto result = filter.from_remote(pending);
      CHECK((result.pass == 0 || result.drop == 0));
      forwarded += pending.substr(0, result.pass);
      dropped += result.drop;
      pending.erase(0, result.pass + result.drop);
      held = result.held;
      if (!result.violation.empty())
        return result.violation;
      if (result.pass + result.drop == 0)
        return {};
    }
  }
  /// The server's bytes.
  std::string answer(const std::string& bytes) {
    const auto result = filter.to_remote(bytes);
    if (result.violation.empty())
      CHECK(result.pass == bytes.size());
    return result.violation;
  }
  filtered& greet() {
    CHECK(send(client_handshake(client_node)).empty());
    CHECK(send(client_handshake(client_node, basp::select_connection)).empty());
    forwarded.clear();
    return *this;
  }
  /// The server answers a request of actor 5's.
  void answer_request(std::uint64_t number) {
    message_frame made{facade_id, 5, response_bit | request_bit | number};
    CHECK(answer(made.with(content("@<>"))).empty());
  }
  /// A relay sends the client a batch of events.
  void send_batch(std::uint64_t number) {
    message_frame made{relay_id, 6, request_bit | number};
    CHECK(answer(made.with(content("@<>+weft::event_batch"))).empty());
  }

  frame_filter filter;
  std::string pending;
  std::string forwarded;
  std::size_t dropped = 0;
  bool held = false;
};

/// As a client of `role` that has shaken hands.
std::string send_as(control_role role, const std::string& bytes) {
  return filtered{role}.greet().send(bytes);
}
std::string send_alone(const std::string& bytes) {
  return send_as(control_role::operate, bytes);
}

std::string subscription(std::string_view node, std::uint64_t actor = 6,
                         std::uint64_t number = 1) {
  message_frame made;
  made.id = request_bit | number;
  return made.with(
    content("@<>+weft::subscribe", big_endian(actor) + std::string{node}));
}

} // namespace

TEST_CASE("A client's own requests go through, however they are cut") {
  std::string stream;
  for (unsigned number = 1; number <= 3; ++number)
    stream += status_request(number);
  stream += subscription(client_node, 6, 4);
  filtered whole;
  CHECK(whole.greet().send(stream).empty());
  CHECK(whole.forwarded == stream);
  CHECK(whole.filter.outstanding() == 4);
  filtered pieces;
  pieces.greet();
  for (const auto byte : stream)
    CHECK(pieces.send(std::string(1, byte)).empty());
  CHECK(pieces.forwarded == stream);
}

TEST_CASE("Every request of the interface has a rule") {
  const auto types = [](caf::actor_system_config& config) {
    std::vector<std::string> names;
    for (const auto& [name, made] : config.value_factories_by_name)
      names.push_back(name);
    return names;
  };
  caf::actor_system_config config;
  configure(config);
  std::size_t known = 0;
  for (const auto& name : types(config)) {
    message_frame made;
    const auto why = send_alone(made.with(content("@<>+" + name)));
    known += why != "a message that is none of weft's" ? 1U : 0U;
  }
  CHECK(known == caf::detail::tl_size<overlay_actor::signatures>::value);
}

TEST_CASE("Nothing goes through before a handshake, and only one node's") {
  const auto alone
    = [](const std::string& bytes) { return filtered{}.send(bytes); };
  CHECK(alone(status_request(1)) == "it does not begin with a handshake");
  CHECK(alone(basp::heartbeat()) == "it does not begin with a handshake");
  CHECK(alone(client_handshake(server_node)) == "the daemon's own node id");
  CHECK(alone(client_handshake(std::string(32, 'x')))
        == "a node id of another kind");
  CHECK(alone(client_handshake("")) == "a handshake out of place");
  CHECK(alone(client_handshake(client_node + "x"))
        == "a handshake out of place");
  CHECK(alone(client_handshake(client_node, basp::select_connection))
        == "a handshake out of place");
  const auto first = client_handshake(client_node);
  const auto second = client_handshake(client_node, basp::select_connection);
  CHECK(alone(first + second).empty());
  CHECK(alone(first + first) == "a handshake out of place");
  CHECK(alone(first + second + second) == "a handshake out of place");
  CHECK(alone(first + client_handshake(node_id('d'), basp::select_connection))
        == "a handshake for another node");
}

TEST_CASE("What CAF would believe is cut off") {
  const auto status = content("@<>+weft::get_status", std::string(8, '\0'));
  message_frame made;
  SECTION("actors found by their names") {
    made.flags = basp::named_receiver;
    CHECK(send_alone(made.with(status)) == "a message to an actor by its name");
    made.flags = 4;
    CHECK(send_alone(made.with(status)) == "a header with flags");
  }
  SECTION("servers that spawn and configure, by their numbers") {
    for (const std::uint64_t id : {1U, 2U, 3U, 8U, 10U}) {
      made.destination = id;
      CHECK(send_alone(made.with(status)) == "a message to another actor");
    }
  }
  SECTION("messages to be passed on") {
    made.what = operation::routed_message;
    CHECK(send_alone(made.with(status))
          == "a message to be passed on to another node");
  }
  SECTION("the end of the facade") {
    CHECK(send_alone(made.with(content("@<>+@exit")))
          == "a message that is none of weft's");
    made.id = request_bit;
    CHECK(send_alone(made.with(content("@<>+@exit")))
          == "a message that is no request");
  }
  SECTION("links of an actor to itself") {
    CHECK(send_alone(made.with(content("@<>+@atom+@strong_actor_ptr")))
          == "a message that is none of weft's");
  }
  SECTION("more than one element, or none") {
    for (const auto* types :
         {"@<>", "@<>+", "@<>+weft::get_status+@error",
          "@<>+weft::get_status+weft::get_status", "weft::get_status",
          "@<>+weft::event_batch", "@<>+weft::device_status", "@<>+@error",
          "@<>+@atom+@atom+@str"})
      CHECK(send_alone(made.with(content(types)))
            == "a message that is none of weft's");
  }
  SECTION("stages, and names too long") {
    auto staged = status;
    staged[0] = 1;
    CHECK(send_alone(made.with(staged)) == "a malformed message");
    auto typed = status;
    typed[2] = 1;
    CHECK(send_alone(made.with(typed)) == "a malformed message");
    auto endless = status;
    endless[3] = static_cast<char>(0x80);
    CHECK(send_alone(made.with(endless)) == "a malformed message");
  }
  SECTION("what is cut short") {
    for (std::size_t size = 0; size < 24; ++size)
      CHECK_FALSE(send_alone(made.with(status.substr(0, size))).empty());
  }
  SECTION("streams, answered requests, and senders that are nobody") {
    made.id = request_bit | 1 | (std::uint64_t{1} << 61);
    CHECK(send_alone(made.with(status)) == "a message that is no request");
    made.id = request_bit | 1 | (std::uint64_t{1} << 62);
    CHECK(send_alone(made.with(status)) == "a message that is no request");
    made.id = request_bit | 1;
    made.source = 0;
    CHECK(send_alone(made.with(status)) == "a message to another actor");
  }
  SECTION("unknown operations, and a server's handshake") {
    for (const int code : {7, 100, 255})
      CHECK(send_alone(frame({static_cast<operation>(code)}, ""))
            == "an unknown operation");
    CHECK(send_alone(frame({operation::server_handshake, 0, 0, 3}, client_node))
          == "the handshake of a server");
  }
  SECTION("a payload of four gigabytes, before a byte of it has come") {
    basp::header head{operation::direct_message, 0, 0xffff'ffff,
                      request_bit | 1,           5, facade_id};
    CHECK(send_alone(basp::to_bytes(head)) == "a request of 4294967295 bytes");
    head.what = operation::down_message;
    head.data = head.destination = 0;
    CHECK(send_alone(basp::to_bytes(head)) == "a malformed down message");
    head.what = operation::monitor_message;
    CHECK_FALSE(send_alone(basp::to_bytes(head)).empty());
    head.what = operation::heartbeat;
    CHECK_FALSE(send_alone(basp::to_bytes(head)).empty());
  }
  SECTION("anything else") {
    unsigned state = 1;
    for (int round = 0; round < 500; ++round) {
      std::string noise(64, '\0');
      for (auto& byte : noise) {
        state = state * 1103515245 + 12345;
        byte = static_cast<char>(state >> 16);
      }
      noise[4] = noise[5] = 0; // lengths that are believed to the end
      noise[6] = 0;
      filtered one;
      one.greet();
      std::ignore = one.send(noise);
      CHECK(one.forwarded.empty());
    }
  }
}

TEST_CASE("Requests have a size that is right for their role") {
  const auto of_size = [](std::string_view types, std::size_t size) {
    auto payload = content(types);
    payload.resize(size, 'x');
    return message_frame{}.with(payload);
  };
  const std::string_view apply = "@<>+weft::apply_config";
  const std::string_view status = "@<>+weft::get_status";
  CHECK(
    send_as(control_role::operate, of_size(apply, max_control_size)).empty());
  CHECK_FALSE(
    send_as(control_role::operate, of_size(apply, max_control_size + 5000))
      .empty());
  CHECK(send_as(control_role::view, of_size(status, 65536)).empty());
  CHECK_FALSE(send_as(control_role::view, of_size(status, 65537)).empty());
}

TEST_CASE("A viewer may look and subscribe, and ask for what the facade "
          "refuses") {
  const auto send = [](std::string_view type) {
    return send_as(control_role::view, message_frame{}.with(content(
                                         "@<>+weft::" + std::string{type})));
  };
  CHECK(send("get_status").empty());
  CHECK(send("check_handshake").empty());
  CHECK(send_as(control_role::view, subscription(client_node)).empty());
  for (const auto* type :
       {"apply_config", "reload_config", "add_peer", "update_peer",
        "remove_peer", "set_endpoint", "add_allowed_ip", "remove_allowed_ip",
        "generate_keys", "set_log_level", "shut_down", "begin_handshake",
        "get_configuration", "expect_file", "confirm_config", "reset_peer",
        "set_offloads"})
    CHECK(send(type).empty());
  CHECK_FALSE(send("own_message").empty());
}

TEST_CASE("A payload goes on as it comes, without being kept") {
  filtered one;
  auto payload = content("@<>+weft::apply_config");
  payload.resize(max_control_size, 'x');
  const auto whole = message_frame{}.with(payload);
  CHECK(one.greet().send(whole.substr(0, 1024)).empty());
  CHECK(one.forwarded.size() == 1024);
  CHECK(one.send(whole.substr(1024)).empty());
  CHECK(one.forwarded == whole);
}

TEST_CASE(
  "Requests wait when there were too many lately, of all connections of "
  "one client") {
  const auto account = std::make_shared<client_account>(control_role::view);
  filtered one{control_role::view, account};
  filtered other{control_role::view, account};
  const time_point start{std::chrono::hours{1}};
  one.filter.set_time(start);
  other.filter.set_time(start);
  one.greet();
  other.greet();
  std::uint64_t number = 0;
  std::size_t passed = 0;
  const auto ask = [&](filtered& through) {
    ++number;
    CHECK(through.send(status_request(number)).empty());
    if (!through.held) {
      ++passed;
      through.answer_request(number);
    }
  };
  while (!one.held)
    ask(one);
  ask(other);
  CHECK(other.held);
  CHECK(passed == 40);
  const auto resumes = one.filter.resumes_at();
  REQUIRE(resumes);
  CHECK(*resumes == start + std::chrono::milliseconds{50});
  one.filter.set_time(*resumes);
  CHECK(one.send("").empty());
  CHECK_FALSE(one.held);
  CHECK_FALSE(one.filter.resumes_at());
  // An operator may ask more often, but not without end.
  filtered third{control_role::operate,
                 std::make_shared<client_account>(control_role::operate)};
  third.filter.set_time(start);
  third.greet();
  passed = 0;
  while (!third.held && passed < 10'000)
    ask(third);
  CHECK(passed == 2000);
}

TEST_CASE("A filter says how far the client is with its frames") {
  filtered one;
  const auto begin = one.filter.heard()->complete;
  one.greet();
  CHECK(one.filter.heard()->complete == begin + 2);
  CHECK(one.filter.heard()->size == 0);
  CHECK(one.send(basp::heartbeat()).empty());
  CHECK(one.filter.heard()->complete == begin + 3);
  const auto request = status_request(1);
  CHECK(one.send(request.substr(0, request.size() - 1)).empty());
  CHECK(one.filter.heard()->complete == begin + 3);
  CHECK(one.filter.heard()->size == request.size());
  CHECK(one.send(request.substr(request.size() - 1)).empty());
  CHECK(one.filter.heard()->complete == begin + 4);
  CHECK(one.filter.heard()->size == 0);
}

TEST_CASE("Thirty-two requests wait for answers, four of them for the status") {
  filtered one;
  one.greet();
  const auto request = [](std::uint64_t number) {
    message_frame made;
    made.id = request_bit | number;
    return made.with(content("@<>+weft::reload_config"));
  };
  for (std::uint64_t number = 1; number <= 4; ++number)
    CHECK(one.send(status_request(number)).empty());
  CHECK_FALSE(one.held);
  CHECK(one.send(status_request(5)).empty());
  CHECK(one.held);
  one.answer_request(2);
  CHECK(one.send("").empty());
  CHECK_FALSE(one.held);
  for (std::uint64_t number = 10; number < 10 + 28; ++number)
    CHECK(one.send(request(number)).empty());
  CHECK_FALSE(one.held);
  CHECK(one.filter.outstanding() == 32);
  const auto before = one.forwarded;
  for (std::uint64_t number = 50; number < 60; ++number)
    CHECK(one.send(request(number)).empty());
  CHECK(one.held);
  CHECK(one.forwarded == before);
  one.answer_request(10);
  one.answer_request(11);
  CHECK(one.send("").empty());
  CHECK(one.forwarded == before + request(50) + request(51));
  CHECK(one.filter.outstanding() == 32);
}

TEST_CASE("A number is used for one request at a time") {
  filtered one;
  CHECK(one.greet().send(status_request(1)).empty());
  CHECK(one.send(status_request(1)) == "two requests with one number");
  filtered other;
  CHECK(other.greet().send(status_request(1)).empty());
  other.answer_request(1);
  CHECK(other.send(status_request(1)).empty());
}

TEST_CASE("Subscribers are the client's own actors") {
  CHECK(send_alone(subscription(client_node)).empty());
  CHECK(send_alone(subscription(server_node))
        == "a subscription for another node");
  CHECK(send_alone(subscription(node_id('d')))
        == "a subscription for another node");
  CHECK(send_alone(subscription(client_node, 0))
        == "a subscription for another node");
  CHECK(send_alone(subscription(client_node + "x"))
        == "a malformed subscription");
  CHECK(send_alone(subscription("")) == "a malformed subscription");
}

TEST_CASE("Only batches that were sent are answered, once, and briefly") {
  const auto answer = [](std::uint64_t number, std::string_view types = "@<>",
                         std::uint64_t source = 6, std::string_view rest = {}) {
    message_frame made{source, relay_id, response_bit | request_bit | number};
    return made.with(content(types, rest));
  };
  const auto subscribed = [] {
    filtered one;
    CHECK(one.greet().send(subscription(client_node)).empty());
    one.send_batch(3);
    return one;
  };
  auto one = subscribed();
  CHECK(one.send(answer(3)).empty());
  CHECK(one.send(answer(3)) == "an answer that nobody waits for");
  CHECK(subscribed().send(answer(4)) == "an answer that nobody waits for");
  const auto fail = [&](std::size_t more, std::uint64_t source = 6) {
    return answer(3, "@<>+@error", source,
                  error_with() + std::string(more, 'x'));
  };
  CHECK(subscribed().send(fail(100)).empty());
  CHECK(subscribed().send(fail(0, 0)).empty());
  CHECK_FALSE(subscribed().send(fail(2000)).empty());
  CHECK(subscribed().send(answer(3, "@<>+@str")) == "a malformed answer");
  CHECK(subscribed().send(answer(3, "@<>", 60))
        == "an answer of an actor that nobody knows");
}

TEST_CASE("A client watches what it was shown, each once") {
  const auto watch = [](std::uint64_t id, std::string_view nodes) {
    return frame({operation::monitor_message, 0, 0, 0, 0, id}, nodes);
  };
  const auto nodes = client_node + server_node;
  CHECK(send_alone(watch(facade_id, nodes)).empty());
  CHECK(send_alone(watch(facade_id, nodes) + watch(facade_id, nodes))
        == "it watches actors that are not its business");
  for (const std::uint64_t id : {0U, 1U, 2U, 3U, 8U, 10U, 77U})
    CHECK(send_alone(watch(id, nodes))
          == "it watches actors that are not its business");
  CHECK(send_alone(watch(facade_id, server_node + client_node))
        == "a monitor message for another node");
  CHECK(send_alone(watch(facade_id, client_node + node_id('d')))
        == "a monitor message for another node");
  CHECK(send_alone(watch(facade_id, "")) == "a malformed monitor message");
  filtered one;
  CHECK(one.greet().send(subscription(client_node)).empty());
  one.send_batch(1);
  CHECK(one.send(watch(relay_id, nodes)).empty());
  CHECK(one
          .answer(frame({operation::down_message, 0, 0, 0, relay_id},
                        server_node + client_node + "xxx"))
          .empty());
  CHECK_FALSE(one.send(watch(relay_id, nodes)).empty());
}

TEST_CASE("A client's actors end once, and are known before") {
  const auto ended
    = [](std::uint64_t id, const std::string& reason = error_with()) {
        return frame({operation::down_message, 0, 0, 0, id},
                     client_node + server_node + reason);
      };
  filtered one;
  CHECK(one.greet().send(status_request(1)).empty());
  CHECK(one.send(ended(5)).empty());
  CHECK(one.send(ended(5)) == "the end of an actor that nobody knows");
  CHECK(send_alone(ended(6)) == "the end of an actor that nobody knows");
  CHECK(send_alone(status_request(1) + ended(5, std::string(5000, 'x')))
        == "a malformed down message");
  CHECK(send_alone(status_request(1) + ended(5, ""))
        == "a malformed down message");
}

TEST_CASE("An error brings nothing along that CAF would make of it") {
  const auto send = [](const std::string& error) {
    const auto ended = frame({operation::down_message, 0, 0, 0, 5},
                             client_node + server_node + error);
    filtered failed;
    failed.greet();
    CHECK(failed.send(subscription(client_node)).empty());
    failed.send_batch(3);
    message_frame answer{6, relay_id, response_bit | request_bit | 3};
    auto why = failed.send(answer.with(content("@<>+@error", error)));
    CHECK(send_alone(status_request(1) + ended) == why);
    return why;
  };
  const std::string four_gigabytes = "\xff\xff\xff\xff\x0f";
  for (const auto* types :
       {"@<>", "@<>+@str", "@<>+@i32+@str+@str"}) // CAF's and weft's own
    CHECK(send(error_with(types, std::string(16, '\0'))).empty());
  for (const auto* types :
       {"@<>+@charbuf", "@<>+@strong_actor_ptr", "@<>+@message", "@<>+@group",
        "@<>+@str+@charbuf", "@<>+@error", "@<>+@strvec", "", "nothing"})
    CHECK(send(error_with(types, four_gigabytes)) == "a malformed error");
  CHECK(send(error_with().substr(0, 11)) == "a malformed error");
  CHECK(send(error_with() + "x").empty());
  // However it is cut.
  filtered one;
  one.greet();
  std::string why;
  for (const auto byte : status_request(1)
                           + frame({operation::down_message, 0, 0, 0, 5},
                                   client_node + server_node + error_with()))
    why += one.send({byte});
  CHECK(why.empty());
  CHECK(one.pending.empty());
}

TEST_CASE("A client shows so many actors, and no more") {
  filtered one;
  one.greet();
  std::string why;
  unsigned count = 0;
  for (; why.empty() && count < 1000; ++count) {
    message_frame made;
    made.source = 100 + count;
    why = one.send(made.with(content("@<>+weft::reload_config")));
    message_frame answer{facade_id, made.source,
                         response_bit | request_bit | 1};
    CHECK(one.answer(answer.with(content("@<>"))).empty());
  }
  CHECK(why == "too many actors");
  CHECK(count == frame_filter::most_actors + 1);
}

TEST_CASE("Heartbeats go no further, however many there are") {
  filtered one;
  one.greet();
  std::string flood;
  for (int i = 0; i < 1000; ++i)
    flood += basp::heartbeat();
  CHECK(one.send(flood + status_request(1) + flood).empty());
  CHECK(one.forwarded == status_request(1));
  CHECK(one.dropped == 2000 * basp::header_size);
}

TEST_CASE("A frame may follow when those before it are complete") {
  filtered one;
  CHECK(one.filter.between_frames());
  const auto sent = frame({operation::server_handshake, 0, 0, 3}, "payload");
  const auto half = std::string_view{sent}.substr(0, 35);
  CHECK(one.filter.to_remote(half).pass == 35);
  CHECK_FALSE(one.filter.between_frames());
  CHECK(one.filter.to_remote(std::string_view{sent}.substr(35)).pass == 4);
  CHECK(one.filter.between_frames());
}
