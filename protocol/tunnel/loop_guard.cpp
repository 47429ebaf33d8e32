#include "protocol/tunnel/loop_guard.hpp"

#include "protocol/base/token_bucket.hpp"
#include "protocol/base/wireguard.hpp"
#include "protocol/packets/inner_headers.hpp"

#include <algorithm>
#include <utility>

namespace weft {

std::optional<std::uint32_t> carried_message(const_byte_span packet) {
  constexpr std::byte udp{inner::protocol_udp};
  constexpr std::byte fragment_header{inner::protocol_fragment};
  constexpr std::size_t fragment_header_size = 8;
  const auto is_v4 = inner::ip_version(packet) == 4;
  auto start = is_v4 ? inner::ipv4::header_size : inner::ipv6::header_size;
  constexpr auto needed = inner::udp::header_size + wire::transport_counter;
  if (packet.size() < start + needed)
    return std::nullopt;
  auto protocol
    = packet[is_v4 ? inner::ipv4::protocol : inner::ipv6::next_header];
  if (!is_v4 && protocol == fragment_header) {
    protocol = packet[start];
    start += fragment_header_size;
  }
  if (protocol != udp || packet.size() < start + needed)
    return std::nullopt;
  const auto* message = packet.data() + start + inner::udp::header_size;
  if (load_le<std::uint32_t>(message)
      != static_cast<std::uint32_t>(message_type::transport))
    return std::nullopt;
  return load_le<std::uint32_t>(message + wire::transport_receiver);
}

loop_guard::probe loop_guard::limited(question ask) {
  if (!ask)
    return {};
  constexpr duration interval
    = duration(std::chrono::seconds(1)) / probes_per_second;
  return
    [ask = std::move(ask), left = token_bucket(probes_per_second, interval)](
      const network_path& path, time_point now) mutable -> std::optional<bool> {
      if (!left.take(now))
        return std::nullopt;
      return ask(path);
    };
}

bool loop_guard::pass(std::size_t bytes, const network_path& path,
                      time_point now) {
  if (leads_into_tunnel_ == nullptr || !*leads_into_tunnel_)
    return true;
  earn(now);
  if (bytes <= state_.left) {
    state_.left -= bytes;
    return true;
  }
  if (!state_.probed || now < *state_.probed
      || now - *state_.probed >= probe_interval) {
    if (const auto answer = (*leads_into_tunnel_)(path, now)) {
      state_.probed = now;
      state_.in_tunnel = *answer;
    }
  }
  return !state_.in_tunnel;
}

void loop_guard::answered() {
  state_.left = std::max(state_.left,
                         std::min(state_.left + bytes_per_answer, most_bytes));
}

void loop_guard::earn(time_point now) {
  constexpr duration a_byte
    = duration(std::chrono::seconds(1)) / bytes_per_second;
  if (state_.left >= burst || !state_.earned || now < *state_.earned) {
    state_.earned = now;
    return;
  }
  const auto bytes = static_cast<std::size_t>((now - *state_.earned) / a_byte);
  state_.left = std::min(state_.left + bytes, burst);
  *state_.earned += a_byte * static_cast<duration::rep>(bytes);
}

} // namespace weft
