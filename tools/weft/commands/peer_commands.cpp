#include "actors/overlay/config_files.hpp"
#include "config/strings.hpp"
#include "config/values.hpp"
#include "platform/clock.hpp"
#include "tools/weft/commands/control_commands.hpp"
#include "tools/weft/places/find_peer.hpp"
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

template <class Secret>
outcome<Secret>
read_secret_file(const std::string& file, const std::string& option,
                 const std::string& field) {
  return read_option(read_key_file(file, std::filesystem::current_path())
                       .map([](const auto& bytes) { return Secret{bytes}; })
                       .map_error([&](auto why) { return file + ": " + why; }),
                     option, field);
}

outcome<std::vector<ip_prefix>>
read_prefixes(const std::vector<std::string>& texts,
              const std::string& option) {
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

outcome<void> read_list(const std::vector<std::string>& texts,
                        const std::string& option, patch<peer_config>& update) {
  if (texts.empty())
    return {};
  const auto prefixes = read_prefixes(texts, option);
  if (!prefixes)
    return tl::unexpected(prefixes.error());
  update.replace_allowed_ips = true;
  for (const auto& prefix : *prefixes)
    update.allowed_ips.push_back({prefix, false});
  return {};
}

/// What an option says of its key.
template <class Value>
outcome<void>
read_key_option(const field<peer_config, Value>& row, const std::string& text,
                patch<peer_config>& update) {
  const std::string option{row.option};
  const std::string name{row.name};
  const auto set = [&](auto&& read) -> outcome<void> {
    if (!read)
      return tl::unexpected(std::move(read.error()));
    update.set(row.member, std::move(*read));
    return {};
  };
  constexpr bool may_be_absent
    = std::is_same_v<Value, std::optional<endpoint_config>>;
  if (text == none && (is_secret_key<Value> || may_be_absent)) {
    update.clear(row.member);
    return {};
  }
  if constexpr (is_secret_key<Value>)
    return set(read_secret_file<Value>(text, option, name));
  else
    return set(read_option(row.read(text), option, name));
}

/// What the options state, as a change.
outcome<patch<peer_config>> read_update(const peer_options& given) {
  patch<peer_config> update;
  outcome<void> done;
  for_each_field<peer_config>([&](const auto& row, auto number) {
    const auto& [text, list] = given.options.at(number);
    if (!done || row.option.empty())
      return;
    if constexpr (std::is_same_v<value_of<decltype(row)>, prefix_list>)
      done = read_list(list, std::string{row.option}, update);
    else if (text)
      done = read_key_option(row, *text, update);
  });
  if (!done)
    return tl::unexpected(std::move(done.error()));
  return update;
}

failure nothing_to_change() {
  std::string options;
  for_each_field<peer_config>([&](const auto& row, auto) {
    if (!row.option.empty())
      options += (options.empty() ? "" : " or ") + std::string{row.option};
  });
  return mistake("there is nothing to change: give " + options);
}

} // namespace

int list_peers(const node_connection& link, const streams& io) {
  auto status = ask_status(link);
  if (!status)
    return report(status.error(), link.json, io);
  sort_peers(*status);
  io.out << (link.json
               ? format_peers_json(*status)
               : format_peers(*status, wall_now(), width_for(io.columns)));
  return exit_fine;
}

int add_peer_as(const peer_options& options, const node_connection& link,
                const streams& io) {
  const auto& assured = options.assured;
  if (const auto objection = objection_to_saving(assured, link))
    return report(*objection, link.json, io);
  const auto key
    = read_option(read_public_key(options.peer), "KEY", "public_key");
  if (!key)
    return report(key.error(), link.json, io);
  const auto update = read_update(options);
  if (!update)
    return report(update.error(), link.json, io);
  peer_config peer;
  update->apply_to(peer);
  peer.public_key = *key;
  for (const auto& allowed : update->allowed_ips)
    peer.allowed_ips.push_back(allowed.prefix);
  return print_changes(
    ask<config_changes>(link, add_peer{std::move(peer), assured.confirm_within,
                                       assured.yes}),
    link, io);
}

int change_peer(const peer_options& options, const node_connection& link,
                const streams& io) {
  const auto& assured = options.assured;
  if (const auto objection = objection_to_saving(assured, link))
    return report(*objection, link.json, io);
  auto update = read_update(options);
  if (update && *update == patch<peer_config>{})
    update = tl::unexpected(nothing_to_change());
  if (!update)
    return report(update.error(), link.json, io);
  const auto key = find_peer(options.peer, link);
  if (!key)
    return report(key.error(), link.json, io);
  update->public_key = *key;
  return print_changes(
    ask<config_changes>(link, update_peer{std::move(*update),
                                          assured.confirm_within, assured.yes}),
    link, io);
}

int remove_peer_called(const std::string& peer, const node_connection& link,
                       const streams& io) {
  const auto key = find_peer(peer, link);
  if (!key)
    return report(key.error(), link.json, io);
  return print_changes(ask<config_changes>(link, remove_peer{*key}), link, io);
}

int change_allowed_ips(const std::string& peer,
                       const std::vector<std::string>& prefixes, bool remove,
                       const assurance& assured, const node_connection& link,
                       const streams& io) {
  if (const auto objection = objection_to_saving(assured, link))
    return report(*objection, link.json, io);
  const auto read = read_prefixes(prefixes, "PREFIX");
  if (!read)
    return report(read.error(), link.json, io);
  const auto key = find_peer(peer, link);
  if (!key)
    return report(key.error(), link.json, io);
  const bool is_plain = !assured.yes && assured.confirm_within.count() == 0;
  if (read->size() == 1 && is_plain)
    return print_changes(
      remove ? ask<config_changes>(link, remove_allowed_ip{*key, read->front()})
             : ask<config_changes>(link, add_allowed_ip{*key, read->front()}),
      link, io);
  patch<peer_config> update;
  update.public_key = *key;
  for (const auto& prefix : *read)
    update.allowed_ips.push_back({prefix, remove});
  return print_changes(
    ask<config_changes>(link, update_peer{std::move(update),
                                          assured.confirm_within, assured.yes}),
    link, io);
}

int reset_peer_called(const std::string& peer, const node_connection& link,
                      const streams& io) {
  const auto key = find_peer(peer, link);
  if (!key)
    return report(key.error(), link.json, io);
  const auto done = ask<config_changes>(link, reset_peer{*key});
  if (!done)
    return report(done.error(), link.json, io);
  config_changes changes;
  changes.notes.push_back("what was known of " + peer
                          + " is forgotten: a session begins anew");
  io.out << format_changes(changes, link.json);
  return exit_fine;
}

} // namespace weft
