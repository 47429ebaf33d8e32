// UAPI requests and answers: however a stream is cut into pieces, it means the
// same; what is read survives being written and read.
#include "config/uapi_codec.hpp"

#include <cstdlib>

namespace {

using namespace weft;

void check_update(const device_update& update) {
  auto text = format_uapi_update(update);
  text.pop_back();
  const auto again = parse_uapi_request(text);
  if (!again)
    std::abort();
  if (format_uapi_update(std::get<device_update>(*again)) != text + "\n")
    std::abort();
}

void check_status(std::string_view text) {
  const auto status = parse_uapi_status(text);
  if (!status)
    return;
  const auto once = format_uapi_status(*status);
  const auto again = parse_uapi_status(once);
  if (!again || format_uapi_status(*again) != once)
    std::abort();
}

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
      if (!*request)
        continue;
      if (const auto* update = std::get_if<device_update>(&**request))
        check_update(*update);
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
  check_status(text);
  return 0;
}
