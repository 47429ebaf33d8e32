// What splitting and joining super-packets costs a packet.
#include "messages/batches.hpp"
#include "protocol/packets/coalescer.hpp"
#include "tests/protocol/inner_packets.hpp"
#include "tools/bench/micro/support.hpp"

namespace {

using namespace weft;

constexpr std::size_t mtu = 1420;

/// A packet of a flow as a host sends it: with timestamps if it is TCP.
test::inner_packet make_packet(bool tcp, std::size_t payload) {
  test::deterministic_random random;
  test::inner_packet packet;
  packet.tcp = tcp;
  if (tcp)
    packet.tcp_options = test::random_bytes(random, 12);
  packet.payload = test::random_bytes(random, payload);
  return packet;
}

/// Payload that fits into a packet of the MTU.
std::size_t segment_payload(const test::inner_packet& packet) {
  return mtu - packet.header_length();
}

/// As much of one flow as one read of a TUN device yields.
test::inner_packet make_super_packet(bool tcp) {
  auto packet = make_packet(tcp, 0);
  const auto each = segment_payload(packet);
  const auto segments = (65535 - packet.header_length()) / each;
  test::deterministic_random random;
  packet.payload = test::random_bytes(random, segments * each);
  return packet;
}

/// `payload` 0: a super-packet, else a packet of its own whose checksum is left
/// to us.
void split(benchmark::State& state, bool tcp, std::size_t payload) {
  const auto packet
    = payload == 0 ? make_super_packet(tcp) : make_packet(tcp, payload);
  const auto header
    = test::offload_of(packet, payload == 0 ? segment_payload(packet) : 0);
  const auto original = test::build_partial(packet);
  auto bytes = original;
  outgoing_batch out;
  std::uint64_t packets = 0;
  for (auto _ : state) {
    // The segmenter may change headers: it gets them fresh each time.
    std::memcpy(bytes.data(), original.data(), packet.header_length());
    out.clear();
    auto splitting = segmenter::create(header, bytes);
    if (!splitting || !splitting->split_into(out.datagrams, mtu)) {
      state.SkipWithError("the packet was not split");
      return;
    }
    packets += out.datagrams.size();
    benchmark::ClobberMemory();
  }
  bench::report_time_of_each(state, "packet", packets);
  bench::report_bytes(state, original.size());
}
BENCHMARK_CAPTURE(split, tcp_super_packet, true, 0);
BENCHMARK_CAPTURE(split, udp_super_packet, false, 0);
BENCHMARK_CAPTURE(split, tcp_1420_bytes, true, mtu - 52);
BENCHMARK_CAPTURE(split, udp_128_bytes, false, 100);

/// `joinable` packets of one flow become one super-packet; the others are of as
/// many flows and pass as they are.
void join(benchmark::State& state, bool tcp, std::size_t payload,
          bool joinable) {
  auto packet = make_packet(tcp, 0);
  test::deterministic_random random;
  packet.payload = test::random_bytes(random, 45 * payload);
  auto parts = test::slow_segments(packet, payload);
  for (std::size_t i = 0; i < parts.size() && !joinable; ++i)
    parts[i].source_port = static_cast<std::uint16_t>(1024 + i);
  const auto originals = test::build_all(parts);
  auto packets = originals;
  coalescer joining({});
  std::uint64_t writes = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < packets.size(); ++i) {
      std::memcpy(packets[i].data(), originals[i].data(),
                  packet.header_length());
      joining.add(packets[i]);
    }
    joining.flush([&](const super_packet&) { ++writes; });
  }
  const auto added
    = static_cast<std::uint64_t>(state.iterations()) * packets.size();
  bench::report_time_of_each(state, "packet", added);
  state.counters["packets_per_write"]
    = static_cast<double>(added) / static_cast<double>(writes);
}
BENCHMARK_CAPTURE(join, tcp_one_flow, true, mtu - 52, true);
BENCHMARK_CAPTURE(join, udp_one_flow, false, mtu - 28, true);
BENCHMARK_CAPTURE(join, udp_128_bytes_one_flow, false, 100, true);
BENCHMARK_CAPTURE(join, udp_128_bytes_many_flows, false, 100, false);

} // namespace
