#include "tools/weft/network/node_place.hpp"

#include "actors/network/start_directory.hpp"
#include "actors/overlay/config_files.hpp"
#include "config/network_checks.hpp"
#include "platform/files.hpp"
#include "tools/issuer/client.hpp"
#include "tools/weft/network/service.hpp"
#include "tools/weft/view/format.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

namespace weft {

namespace {

namespace fs = std::filesystem;

constexpr auto config_folder = "/etc/weft";
constexpr auto usual_state = "/var/lib/weft";

std::string usual_file(const std::string& node) {
  return std::string{config_folder} + '/' + node + ".yaml";
}

outcome<member_node> load_node(const std::string& file) {
  auto config = load_yaml(file);
  if (const auto text = load_file(file, file_privacy::any);
      !text && text.error().code == EACCES)
    return tl::unexpected(to_failure(text.error()));
  if (!config)
    return tl::unexpected(mistake(to_string(config.error().front())));
  if (!has_network(*config))
    return tl::unexpected(mistake(
      file
      + " is of a node that is in no network ('weft network join' makes "
        "one that is)"));
  return member_node{fs::absolute(file).string(), std::move(*config)};
}

/// Files of nodes that are members; others, and those with mistakes, are left
/// out.
std::vector<member_node> all_member_nodes() {
  std::vector<member_node> found;
  std::error_code failed;
  for (fs::directory_iterator at{config_folder, failed}, end;
       !failed && at != end; at.increment(failed)) {
    if (at->path().extension() != ".yaml")
      continue;
    if (auto node = load_node(at->path().string()))
      found.push_back(std::move(*node));
  }
  return found;
}

} // namespace

std::string state_folder_of(const place_options& options) {
  if (!options.state.empty())
    return fs::absolute(options.state).lexically_normal().string();
  // NOLINTNEXTLINE(concurrency-mt-unsafe): before any thread starts
  const char* given = std::getenv("STATE_DIRECTORY");
  const std::string all = given == nullptr ? "" : given;
  const auto first = all.substr(0, all.find(':'));
  return first.empty() ? usual_state : first;
}

outcome<network_place>
place_of(const place_options& options, const std::string& network) {
  network_place place;
  place.interface = options.interface.empty() ? network : options.interface;
  if (const auto reason = check_interface_name(place.interface))
    return tl::unexpected(mistake(
      options.interface.empty()
        ? "the name '" + network
            + "' is too long for an interface: say --interface NAME as well, "
              "with up to 15 characters"
        : *reason));
  const auto state = state_folder_of(options);
  const auto folder = state + '/' + place.interface;
  place.config = options.config.empty()
                   ? usual_file(place.interface)
                   : fs::absolute(options.config).lexically_normal().string();
  place.folder = {folder + "/network"};
  place.store = folder + "/directory";
  place.is_usual
    = place.config == usual_file(place.interface) && state == usual_state;
  // Its unit has a user of its own; else weftd starts it, as root.
  place.issuer = place.is_usual && systemd_is_there() ? issuer_folder(network)
                                                      : folder + "/issuer";
  return place;
}

node_folder member_node::folder() const {
  return {fs::path{config.network.certificate}.parent_path().string()};
}

std::string member_node::issuer_socket() const {
  return issuer_socket_path(config.network.name);
}

std::string member_node::directory_socket() const {
  return directory_socket_path(config.control.socket_folder,
                               config.network.name);
}

std::string member_node::issuer_folder() const {
  std::error_code failed;
  const auto& named = config.directory.issuer;
  return fs::is_directory(named, failed)
           ? named
           : weft::issuer_folder(config.network.name);
}

outcome<member_node> find_member_node(const place_options& options) {
  if (!options.config.empty())
    return load_node(options.config);
  if (!options.interface.empty())
    return load_node(usual_file(options.interface));
  std::error_code failed;
  if (fs::directory_iterator{config_folder, failed};
      failed == std::errc::permission_denied)
    return tl::unexpected(
      failure{exit_forbidden, EACCES,
              std::string{config_folder}
                + " cannot be read: run it as root, or name the node's file by "
                  "--config FILE"});
  auto all = all_member_nodes();
  if (all.size() == 1)
    return std::move(all.front());
  if (all.empty())
    return tl::unexpected(mistake(
      "no node in /etc/weft that you may read is in a network: --config FILE "
      "names another one, 'weft network join' makes one"));
  std::string names;
  for (const auto& each : all)
    names += (names.empty() ? "" : ", ") + each.config.interface.name;
  return tl::unexpected(mistake("there are several nodes of networks ("
                                + printable(names)
                                + "): say which one by --interface NAME"));
}

} // namespace weft
