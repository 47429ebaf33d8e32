#include "config/validate.hpp"

#include "config/peer_checks.hpp"
#include "config/values.hpp"

namespace weft {

namespace {

std::optional<field_error>
check_peer(const peer_config& peer, const std::string& path) {
  if (peer.public_key.is_zero())
    return field_error{path + ".public_key", "a peer needs its public key"};
  if (!peer.name.empty()) {
    if (const auto name = read_peer_name(peer.name); !name)
      return field_error{path + ".name", name.error()};
  }
  if (peer.endpoint) {
    if (const auto where = read_endpoint(to_string(*peer.endpoint)); !where)
      return field_error{path + ".endpoint", where.error()};
  }
  const auto keepalive = peer.persistent_keepalive.count();
  if (keepalive < 0 || keepalive > 65535)
    return field_error{path + ".persistent_keepalive",
                       "it must be 0 (off) to 65535 seconds"};
  return std::nullopt;
}

std::optional<field_error> check_interface(const interface_config& config) {
  if (auto reason = check_interface_name(config.name))
    return field_error{"interface.name", std::move(*reason)};
  if (const auto mtu = read_mtu(std::to_string(config.mtu)); !mtu)
    return field_error{"interface.mtu", mtu.error()};
  if (auto wrong = check_socket_folder(config.socket_folder))
    return field_error{"interface.socket_folder", std::move(*wrong)};
  return std::nullopt;
}

std::string_view part_name(peer_part part) {
  switch (part) {
    case peer_part::public_key:
      return "public_key";
    case peer_part::name:
      return "name";
    case peer_part::allowed_ips:
      break;
  }
  return "allowed_ips";
}

} // namespace

std::optional<field_error> validate(const peer_config& peer) {
  return check_peer(peer, "peer");
}

std::optional<field_error> validate(const node_config& config) {
  if (auto error = check_interface(config.interface))
    return error;
  const auto label
    = [](std::size_t i) { return "peers[" + std::to_string(i) + "]"; };
  std::vector<peer_places> places(config.peers.size());
  for (std::size_t i = 0; i < config.peers.size(); ++i) {
    const auto& peer = config.peers[i];
    if (auto error = check_peer(peer, label(i)))
      return error;
    places[i].allowed_ips.resize(peer.allowed_ips.size());
  }
  std::optional<field_error> first;
  check_peers(config, places, label,
              [&](std::size_t peer, peer_part part, text_place,
                  std::string message) {
                if (!first)
                  first = {label(peer) + '.' + std::string{part_name(part)},
                           std::move(message)};
              });
  return first;
}

} // namespace weft
