// What a member and a directory send each other: whatever comes, each side
// stays within its bounds, and what is read means the same when it is written
// and read again.
//
// The input: `m` for what a member says to a directory or `d` for the other
// way, then the stream.
#include "protocol/network/directory.hpp"
#include "protocol/network/member_session.hpp"
#include "tests/fuzz/support.hpp"

namespace {

using namespace weft;
using namespace weft::test;

template <class Read>
void try_again(const_byte_span frame, Read read) {
  const auto message = read(frame);
  if (!message) {
    require(!message.error().what.empty());
    return;
  }
  if (!*message)
    return;
  const auto once = encode_frame(**message);
  const auto second = read(const_byte_span(once).subspan(4));
  require(second && *second && encode_frame(**second) == once);
}

template <class Read>
void try_frames(const_byte_span stream, std::size_t most, Read read) {
  frame_reader reader(most);
  reader.append(stream);
  for (auto frame = reader.next(); frame && *frame; frame = reader.next())
    try_again(**frame, read);
}

const instant noon{time_point{std::chrono::hours(1)},
                   wall_time{std::chrono::seconds(1'790'000'000)}};

root_contents some_root() {
  return {network_id{}, "prod", {*parse_ip_prefix("10.200.0.0/16")}};
}

/// A directory whose judge takes any certificate for that of this member.
void try_directory(const_byte_span stream) {
  verified_certificate member;
  member.contents.name = "one";
  member.issuer = "first";
  member.until = latest_network_time;
  verified_issuer issuer{
    {network_id{}, "first", some_root().ranges}, {}, {}, latest_network_time};
  counter random;
  directory core(
    {some_root(), "first"},
    {[&](auto) { return issuer; }, [&](auto, auto) { return member; }}, random);
  core.opened({}, noon);
  core.listed(store_page{}, noon);
  core.issuer_there(true, noon);
  core.connected(1, member, noon);
  frame_reader reader(most_member_frame_bytes);
  reader.append(stream);
  for (auto frame = reader.next(); frame && *frame; frame = reader.next())
    core.received(1, **frame, noon);
  core.on_time({noon.now + directory::grace, noon.wall});
  for (const auto& each : core.take_steps()) {
    const auto* change = std::get_if<directory::change_entries>(&each);
    require(change == nullptr || !mistake_in(change->change));
  }
}

void try_session(const_byte_span stream) {
  counter random;
  member_session session(member_id{}, {{"one", 1}}, random);
  session.on_time(noon.now);
  session.connected(1, noon.now);
  session.received(1, stream, noon.now);
  session.on_time(noon.now + std::chrono::seconds(5));
  for (const auto& each : session.take_steps()) {
    const auto* sent = std::get_if<member_session::send_frame>(&each);
    require(sent == nullptr
            || read_member_message(const_byte_span(sent->frame).subspan(4)));
  }
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  const auto stream = std::as_bytes(std::span(data, size)).subspan(1);
  if (*data == 'm') {
    try_frames(stream, most_member_frame_bytes, read_member_message);
    try_directory(stream);
  } else if (*data == 'd') {
    try_frames(stream, most_directory_frame_bytes, read_directory_message);
    try_session(stream);
  }
  return 0;
}
