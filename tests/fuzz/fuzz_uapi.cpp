// UAPI requests: however a stream is cut into pieces, it means the same.
#include "config/uapi_codec.hpp"

#include <cstdlib>

namespace {

using namespace weft;

/// How many requests there are, and how many of them are good.
std::pair<int, int> read_all(std::string_view stream, std::size_t step) {
  uapi_reader reader;
  std::pair<int, int> counts;
  for (std::size_t at = 0; at < stream.size(); at += step) {
    if (!reader.add(stream.substr(at, step)))
      std::abort();
    while (const auto request = reader.next()) {
      ++counts.first;
      counts.second += request->has_value() ? 1 : 0;
    }
  }
  return counts;
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  if (read_all(text, 7) != read_all(text, size + 1))
    std::abort();
  return 0;
}
