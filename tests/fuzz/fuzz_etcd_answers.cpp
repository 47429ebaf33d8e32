// etcd's answers: no text crashes their readers, and what they let pass keeps
// to the bounds.
#include "platform/store/etcd_json.hpp"

#include <cstdlib>

namespace {

void demand(bool holds) {
  if (!holds)
    std::abort();
}

void check(const weft::store_entry& entry) {
  demand(!entry.key.empty() && entry.changed != 0);
  demand(entry.value.size() <= weft::largest_store_value);
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  namespace etcd = weft::etcd;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  if (const auto range = etcd::parse_range(text)) {
    for (const auto& entry : range->entries)
      check(entry);
  }
  if (const auto transaction = etcd::parse_transaction(text)) {
    for (const auto& entry : transaction->read)
      check(entry);
  }
  if (const auto watch = etcd::parse_watch(text)) {
    for (const auto& event : watch->events)
      demand(!event.key.empty() && event.at != 0);
  }
  if (const auto token = etcd::parse_token(text))
    demand(!token->empty() && token->find('\n') == std::string::npos);
  demand(etcd::parse_refusal(text).message.size() <= 200);
  static_cast<void>(etcd::parse_kept(text));
  static_cast<void>(etcd::parse_done(text));
  return 0;
}
