#include "protocol/network/steering.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/network_support.hpp"

using namespace weft;
using namespace weft::test;

namespace {

/// What follows the length, which is right.
const_byte_span body_of(const byte_vector& frame) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < 4; ++i)
    length = (length << 8) | std::to_integer<std::size_t>(frame.at(i));
  REQUIRE(length == frame.size() - 4);
  return const_byte_span(frame).subspan(4);
}

template <class Answer>
Answer passed_on(const Answer& answer) {
  const auto frame = encode_frame(steering_answer{answer});
  return std::get<Answer>(read_steering_answer(body_of(frame)).value());
}

directory_state some_state() {
  directory_state state;
  state.name = "alpha";
  state.network = "prod";
  state.listen = *parse_endpoint("[2001:db8::1]:7777");
  state.store[3] = std::byte{7};
  state.revision = 41;
  state.loaded = true;
  state.recovering = true;
  state.why_recovering = "a member showed a newer list";
  state.has_issuer = true;
  state.items = 10'001;
  state.connected = 12;
  state.joining = 3;
  state.unknown = 4;
  state.admitted = 5;
  state.turned_away = 6;
  state.trouble.issuer = "no answer";
  state.directories = {{"alpha", "1"}, {"beta", "2"}};
  state.ends = network_time{std::chrono::seconds{1'900'000'000}};
  return state;
}

} // namespace

TEST_CASE("Root's questions to a directory arrive as they were asked") {
  const auto asked = [](const steering_question& question) {
    const auto frame = encode_frame(question);
    return read_steering_question(body_of(frame)).value();
  };
  CHECK(
    std::holds_alternative<ask_directory_state>(asked(ask_directory_state{})));
  CHECK(std::holds_alternative<ask_recovery>(asked(ask_recovery{})));
  CHECK(std::holds_alternative<ask_connected_members>(
    asked(ask_connected_members{})));
  CHECK(std::get<ask_store_backup>(asked(ask_store_backup{"/var/backups/prod"}))
          .path
        == "/var/backups/prod");
  const byte_vector key{std::byte{'c'}, std::byte{7}};
  CHECK(std::get<ask_known_items>(asked(ask_known_items{key})).after == key);
}

TEST_CASE("A directory's answers to root arrive as they were given") {
  CHECK(passed_on(some_state()) == some_state());
  CHECK(passed_on(directory_state{}) == directory_state{});
  connected_members members;
  members.members.push_back(
    {member_id{}, "beta", *parse_endpoint("192.0.2.1:4000")});
  members.all = 2;
  CHECK(passed_on(members) == members);
  known_items items;
  items.items.push_back({{std::byte{'l'}}, byte_vector(1 << 20, std::byte{7})});
  items.more = true;
  CHECK(passed_on(items) == items);
  CHECK(passed_on(steering_done{}) == steering_done{});
  CHECK(passed_on(steering_failed{"no room"}) == steering_failed{"no room"});
}

TEST_CASE("A directory says in one line of text what others have said to it") {
  auto state = some_state();
  state.trouble.store = "first\nsecond \xff third" + std::string(5000, 'x');
  CHECK(passed_on(state).trouble.store == "first?second ");
}

TEST_CASE("What is no question to a directory is refused") {
  const auto frame = encode_frame(steering_question{ask_store_backup{"/x"}});
  const auto body = body_of(frame);
  for (std::size_t size = 0; size < body.size(); ++size)
    CHECK_FALSE(read_steering_question(body.first(size)));
  CHECK_FALSE(read_steering_question(
    body_of(encode_frame(steering_answer{steering_done{}}))));
  CHECK_FALSE(read_steering_question(body_of(encode_frame(
    steering_question{ask_store_backup{std::string(5000, 'x')}}))));
}

TEST_CASE("As many connected members as an answer names fit into a frame") {
  connected_members members;
  for (std::size_t i = 0; i < most_connected_members + 1; ++i)
    members.members.push_back(
      {member_id{}, std::string(longest_network_word, 'n'),
       *parse_endpoint("[2001:db8:1111:2222:3333:4444:5555:6666]:65535")});
  const auto frame = encode_frame(steering_answer{members});
  CHECK(frame.size() <= most_steering_frame_bytes);
  CHECK(passed_on(members).members.size() == most_connected_members);
}
