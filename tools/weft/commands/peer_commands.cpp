#include "actors/overlay/config_files.hpp"
#include "config/strings.hpp"
#include "config/values.hpp"
#include "platform/clock.hpp"
#include "tools/weft/commands/control_commands.hpp"
#include "tools/weft/places/requests.hpp"
#include "tools/weft/view/control_text.hpp"
#include "tools/weft/view/status_text.hpp"

#include <cerrno>
#include <filesystem>
#include <ostream>

namespace weft {

namespace {

constexpr std::string_view none = "none";

/// The value of an option, or what is wrong with it.
template <class T>
outcome<T> read_option(value_or_message<T> value, const std::string& option,
                       const std::string& field) {
  if (!value)
    return tl::unexpected(mistake(option + ": " + value.error(), field));
  return std::move(*value);
}

outcome<preshared_key> read_preshared_key(const std::string& file) {
  if (file == none)
    return preshared_key{};
  return read_option(read_key_file(file, std::filesystem::current_path())
                       .map([](const auto& key) { return preshared_key{key}; })
                       .map_error([&](auto why) { return file + ": " + why; }),
                     "--preshared-key-file", "preshared_key");
}

outcome<std::vector<ip_prefix>>
read_prefixes(const std::vector<std::string>& texts, const char* option) {
  std::vector<ip_prefix> prefixes;
  if (texts.size() == 1 && texts.front() == none)
    return prefixes;
  for (const auto& text : texts) {
    for (const auto part : strings::split_commas(text)) {
      auto prefix = read_option(read_prefix(part), option, "allowed_ips");
      if (!prefix)
        return tl::unexpected(std::move(prefix.error()));
      prefixes.push_back(prefix->network());
    }
  }
  return prefixes;
}

/// What the options state, as a change.
outcome<peer_update> read_update(const peer_options& options) {
  peer_update update;
  const auto read = [](auto&& value, auto& into) -> outcome<void> {
    if (!value)
      return tl::unexpected(std::move(value.error()));
    into = std::move(*value);
    return {};
  };
  outcome<void> done;
  if (options.name)
    done = read(read_option(read_peer_name(*options.name), "--name", "name"),
                update.name);
  if (done && options.endpoint)
    done = read(read_option(read_endpoint(*options.endpoint), "--endpoint",
                            "endpoint"),
                update.endpoint);
  if (done && options.keepalive)
    done = read(read_option(read_keepalive(*options.keepalive), "--keepalive",
                            "persistent_keepalive"),
                update.persistent_keepalive);
  if (done && options.preshared_key_file)
    done = read(read_preshared_key(*options.preshared_key_file),
                update.preshared_key);
  if (done && !options.allowed_ips.empty()) {
    std::vector<ip_prefix> prefixes;
    done = read(read_prefixes(options.allowed_ips, "--allowed-ip"), prefixes);
    update.replace_allowed_ips = true;
    for (const auto& prefix : prefixes)
      update.allowed_ips.push_back({prefix, false});
  }
  if (!done)
    return tl::unexpected(std::move(done.error()));
  return update;
}

failure no_such_peer(const std::string& name, const device_status& status) {
  std::vector<std::string_view> names;
  for (const auto& peer : status.peers)
    if (!peer.name.empty())
      names.emplace_back(peer.name);
  auto text = "there is no peer " + strings::quote(name);
  if (const auto near = strings::nearest(name, names))
    text += "; did you mean " + strings::quote(*near) + '?';
  else
    text += "; 'weft peers' lists them";
  return {exit_no_peer, ENOENT, std::move(text), "peer"};
}

/// The key of a peer that is given by key or by name.
outcome<public_key>
find_peer(const std::string& peer, const node_connection& link) {
  if (auto key = read_public_key(peer))
    return *key;
  if (!read_peer_name(peer))
    return tl::unexpected(mistake("a peer is given by its name or by its "
                                  "public key, 44 characters of base64",
                                  "peer"));
  const auto status = ask_status(link);
  if (!status)
    return tl::unexpected(status.error());
  std::vector<public_key> found;
  for (const auto& one : status->peers)
    if (one.name == peer)
      found.push_back(one.public_key);
  if (found.empty())
    return tl::unexpected(no_such_peer(peer, *status));
  if (found.size() > 1)
    return tl::unexpected(
      mistake("several peers are called " + strings::quote(peer)
                + ": give the public key ('weft peers --json' shows them)",
              "peer"));
  return found.front();
}

int print(const outcome<config_changes>& changes, const node_connection& link,
          const streams& io) {
  if (!changes)
    return report(changes.error(), link.json, io);
  io.out << format_changes(*changes, link.json);
  return exit_fine;
}

} // namespace

int list_peers(const node_connection& link, const streams& io) {
  auto status = ask_status(link);
  if (!status)
    return report(status.error(), link.json, io);
  sort_peers(*status);
  io.out << (link.json ? format_peers_json(*status)
                       : format_peers(*status, wall_now()));
  return exit_fine;
}

int add_peer_as(const peer_options& options, const node_connection& link,
                const streams& io) {
  const auto key
    = read_option(read_public_key(options.peer), "KEY", "public_key");
  if (!key)
    return report(key.error(), link.json, io);
  const auto update = read_update(options);
  if (!update)
    return report(update.error(), link.json, io);
  peer_config peer;
  peer.public_key = *key;
  peer.name = update->name.value_or("");
  peer.endpoint = update->endpoint;
  peer.preshared_key = update->preshared_key.value_or(preshared_key{});
  peer.persistent_keepalive
    = update->persistent_keepalive.value_or(std::chrono::seconds{0});
  for (const auto& allowed : update->allowed_ips)
    peer.allowed_ips.push_back(allowed.prefix);
  return print(ask<config_changes>(link, add_peer{std::move(peer)}), link, io);
}

int change_peer(const peer_options& options, const node_connection& link,
                const streams& io) {
  auto update = read_update(options);
  if (update && *update == peer_update{})
    update = tl::unexpected(
      mistake("there is nothing to change: give --name, --endpoint, "
              "--allowed-ip, --keepalive or --preshared-key-file"));
  if (!update)
    return report(update.error(), link.json, io);
  const auto key = find_peer(options.peer, link);
  if (!key)
    return report(key.error(), link.json, io);
  update->public_key = *key;
  return print(ask<config_changes>(link, update_peer{std::move(*update)}), link,
               io);
}

int remove_peer_called(const std::string& peer, const node_connection& link,
                       const streams& io) {
  const auto key = find_peer(peer, link);
  if (!key)
    return report(key.error(), link.json, io);
  return print(ask<config_changes>(link, remove_peer{*key}), link, io);
}

int change_allowed_ips(const std::string& peer,
                       const std::vector<std::string>& prefixes, bool remove,
                       const node_connection& link, const streams& io) {
  const auto read = read_prefixes(prefixes, "PREFIX");
  if (!read)
    return report(read.error(), link.json, io);
  const auto key = find_peer(peer, link);
  if (!key)
    return report(key.error(), link.json, io);
  if (read->size() == 1)
    return print(
      remove ? ask<config_changes>(link, remove_allowed_ip{*key, read->front()})
             : ask<config_changes>(link, add_allowed_ip{*key, read->front()}),
      link, io);
  peer_update update;
  update.public_key = *key;
  for (const auto& prefix : *read)
    update.allowed_ips.push_back({prefix, remove});
  return print(ask<config_changes>(link, update_peer{std::move(update)}), link,
               io);
}

} // namespace weft
