// Sealing and opening transport messages, by backend and size.
#include "protocol/tunnel/transport_cipher.hpp"
#include "tests/protocol/support.hpp"
#include "tools/bench/micro/support.hpp"

#include <string>
#include <vector>

namespace {

using namespace weft;

/// Small packets, a common small MTU, WireGuard's usual one (a full packet
/// is 1420 bytes of plaintext) and a jumbo one.
constexpr auto sizes = std::to_array<std::size_t>({128, 576, 1420, 8920});

/// Messages that are opened between two readings of the clock.
constexpr std::size_t batch = 64;

secret<key_size> some_key() {
  test::deterministic_random random;
  return generate_private_key(random);
}

void seal(benchmark::State& state, cipher_backend backend, std::size_t size) {
  transport_cipher cipher(some_key(), backend);
  std::vector<std::byte> text_and_tag(size + transport_tag_size);
  std::uint64_t counter = 0;
  for (auto _ : state) {
    cipher.seal(counter++, text_and_tag);
    benchmark::ClobberMemory();
  }
  bench::report_bytes(state, size);
}

/// Opening consumes what it opens, so a batch is sealed while the clock rests.
void open(benchmark::State& state, cipher_backend backend, std::size_t size) {
  transport_cipher sealing(some_key(), backend);
  transport_cipher opening(some_key(), backend);
  const auto stride = size + transport_tag_size;
  std::vector<std::byte> memory(batch * stride);
  const auto message = [&](std::size_t i) {
    return byte_span{memory}.subspan(i * stride, stride);
  };
  std::uint64_t counter = 0;
  while (state.KeepRunningBatch(batch)) {
    state.PauseTiming();
    for (std::size_t i = 0; i < batch; ++i)
      sealing.seal(counter + i, message(i));
    state.ResumeTiming();
    for (std::size_t i = 0; i < batch; ++i) {
      if (!opening.open(counter + i, message(i))) {
        state.SkipWithError("a sealed message did not open");
        return;
      }
    }
    counter += batch;
  }
  bench::report_bytes(state, size);
}

const bool registered = [] {
  for (const auto backend : available_cipher_backends()) {
    for (const auto size : sizes) {
      const auto suffix
        = '/' + std::string(to_string(backend)) + '/' + std::to_string(size);
      benchmark::RegisterBenchmark(("seal" + suffix).c_str(), seal, backend,
                                   size);
      benchmark::RegisterBenchmark(("open" + suffix).c_str(), open, backend,
                                   size);
    }
  }
  return true;
}();

} // namespace
