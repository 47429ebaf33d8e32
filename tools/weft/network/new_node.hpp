// What init, join and import have in common: a node of a network is made.
#pragma once

#include "protocol/network/issuing.hpp"
#include "tools/weft/commands/network_commands.hpp"
#include "tools/weft/network/node_yaml.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace weft {

/// What the node is to be called: --name, or as the host is called, in a
/// network's words.
outcome<std::string> member_name_of(const network_options& options);

/// `HOST:PORT` each, with names looked up.  An error if one leads to no address
/// that others could send to.
outcome<std::vector<endpoint>>
own_endpoints(const std::vector<std::string>& texts);

/// --listen, or all addresses at the port of the endpoints.
outcome<endpoint> tunnel_listen(const network_options& options,
                                const std::vector<endpoint>& endpoints);

/// What an issuer is asked by who cannot reach a directory: a request that is
/// proven under an exporter that all such have.
outcome<ask_admission>
offline_admission(const join_keys& keys, const network_id& network,
                  const std::optional<std::string>& name);
tls_exporter offline_exporter();

/// A new file, with its folder; one that exists is an error.
outcome<void>
write_node_yaml(const network_place& place, const node_yaml& node);

/// Enables and starts it.  An error says that all was made, and how to start.
outcome<void> start_unit(const std::string& unit);

/// Starts the node's unit, unless it has none or is not to be; whether it did.
outcome<bool> start_node(const network_place& place, bool no_start);

/// `units`: all that belong to it, where there is systemd.
void say_how_to_start(const network_place& place, const std::string& units,
                      bool started, const streams& io);

/// `10.200.0.1, fd00:200::1`
std::string addresses_text(const member_contents& member);

nlohmann::ordered_json
to_json(const joined_node& joined, const network_place& place);
void print_json(const nlohmann::ordered_json& what, const streams& io);

} // namespace weft
