#include "platform/udp_socket.hpp"

#include <cerrno>
#include <utility>

namespace weft {

namespace {

/// Whether the host lacks the whole address family.
bool means_no_family(int code, const ip_address& address) {
  return code == EAFNOSUPPORT || code == EPFNOSUPPORT
         || (code == EADDRNOTAVAIL && address.is_unspecified());
}

/// Opens the socket of one family into `to`.  A family that the host lacks is
/// left out unless `needed`.
result<void> open_family(std::optional<udp_socket>& to,
                         const udp_socket::options& wanted, bool needed) {
  auto opened = udp_socket::open(wanted);
  if (opened) {
    to = std::move(*opened);
    return {};
  }
  if (!needed && means_no_family(opened.error().code, wanted.address))
    return {};
  return tl::unexpected(opened.error());
}

/// One try for both families.
result<udp_sockets> open_both(udp_socket::options wanted) {
  udp_sockets made;
  wanted.family = ip_family::v4;
  if (auto opened = open_family(made.v4, wanted, false); !opened)
    return tl::unexpected(opened.error());
  if (made.v4)
    wanted.port = made.v4->port();
  wanted.family = ip_family::v6;
  if (auto opened = open_family(made.v6, wanted, !made.v4); !opened)
    return tl::unexpected(opened.error());
  return made;
}

/// Of those for strangers: a queue that is worked off within some ten
/// milliseconds.
constexpr int strangers_receive_buffer = 2 * 1024 * 1024;
constexpr int strangers_send_buffer = 1024 * 1024;

} // namespace

result<udp_sockets>
open_udp_sockets(const endpoint& listen, std::uint32_t fwmark,
                 const udp_features& features) {
  udp_socket::options wanted;
  wanted.port = listen.port;
  wanted.scope_id = listen.scope_id;
  wanted.fwmark = fwmark;
  wanted.features = features;
  if (listen.address.is_v4() || !listen.address.is_unspecified()) {
    wanted.address = listen.address;
    wanted.family = listen.address.family;
    udp_sockets made;
    auto& place = listen.address.is_v4() ? made.v4 : made.v6;
    if (auto opened = open_family(place, wanted, true); !opened)
      return tl::unexpected(opened.error());
    return made;
  }
  // A port that the kernel chose for one family may be taken in the other.
  constexpr int max_attempts = 100;
  auto made = open_both(wanted);
  for (int attempt = 1; attempt < max_attempts && listen.port == 0 && !made
                        && made.error().code == EADDRINUSE;
       ++attempt)
    made = open_both(wanted);
  return made;
}

result<udp_sockets> open_stranger_sockets(const udp_sockets& peers) {
  udp_sockets made;
  for (const auto& [from, to] :
       {std::pair{&peers.v4, &made.v4}, std::pair{&peers.v6, &made.v6}}) {
    if (!*from)
      continue;
    auto opened
      = (*from)->open_beside(strangers_send_buffer, strangers_receive_buffer);
    if (!opened)
      return tl::unexpected(opened.error());
    if (auto done = (*from)->divide(std::nullopt); !done)
      return tl::unexpected(done.error());
    *to = std::move(*opened);
  }
  return made;
}

result<adopted_udp_sockets>
adopt_udp_sockets(left_udp_sockets left, const endpoint& listen,
                  std::uint32_t fwmark, const udp_features& features) {
  adopted_udp_sockets made;
  udp_socket::options of_peers;
  of_peers.port = listen.port;
  of_peers.scope_id = listen.scope_id;
  of_peers.fwmark = fwmark;
  of_peers.features = features;
  auto of_strangers = of_peers;
  of_strangers.receive_buffer = strangers_receive_buffer;
  of_strangers.send_buffer = strangers_send_buffer;
  const auto adopt = [&listen](file_descriptor& from,
                               udp_socket::options wanted, ip_family family,
                               std::optional<udp_socket>& to) -> result<void> {
    if (!from)
      return {};
    wanted.family = family;
    if (listen.address.family == family)
      wanted.address = listen.address;
    auto adopted = udp_socket::adopt(std::move(from), wanted);
    if (!adopted)
      return tl::unexpected(adopted.error());
    to = std::move(*adopted);
    return {};
  };
  for (auto done : {adopt(left.v4, of_peers, ip_family::v4, made.peers.v4),
                    adopt(left.v6, of_peers, ip_family::v6, made.peers.v6),
                    adopt(left.strangers_v4, of_strangers, ip_family::v4,
                          made.strangers.v4),
                    adopt(left.strangers_v6, of_strangers, ip_family::v6,
                          made.strangers.v6)}) {
    if (!done)
      return tl::unexpected(done.error());
  }
  return made;
}

} // namespace weft
