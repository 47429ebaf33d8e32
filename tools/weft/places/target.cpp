#include "tools/weft/places/target.hpp"

#include "config/node_config.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>

namespace weft {

namespace {

outcome<remote_node> read_remote(const connection_options& options) {
  if (!options.context.empty())
    return tl::unexpected(
      mistake("--at and --context say two places: leave one out"));
  remote_node node;
  if (const auto wrong = set_place(options.at, node))
    return tl::unexpected(mistake("--at: " + *wrong, "at"));
  if (options.certificate.empty() || options.key.empty() || options.ca.empty())
    return tl::unexpected(
      mistake("--at needs --certificate, --key and --ca: 'weft pki' makes "
              "them, and --context NAME keeps them in a file",
              "certificate"));
  node.certificate = options.certificate;
  node.key = options.key;
  node.ca = options.ca;
  node.revocations = options.revocations;
  node.server_name
    = options.server_name.empty() ? node.host : options.server_name;
  return node;
}

bool has_tls_options(const connection_options& options) {
  return !options.certificate.empty() || !options.key.empty()
         || !options.ca.empty() || !options.revocations.empty()
         || !options.server_name.empty();
}

std::string folder_of(const connection_options& options) {
  return options.socket_folder.empty() ? default_control_folder
                                       : options.socket_folder;
}

outcome<local_node> find_only_one(const std::string& folder) {
  auto nodes = list_local_nodes(folder);
  if (!nodes)
    return tl::unexpected(std::move(nodes.error()));
  if (nodes->empty())
    return tl::unexpected(
      failure{exit_unreachable, ENOENT,
              "no daemon listens in " + folder
                + ": is weftd running? (systemctl status 'weft@*')"});
  if (nodes->size() > 1) {
    std::string all;
    for (const auto& node : *nodes)
      all += (all.empty() ? "" : ", ") + node.interface;
    return tl::unexpected(mistake("there are several interfaces, " + all
                                    + ": choose one with -i NAME",
                                  "interface"));
  }
  return std::move(nodes->front());
}

outcome<local_node> find_local(const connection_options& options) {
  const auto folder = folder_of(options);
  return options.interface.empty() ? find_only_one(folder)
                                   : find_local_node(options.interface, folder);
}

} // namespace

outcome<std::vector<local_node>> list_local_nodes(const std::string& folder) {
  namespace fs = std::filesystem;
  std::vector<local_node> nodes;
  std::error_code wrong;
  fs::directory_iterator entries(folder, wrong);
  for (; !wrong && entries != fs::directory_iterator();
       entries.increment(wrong)) {
    const auto& path = entries->path();
    if (path.extension() == ".sock")
      nodes.push_back({path.stem().string(), path.string()});
  }
  if (wrong == std::errc::permission_denied)
    return tl::unexpected(
      failure{exit_forbidden, EACCES,
              folder + ": permission denied: run this command as root"});
  if (wrong && wrong != std::errc::no_such_file_or_directory)
    return tl::unexpected(to_failure(make_system_error(wrong.value(), folder)));
  std::sort(nodes.begin(), nodes.end(),
            [](const local_node& a, const local_node& b) {
              return a.interface < b.interface;
            });
  return nodes;
}

outcome<local_node>
find_local_node(const std::string& interface, const std::string& folder) {
  if (auto wrong = check_interface_name(interface))
    return tl::unexpected(mistake(std::move(*wrong), "interface"));
  return local_node{interface, folder + '/' + interface + ".sock"};
}

std::string to_string(const node_place& place) {
  if (const auto* local = std::get_if<local_node>(&place))
    return local->interface;
  return to_string(std::get<remote_node>(place));
}

outcome<std::optional<remote_node>>
find_remote(const connection_options& options) {
  const bool says_local
    = !options.interface.empty() || !options.socket_folder.empty();
  const bool says_context
    = !options.context.empty() && options.context != local_context;
  if (says_local && (!options.at.empty() || says_context))
    return tl::unexpected(
      mistake("an interface and --socket-folder are for this host, --at and "
              "--context for another one: leave one of the two out"));
  if (!options.at.empty())
    return read_remote(options).map(
      [](remote_node&& node) { return std::optional{std::move(node)}; });
  if (has_tls_options(options))
    return tl::unexpected(mistake(
      "--certificate, --key, --ca, --revocations and --server-name need "
      "--at",
      "at"));
  if (says_local || options.context == local_context)
    return std::nullopt;
  const auto path = options.contexts_file.empty() ? default_contexts_path()
                                                  : options.contexts_file;
  if (std::error_code ignored;
      options.context.empty() && !std::filesystem::exists(path, ignored))
    return std::nullopt;
  const auto file = load_contexts(path);
  if (!file)
    return tl::unexpected(file.error());
  const auto& name = options.context.empty() ? file->current : options.context;
  if (name.empty())
    return std::nullopt;
  auto found = find_context(*file, name, path);
  if (!found)
    return tl::unexpected(std::move(found.error()));
  return std::move(found->node);
}

outcome<node_place> find_node(const connection_options& options) {
  auto remote = find_remote(options);
  if (!remote)
    return tl::unexpected(std::move(remote.error()));
  if (*remote)
    return node_place{std::move(**remote)};
  return find_local(options).map(
    [](local_node&& node) { return node_place{std::move(node)}; });
}

} // namespace weft
