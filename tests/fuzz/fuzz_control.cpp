// What comes from the other end of a control connection: the hello, then
// frames.  However a stream is cut into pieces, the same bytes pass; nothing
// beyond the limits is let through or waited for.
//
// The first byte says who reads: a filter for a viewer or an operator, the
// guard of a client, or the hello.
#include "actors/control/wire/frame_filter.hpp"
#include "actors/control/wire/hello.hpp"
#include "tests/actors/control_frames.hpp"
#include "tests/fuzz/support.hpp"

namespace {

using namespace weft;
using namespace weft::test;

struct outcome {
  std::string passed;
  std::size_t dropped = 0;
  std::string violation;

  bool operator==(const outcome&) const = default;
};

/// Gives `policy` the bytes `step` by `step`, as the relay does.
outcome
frame_relay(frame_policy& policy, std::string_view bytes, std::size_t step) {
  outcome result;
  std::string waiting;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    waiting += bytes.substr(at, step);
    for (;;) {
      const auto decision = policy.from_remote(waiting);
      require(decision.pass + decision.drop <= waiting.size());
      result.passed += waiting.substr(0, decision.pass);
      result.dropped += decision.drop;
      waiting.erase(0, decision.pass + decision.drop);
      if (!decision.violation.empty()) {
        result.violation = decision.violation;
        return result;
      }
      if (decision.pass + decision.drop == 0)
        break;
    }
  }
  return result;
}

frame_filter make_filter(control_role role) {
  return frame_filter({role, facade_id, server_node});
}

void filter(control_role role, std::string_view bytes) {
  // Behind the handshakes, or else few inputs would get there.
  const auto greeting
    = client_handshake(node_id('c'))
      + client_handshake(node_id('c'), basp::select_connection);
  auto whole = make_filter(role);
  auto pieces = make_filter(role);
  require(frame_relay(whole, greeting, greeting.size()).violation.empty());
  require(frame_relay(pieces, greeting, 1).violation.empty());
  require(frame_relay(whole, bytes, bytes.size() + 1)
          == frame_relay(pieces, bytes, 7));
  require(whole.outstanding() == pieces.outstanding());
  require(whole.outstanding() <= frame_filter::most_requests);
  // Whatever has passed passes again, alone and from the beginning.
  auto without = make_filter(role);
  std::ignore = frame_relay(without, bytes, 64);
}

void both_directions(std::string_view bytes) {
  auto policy = make_filter(control_role::operate);
  while (bytes.size() > 1) {
    const auto length = static_cast<unsigned char>(bytes[0]);
    const auto part = bytes.substr(1, length / 2U);
    bytes.remove_prefix(1 + part.size());
    const auto result
      = length % 2 == 0 ? policy.from_remote(part) : policy.to_remote(part);
    require(result.pass + result.drop <= part.size());
    require(policy.outstanding() <= frame_filter::most_requests);
    if (!result.violation.empty())
      return;
  }
}

void guard(std::string_view bytes) {
  server_guard whole;
  server_guard pieces;
  require(frame_relay(whole, bytes, bytes.size() + 1)
          == frame_relay(pieces, bytes, 5));
  server_guard met;
  const auto greeting
    = frame({basp::operation::server_handshake, 0, 0, basp::version}, "node");
  require(frame_relay(met, greeting, 64).violation.empty());
  std::ignore = frame_relay(met, bytes, 64);
}

void hello(std::string_view bytes) {
  std::string padded{bytes};
  padded.resize(client_hello::size);
  if (const auto read = parse_client_hello(padded);
      read && read->version == control_version) {
    const auto again = parse_client_hello(to_bytes(*read));
    require(again && again->node == read->node);
  }
  padded = bytes;
  padded.resize(server_hello::size);
  const auto read = parse_server_hello(padded);
  if (!read || read->version != control_version)
    return;
  const auto again = parse_server_hello(to_bytes(*read));
  require(again && again->answer == read->answer && again->role == read->role
          && again->code == read->code
          && again->interface == read->interface && again->text == read->text);
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0)
    return 0;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  std::string_view text{reinterpret_cast<const char*>(data), size};
  text.remove_prefix(1);
  switch (data[0] % 5) {
    case 0:
      filter(control_role::view, text);
      break;
    case 1:
      filter(control_role::operate, text);
      break;
    case 2:
      both_directions(text);
      break;
    case 3:
      guard(text);
      break;
    default:
      hello(text);
  }
  return 0;
}
