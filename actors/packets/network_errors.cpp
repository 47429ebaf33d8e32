#include "actors/packets/network_errors.hpp"

#include "protocol/base/wireguard.hpp"

#include <cerrno>

namespace weft {

namespace {

constexpr auto interval = std::chrono::seconds{1};

/// The sender index of the initiation that is quoted, if it is one.
std::optional<std::uint32_t> quoted_initiation(const network_error& error) {
  static_assert(sizeof error.quoted
                == wire::initiation_sender + sizeof(std::uint32_t));
  if (error.quoted_size < error.quoted.size()
      || load_le<std::uint32_t>(error.quoted.data())
           != static_cast<std::uint32_t>(message_type::initiation))
    return std::nullopt;
  return load_le<std::uint32_t>(error.quoted.data() + wire::initiation_sender);
}

} // namespace

void network_errors::read(udp_socket& socket, time_point now) {
  read_.clear();
  socket.receive_errors(read_);
  for (const auto& error : read_) {
    if (error.by_icmp && error.code == EMSGSIZE) {
      note_too_big(error, now);
      continue;
    }
    const auto index = quoted_initiation(error);
    if (!error.by_icmp || !index || !routes_)
      continue;
    const auto* peer = routes_->peer(routes_->slot_of_index(*index));
    if (peer != nullptr && is_due(told_, error.remote, now))
      caf::anon_send(*peer, path_failed{error.code, error.remote, index});
  }
}

/// Forged ones quote any endpoint: they must not use up what is told.
void network_errors::note_too_big(const network_error& error, time_point now) {
  if (!narrow_.tell || (narrow_.is_known && !narrow_.is_known(error.remote))
      || !is_due(told_too_big_, error.remote, now))
    return;
  narrow_.tell({error.remote, error.mtu, error.quoted, error.quoted_size});
}

void network_errors::send_failed(const peer_actor& peer, const endpoint& where,
                                 int code, time_point now) {
  if (peer && is_due(told_, where, now))
    caf::anon_send(peer, path_failed{code, where, std::nullopt});
}

bool network_errors::is_due(times& told, const endpoint& where,
                            time_point now) {
  if (told.size() >= max_told)
    std::erase_if(told, [&](const auto& entry) {
      return now - entry.second >= interval;
    });
  const auto found = told.find(where);
  if (found != told.end() && now - found->second < interval)
    return false;
  if (found == told.end() && told.size() >= max_told)
    return false;
  told[where] = now;
  return true;
}

} // namespace weft
