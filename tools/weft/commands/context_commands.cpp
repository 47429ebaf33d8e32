#include "actors/overlay/config_files.hpp"
#include "platform/files.hpp"
#include "tools/weft/commands/control_commands.hpp"
#include "tools/weft/view/format.hpp"
#include "tools/weft/view/json_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <ostream>

namespace weft {

namespace {

std::string path_of(const connection_options& options) {
  return options.contexts_file.empty() ? default_contexts_path()
                                       : options.contexts_file;
}

nlohmann::ordered_json to_json(const context_file& file) {
  auto all = nlohmann::ordered_json::array();
  for (const auto& one : file.contexts) {
    nlohmann::ordered_json out;
    out["name"] = one.name;
    out["current"] = one.name == file.current;
    out["at"] = to_string(one.node);
    out["certificate"] = one.node.certificate;
    out["key"] = one.node.key;
    out["ca"] = one.node.ca;
    out["revocations"] = null_if_empty(one.node.revocations);
    out["server_name"] = one.node.server_name;
    all.push_back(std::move(out));
  }
  return all;
}

} // namespace

int list_contexts(const connection_options& options, const streams& io) {
  const auto file = load_contexts(path_of(options));
  if (!file)
    return report(file.error(), options.json, io);
  if (options.json) {
    io.out << to_text(to_json(*file));
    return exit_fine;
  }
  std::size_t width = local_context.size();
  for (const auto& one : file->contexts)
    width = std::max(width, one.name.size());
  const auto print = [&](std::string_view name, const std::string& place) {
    const bool is_current
      = name == (file->current.empty() ? local_context : file->current);
    io.out << (is_current ? "* " : "  ") << name
           << std::string(width - name.size(), ' ') << "  " << place << '\n';
  };
  print(local_context, "this host");
  for (const auto& one : file->contexts)
    print(one.name, to_string(one.node));
  return exit_fine;
}

int use_context(const std::string& name, const connection_options& options,
                const streams& io) {
  const auto path = path_of(options);
  const auto file = load_contexts(path);
  if (!file)
    return report(file.error(), options.json, io);
  const bool local = name == local_context;
  if (!local) {
    if (const auto found = find_context(*file, name, path); !found)
      return report(found.error(), options.json, io);
  }
  const auto text = read_config_text(path, std::nullopt);
  if (!text)
    return report(mistake(path + ": " + text.error()), options.json, io);
  const auto changed
    = with_current(*text, path, local ? std::string_view{} : name);
  if (!changed)
    return report(changed.error(), options.json, io);
  // Not a link to it, but the file itself is replaced.
  std::error_code ignored;
  const auto target = std::filesystem::canonical(path, ignored);
  constexpr unsigned mode = 0600;
  if (auto written
      = replace_file(ignored ? path : target.string(), *changed, mode);
      !written)
    return report({exit_failure, written.error().code, written.error().message},
                  options.json, io);
  if (options.json) {
    nlohmann::ordered_json out;
    out["current"] = name;
    io.out << to_text(out);
  } else {
    io.out << "commands without a place go to " << name << " now\n";
  }
  return exit_fine;
}

} // namespace weft
