// Packets of a few flows, nearly in order and with arbitrary changes: what the
// coalescer joins is split by the plain reference into the same packets, in the
// same order within each flow.
//
// The input is a list of five-byte steps: flow, what is special, its argument,
// and the length of the payload.
#include "protocol/packets/coalescer.hpp"
#include "tests/fuzz/plain_split.hpp"
#include "tests/fuzz/support.hpp"

#include <array>
#include <map>

namespace {

using namespace weft;
using namespace weft::test;

constexpr std::size_t flows = 8;
constexpr std::size_t step_size = 5;

struct added {
  bytes packet;
  std::size_t flow = flows; ///< `flows`: may belong to any
};

/// The next packet of a flow, perhaps changed.
added next_packet(std::array<inner_packet, flows>& state,
                  const unsigned char* step) {
  const std::size_t flow = step[0] % flows;
  auto& next = state[flow];
  const unsigned argument = step[2];
  auto packet = next;
  packet.payload.resize((step[3] * 256u + step[4]) % 1500);
  for (std::size_t i = 0; i < packet.payload.size(); ++i)
    packet.payload[i] = static_cast<std::byte>(argument + i);
  added result{{}, flow};
  switch (step[1] % 16) {
    case 0:
      packet.flags = static_cast<std::uint8_t>(argument);
      break;
    case 1:
      packet.sequence += argument;
      break;
    case 2:
      packet.identification
        = static_cast<std::uint16_t>(packet.identification + argument);
      break;
    case 3:
      packet.tcp_options.resize(argument % 11 * 4, std::byte{1});
      break;
    case 4:
      packet.ip_options.resize(argument % 11 * 4, std::byte{1});
      break;
    case 5:
      packet.dont_fragment = !packet.dont_fragment;
      break;
    case 6:
      packet.window = static_cast<std::uint16_t>(argument);
      break;
    case 7:
      packet.traffic_class = static_cast<std::uint8_t>(argument);
      break;
    default:
      break;
  }
  if (!packet.v4)
    packet.ip_options.clear();
  result.packet = build(packet);
  if (step[1] % 16 == 8 || step[1] % 16 == 9) { // whatever it is then
    result.packet[argument % result.packet.size()] ^= std::byte{step[4]};
    if (step[4] != 0)
      result.flow = flows;
  }
  next.sequence
    = packet.sequence + static_cast<std::uint32_t>(packet.payload.size());
  next.identification = static_cast<std::uint16_t>(packet.identification + 1);
  return result;
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  std::array<inner_packet, flows> state;
  for (std::size_t i = 0; i < flows; ++i) {
    state[i].v4 = i % 2 == 0;
    state[i].tcp = i / 2 % 2 == 0;
    state[i].source_port = static_cast<std::uint16_t>(1000 + i);
  }
  std::vector<added> packets;
  for (std::size_t i = 0; i + step_size <= size && packets.size() < 64;
       i += step_size)
    packets.push_back(next_packet(state, data + i));

  coalescer joiner{{}};
  auto given = packets;
  for (auto& one : given)
    joiner.add(one.packet);
  std::multimap<bytes, std::size_t> waiting;
  for (std::size_t i = 0; i < packets.size(); ++i)
    waiting.emplace(packets[i].packet, i);
  std::array<std::size_t, flows> last{};
  joiner.flush([&](const super_packet& super) {
    bytes whole;
    for (const auto& fragment : super.fragments)
      whole.insert(whole.end(), fragment.begin(), fragment.end());
    const auto parts = plain_split(super.header, whole);
    require(parts && parts->size() == super.fragments.size());
    for (auto part : *parts) {
      auto found = waiting.find(part);
      if (found == waiting.end() && super.fragments.size() > 1
          && (part[0] >> 4) == std::byte{4}) {
        // Identifications that all are the same need not be kept.
        store_be(&part[4], load_be<std::uint16_t>(&whole[4]));
        part[10] = part[11] = std::byte{0};
        store_be(&part[10], naive_checksum({part.begin(), part.begin() + 20}));
        found = waiting.find(part);
      }
      require(found != waiting.end());
      const auto number = found->second;
      waiting.erase(found);
      if (const auto flow = packets[number].flow; flow < flows) {
        require(number >= last[flow]);
        last[flow] = number;
      }
    }
  });
  require(waiting.empty());
  return 0;
}
