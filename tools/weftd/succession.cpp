#include "tools/weftd/succession.hpp"

#include "actors/metrics/start_metrics.hpp"
#include "config/host_needs.hpp"
#include "platform/accounts.hpp"
#include "platform/memory.hpp"
#include "platform/other_process.hpp"
#include "platform/process.hpp"
#include "platform/service_manager.hpp"
#include "tools/weft/successor.hpp"
#include "tools/weftd/network_parts.hpp"
#include "tools/weftd/unit_successor.hpp"

#include <filesystem>
#include <system_error>

namespace weft {

namespace {

/// Of a service: whether its program can be started anew by this process.
bool can_start_successor(const daemon_options& options) {
  return service_manager_listens() && own_user() == 0 && options.user.empty()
         && !options.filter_system_calls;
}

} // namespace

std::string why_not_replacing(const daemon_options& options) {
  if (!options.replaces)
    return {};
  if (is_service() && !is_started_as_successor())
    return "the process of a service starts its successor itself: weft "
           "upgrade";
  if (options.needs_guardian && needs_root(options.config))
    return options.file
           + " has interface.dns, on_up, on_down or a full tunnel, and what "
             "these change on this host is undone when the node that runs "
             "ends: stop it, and start this one without --replace";
  std::error_code failed;
  if (const auto& issuer = options.config.directory.issuer;
      !issuer.empty() && std::filesystem::is_directory(issuer, failed))
    return "the issuer of the node that runs ends with it: stop it, and start "
           "this one without --replace";
  return {};
}

result<void>
check_place(const node_config& network, std::size_t peers, bool has_metrics) {
  // A node that begins takes so much; its threads have stacks and heaps.
  constexpr std::size_t most_descriptors = 256;
  constexpr std::size_t address_space = std::size_t{768} << 20;
  constexpr std::size_t address_space_of_peer = std::size_t{16} << 10;
  return check_descriptors(most_descriptors)
    .and_then([&] {
      return check_address_space(address_space + peers * address_space_of_peer);
    })
    .and_then([&] { return check_network(network); })
    .and_then([&] { return has_metrics ? load_microhttpd() : result<void>{}; });
}

bool may_have_successor(const daemon_options& options) {
  return !is_first_process() && (!is_service() || can_start_successor(options));
}

result<std::unique_ptr<place_giver>>
open_place(const daemon_options& options, const std::string& socket_folder,
           const std::string& interface) {
  if (!is_service())
    return open_for_anyone(replacement_socket(socket_folder, interface));
  const auto self = other_process::self();
  const auto words = self.and_then(&other_process::words);
  const auto path = self.and_then(&other_process::program);
  if (!words || !path)
    return tl::unexpected(words ? path.error() : words.error());
  // The manager's word may be a link that leads to another program by now.
  const auto& program
    = words->front().starts_with('/') ? words->front() : *path;
  return open_for_own_successor(upgrade_socket(socket_folder, interface),
                                words_of_successor(*words, program,
                                                   options.file, interface));
}

} // namespace weft
