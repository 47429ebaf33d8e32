#include "tools/weftd/network_parts.hpp"

#include "actors/network/configured_store.hpp"
#include "actors/network/directory_identity.hpp"
#include "actors/network/member_files.hpp"
#include "config/network_checks.hpp"
#include "platform/program.hpp"
#include "tools/issuer/client.hpp"

#include <filesystem>
#include <utility>

namespace weft {

namespace {

namespace fs = std::filesystem;

/// For which only an end that was asked for is none.
void tell_end(const caf::error& reason, spdlog::logger& log) {
  if (reason && reason != caf::exit_reason::user_shutdown)
    log.critical("network: the membership has failed: peers stay as they are "
                 "until weftd is restarted");
}

} // namespace

issuer_companion
issuer_companion::start(node_config& config, const std::string& user,
                        std::vector<std::string>& notes) {
  issuer_companion made;
  auto& issuer = config.directory.issuer;
  std::error_code failed;
  if (issuer.empty() || !fs::is_directory(issuer, failed))
    return made;
  const auto folder
    = std::exchange(issuer, issuer_directory_socket_path(config.network.name));
  const auto program = find_companion("weft-issuer");
  if (program.empty()) {
    notes.emplace_back("network: nobody is let in: there is no program "
                       "weft-issuer beside weftd");
    return made;
  }
  std::vector<std::string> words{program,
                                 folder,
                                 "--keep",
                                 "--socket",
                                 issuer_socket_path(config.network.name),
                                 "--directory-socket",
                                 issuer};
  if (!user.empty())
    words.insert(words.end(), {"--directory-user", user});
  auto started = start_companion(words);
  if (started)
    made.way_ = std::move(started->way);
  else
    notes.push_back("network: nobody is let in: " + started.error().message);
  return made;
}

node_config network_part_of(const node_config& config) {
  node_config part;
  part.network = config.network;
  part.directory = config.directory;
  part.control.socket_folder = config.control.socket_folder;
  return part;
}

namespace {

directory_options directory_of(const node_config& config) {
  directory_options options;
  options.config = config.directory;
  options.root = config.network.root;
  options.steering_socket
    = directory_socket_path(config.control.socket_folder, config.network.name);
  return options;
}

} // namespace

result<void> check_network(const node_config& config) {
  if (has_directory(config)) {
    if (const auto read = load_directory_identity(directory_of(config)); !read)
      return tl::unexpected(read.error());
    if (const auto loaded = load_store(config.directory.store); !loaded)
      return tl::unexpected(loaded.error());
  }
  if (has_network(config)) {
    if (const auto read = load_identity(config.network); !read)
      return tl::unexpected(read.error());
  }
  return {};
}

result<network_parts>
start_network(caf::actor_system& system, const node_config& config,
              const running_overlay& running,
              const std::shared_ptr<spdlog::logger>& log) {
  network_parts parts;
  if (has_directory(config)) {
    auto options = directory_of(config);
    options.overlay = running.actor;
    options.log = log;
    auto started = keep_directory(system, std::move(options));
    if (!started)
      return tl::unexpected(std::move(started.error()));
    parts.directory = std::move(*started);
  }
  if (!has_network(config))
    return parts;
  membership_options options;
  options.config = config.network;
  options.config.directories = directories_of(config);
  options.folder = fs::path{config.network.certificate}.parent_path().string();
  options.log = log;
  auto started = start_membership(system, running.actor, std::move(options));
  if (!started)
    return tl::unexpected(std::move(started.error()));
  parts.membership = std::move(*started);
  parts.membership->attach_functor(
    [log](const caf::error& reason) { tell_end(reason, *log); });
  return parts;
}

std::size_t network_threads(const node_config& config) {
  constexpr std::size_t of_member = 2;    // a loop, and what blocks
  constexpr std::size_t of_directory = 4; // a loop, store, watch, issuer
  return (has_network(config) ? of_member : 0)
         + (has_directory(config) ? of_directory : 0);
}

} // namespace weft
