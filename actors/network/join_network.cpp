#include "actors/network/join_network.hpp"

#include "actors/network/member_files.hpp"
#include "actors/network/member_folder.hpp"
#include "platform/files.hpp"
#include "platform/network_join.hpp"
#include "platform/saved_file.hpp"
#include "protocol/network/ranges.hpp"

namespace weft {

namespace {

/// The directories of the token, a line for each: what a member that is
/// embedded has instead of a file of its node.
std::string directories_of(const node_folder& folder) {
  return folder.path + "/directories";
}

tl::unexpected<system_error>
wrong(const std::string& file, const std::string& what) {
  return tl::unexpected(system_error{0, file + ": " + what});
}

result<void>
join(const node_folder& folder, const join_token& token, const join_keys& keys,
     const std::optional<std::string>& name, network_time now) {
  const auto made
    = ask_to_join({token, keys.certificate, keys.wireguard, name, now});
  if (!made)
    return tl::unexpected(system_error{0, made.error().message});
  std::string directories;
  for (const auto& each : token.directories)
    directories += to_string(each) + '\n';
  if (auto done = replace_file(directories_of(folder), directories, 0644);
      !done)
    return done;
  return keep_admission(folder, made->root.der, made->admission, keys, now)
    .map([](const joined_node&) {});
}

result<std::vector<directory_address>>
load_directories(const std::string& path) {
  const auto text = load_file(path, file_privacy::any);
  if (!text)
    return tl::unexpected(text.error());
  std::vector<directory_address> all;
  auto rest = text->view();
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    const auto line = rest.substr(0, end);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    const auto address = parse_directory_address(line);
    if (!address)
      return wrong(path, address.error().what);
    all.push_back(*address);
  }
  return all;
}

} // namespace

result<joined_network>
join_network(caf::actor_system& system, const std::optional<join_token>& token,
             join_network_options options) {
  const node_folder folder{options.folder};
  const auto keys = keep_keys(folder, token ? token->seed : signing_seed{});
  if (!keys)
    return tl::unexpected(keys.error());
  if (!identify_file(folder.member())) {
    if (!token)
      return wrong(folder.member(),
                   "this node is in no network yet: it needs a token");
    const auto now = std::chrono::floor<std::chrono::seconds>(
      options.overlay.sources.clock->wall());
    if (auto done = join(folder, *token, *keys, options.name, now); !done)
      return tl::unexpected(done.error());
  }
  membership_options membership;
  membership.config.root = folder.root();
  membership.config.certificate = folder.member();
  membership.config.key = folder.member_key();
  membership.config.endpoints = std::move(options.endpoints);
  membership.folder = folder.path;
  membership.limits = options.limits;
  membership.log = options.overlay.log;
  membership.sources = options.overlay.sources;
  const auto identity = load_identity(membership.config);
  if (!identity)
    return tl::unexpected(identity.error());
  auto directories = load_directories(directories_of(folder));
  if (!directories)
    return tl::unexpected(directories.error());
  membership.config.directories = std::move(*directories);

  joined_network joined;
  joined.name = identity->contents().name;
  joined.addresses = host_addresses(identity->contents().prefixes);
  auto& interface = options.overlay.config.interface;
  interface.private_key = keys->wireguard;
  interface.addresses = joined.addresses;
  interface.cluster_networks
    = std::get<root_contents>(identity->root.contents).ranges;
  auto overlay = start_overlay(system, std::move(options.overlay));
  if (!overlay)
    return tl::unexpected(overlay.error());
  joined.overlay = std::move(*overlay);
  auto started
    = start_membership(system, joined.overlay.actor, std::move(membership));
  if (!started) {
    caf::anon_send(joined.overlay.actor, shut_down{});
    return tl::unexpected(started.error());
  }
  joined.membership = std::move(*started);
  return joined;
}

} // namespace weft
