// Tokens, members and the state of a network, for people and as JSON.
#pragma once

#include "config/device_status.hpp"
#include "protocol/network/issuing.hpp"
#include "protocol/network/steering.hpp"
#include "tools/weft/commands/commands.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace weft {

nlohmann::ordered_json to_json(const invitation& terms);

void print_tokens(const std::vector<tokens_answer::token>& tokens,
                  network_time now, bool json, const streams& io);

/// A member as it is listed.
struct listed_member {
  member_contents contents;
  network_time ends{};
  bool removed = false;
  std::optional<bool> connected; ///< to a directory; nothing: not known
};
void print_members(std::vector<listed_member> members, network_time now,
                   bool json, const streams& io);

/// How a node stands in its network; parts that are not here are empty.
struct network_view {
  root_contents root;
  std::string fingerprint; ///< of the root, 64 digits
  member_contents self;
  network_time ends{}; ///< its certificate
  std::string config;  ///< the node's file
  std::vector<std::string> directories;
  std::optional<network_status> running; ///< the node runs
  std::optional<directory_state> directory;
  std::optional<state_answer> issuer;
  std::vector<std::string> notes; ///< why a part is not here
};
void print_network(const network_view& view, bool json, const streams& io);

} // namespace weft
