#include "config/interface_checks.hpp"
#include "config/values.hpp"
#include "tools/weft/commands/control_commands.hpp"
#include "tools/weft/places/requests.hpp"
#include "tools/weft/view/json_text.hpp"
#include "tools/weft/view/offload_text.hpp"

#include <nlohmann/json.hpp>

#include <ostream>

namespace weft {

namespace {

/// The mode that an option names, if it was given.
outcome<void> read_mode(const std::optional<std::string>& text,
                        const std::string& option, offload_mode& into) {
  if (!text)
    return {};
  const auto read = read_offload_mode(*text);
  if (!read)
    return tl::unexpected(mistake(option + ": " + read.error(), "offloads"));
  into = *read;
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
  if (!options.tun && !options.udp) {
    if (link.save)
      return report(mistake("there is nothing to save: give --tun or --udp"),
                    link.json, io);
    return show_offloads(link, io);
  }
  offload_config wanted;
  auto read = read_mode(options.tun, "--tun", wanted.tun);
  if (read)
    if (const auto reason = check_offloads(wanted))
      read = tl::unexpected(mistake("--tun: " + *reason, "offloads"));
  if (read)
    read = read_mode(options.udp, "--udp", wanted.udp);
  if (!read)
    return report(read.error(), link.json, io);
  // What was not given stays.
  auto now = ask<node_configuration>(link, get_configuration{});
  if (!now)
    return report(now.error(), link.json, io);
  if (!options.tun)
    wanted.tun = now->config.offloads.tun;
  if (!options.udp)
    wanted.udp = now->config.offloads.udp;
  return print_changes(ask<config_changes>(link, set_offloads{wanted}), link,
                       io);
}

} // namespace weft
