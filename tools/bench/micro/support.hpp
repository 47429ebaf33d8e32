// What the micro-benchmarks share.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>

namespace weft::bench {

/// Reports the time of one of `count` operations under `name`, whatever an
/// iteration consists of.
inline void report_time_of_each(benchmark::State& state, const char* name,
                                std::uint64_t count) {
  state.counters[name] = benchmark::Counter(static_cast<double>(count),
                                            benchmark::Counter::kIsRate
                                              | benchmark::Counter::kInvert);
}

/// Reports the throughput when an iteration handles `size` bytes.
inline void report_bytes(benchmark::State& state, std::size_t size) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
}

} // namespace weft::bench
