#include "config/interface_checks.hpp"
#include "config/values.hpp"
#include "tools/weft/commands/control_commands.hpp"
#include "tools/weft/places/requests.hpp"
#include "tools/weft/view/json_text.hpp"
#include "tools/weft/view/offload_text.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <functional>
#include <ostream>

namespace weft {

namespace {

/// What was given, in the order of `all_offloads`.
using given_modes
  = std::array<std::reference_wrapper<const std::optional<std::string>>,
               all_offloads.size()>;

/// The modes that the options name, where they were given.
outcome<void> read_modes(const given_modes& given, offload_config& into) {
  for (std::size_t i = 0; i < all_offloads.size(); ++i) {
    const auto& key = all_offloads.at(i);
    const auto& text = given.at(i).get();
    if (!text)
      continue;
    const auto option = "--" + std::string{key.name} + ": ";
    const auto read = read_offload_mode(*text);
    if (!read)
      return tl::unexpected(mistake(option + read.error(), "offloads"));
    if (const auto reason = check_offload(key, *read))
      return tl::unexpected(mistake(option + *reason, "offloads"));
    into.*key.mode = *read;
  }
  return {};
}

int show_offloads(const node_connection& link, const streams& io) {
  const auto status = ask<device_status>(link, get_status{0, 1});
  if (!status)
    return report(status.error(), link.json, io);
  io.out << (link.json ? to_text(offloads_json(status->offloads))
                       : format_offloads(status->offloads));
  return exit_fine;
}

} // namespace

int offloads(const offload_options& options, const node_connection& link,
             const streams& io) {
  if (!options.tun && !options.udp && !options.uring) {
    if (link.save)
      return report(
        mistake("there is nothing to save: give --tun, --udp or --uring"),
        link.json, io);
    return show_offloads(link, io);
  }
  const given_modes given{options.tun, options.udp, options.uring};
  offload_config wanted;
  if (const auto read = read_modes(given, wanted); !read)
    return report(read.error(), link.json, io);
  // What was not given stays.
  auto now = ask<node_configuration>(link, get_configuration{});
  if (!now)
    return report(now.error(), link.json, io);
  wanted = now->config.offloads;
  std::ignore = read_modes(given, wanted);
  return print_changes(ask<config_changes>(link, set_offloads{wanted}), link,
                       io);
}

} // namespace weft
