#include "config/validate.hpp"

#include "config/control_checks.hpp"
#include "config/interface_checks.hpp"
#include "config/metrics_checks.hpp"
#include "config/network_checks.hpp"
#include "config/peer_checks.hpp"

namespace weft {

namespace {

/// Each key by itself.
template <class Section>
std::optional<field_error>
check_fields(const Section& section, const std::string& path) {
  std::optional<field_error> first;
  for_each_field<Section>([&](const auto& row, auto) {
    if (first || row.check == nullptr)
      return;
    if (auto reason = row.check(section.*row.member))
      first = {path + '.' + std::string{row.name}, std::move(*reason)};
  });
  return first;
}

std::string_view part_name(peer_part part) {
  switch (part) {
    case peer_part::public_key:
      return "public_key";
    case peer_part::name:
      return "name";
    case peer_part::default_route:
      return "default_route";
    case peer_part::allowed_ips:
      break;
  }
  return "allowed_ips";
}

} // namespace

std::optional<field_error> validate(const peer_config& peer) {
  return check_fields(peer, "peer");
}

std::optional<field_error> validate(const patch<peer_config>& change) {
  peer_config stated;
  change.apply_to(stated);
  stated.public_key = change.public_key;
  for (const auto& allowed : change.allowed_ips)
    stated.allowed_ips.push_back(allowed.prefix);
  return validate(stated);
}

std::optional<field_error> validate(const offload_config& offloads) {
  for (const auto& key : all_offloads) {
    if (auto reason = check_offload(key, offloads.*key.mode))
      return field_error{"offloads." + std::string{key.name},
                         std::move(*reason)};
  }
  return std::nullopt;
}

std::optional<field_error> validate(const node_config& config) {
  if (auto error = check_fields(config.interface, "interface"))
    return error;
  if (auto reason = check_ipv6_mtu(config.interface))
    return field_error{"interface.mtu", std::move(*reason)};
  if (auto reason = check_table_name(config))
    return field_error{"interface.name", std::move(*reason)};
  if (auto error = validate(config.offloads))
    return error;
  const auto label
    = [](std::size_t i) { return "peers[" + std::to_string(i) + "]"; };
  std::vector<peer_places> places(config.peers.size());
  for (std::size_t i = 0; i < config.peers.size(); ++i) {
    const auto& peer = config.peers[i];
    if (auto error = check_fields(peer, label(i)))
      return error;
    places[i].allowed_ips.resize(peer.allowed_ips.size());
  }
  std::optional<field_error> first;
  check_control(config, [&](std::string_view key, std::string message) {
    if (!first)
      first = {key.empty() ? "control" : "control." + std::string{key},
               std::move(message)};
  });
  check_metrics(config, [&](std::string_view key, std::string message) {
    if (!first)
      first = {"metrics." + std::string{key}, std::move(message)};
  });
  check_network(config, [&](std::string_view key, std::string message) {
    if (!first)
      first = {std::string{key}, std::move(message)};
  });
  if (first)
    return first;
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
