// Arbitrary offload headers and packets: what the segmenter takes it splits as
// the plain reference does, into any buffers.
//
// The input: the 10 bytes of the offload header, the MTU, the buffer's size,
// then the packet.
#include "tests/fuzz/plain_split.hpp"
#include "tests/fuzz/support.hpp"

namespace {

using namespace weft;
using namespace weft::test;

std::vector<bytes>
split(segmenter from, std::size_t mtu, std::size_t capacity) {
  std::vector<bytes> result;
  bytes memory(capacity, std::byte{0xee});
  for (bool done = false; !done;) {
    datagram_buffer buffer{memory};
    done = from.split_into(buffer, mtu);
    require(done || !buffer.empty());
    for (std::size_t i = 0; i < buffer.size(); ++i)
      result.emplace_back(buffer[i].begin() + 16, buffer[i].end() - 16);
  }
  return result;
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  constexpr std::size_t prefix = sizeof(offload_header) + 4;
  if (size < prefix)
    return 0;
  offload_header header;
  std::memcpy(&header, data, sizeof header);
  const auto* rest = data + sizeof header;
  const std::size_t mtu = rest[0] * 256u + rest[1];
  const std::size_t capacity = rest[2] * 256u + rest[3] + 100'000u;
  bytes packet(size - prefix);
  if (!packet.empty())
    std::memcpy(packet.data(), data + prefix, packet.size());
  auto changeable = packet;
  const auto made = segmenter::create(header, changeable);
  if (!made)
    return 0;
  const auto got = split(*made, mtu, capacity);
  require(!got.empty());
  const auto expected = plain_split(header, packet);
  if (!expected)
    return 0;
  require(got.size() == expected->size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    auto padded = expected->at(i);
    padded.resize(padded_length(padded.size(), mtu));
    require(got[i] == padded);
  }
  return 0;
}
