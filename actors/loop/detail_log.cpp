#include "actors/loop/detail_log.hpp"

namespace weft {

bool detail_log::has_room(level wanted) {
  if (!lines_.take(loop_->now())) {
    ++left_out_;
    return false;
  }
  if (const auto missing = std::exchange(left_out_, 0); missing > 0)
    log_->log(wanted, "{} such lines were left out", missing);
  return true;
}

void drop_log::tell(drop_reason reason, std::uint64_t packets,
                    const drop_context& context) {
  if (packets == 0)
    return;
  lines_->line(spdlog::level::trace, [&] {
    auto text = who_ + "dropped " + std::to_string(packets) + " ("
                + std::string{to_string(reason)} + ")";
    if (context.remote != nullptr)
      text += ", from " + to_string(*context.remote);
    // No message of WireGuard looks like an IP packet.
    const auto inner = parse_ip_packet(context.bytes);
    if (inner && reason != drop_reason::malformed_message)
      text += ", " + to_string(inner->source) + " -> "
              + to_string(inner->destination);
    return text;
  });
}

std::string shortened(const std::string& key) {
  constexpr std::size_t shown = 8;
  return key.size() <= shown ? key : key.substr(0, shown) + "...";
}

} // namespace weft
