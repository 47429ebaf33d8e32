// `weft check`: what is to be said of a configuration file.
#include "actors/overlay/config_check.hpp"
#include "tools/weft/commands/commands.hpp"
#include "tools/weft/view/format.hpp"
#include "tools/weft/view/json_text.hpp"

#include <nlohmann/json.hpp>

#include <ostream>

namespace weft {

namespace {

using json = nlohmann::ordered_json;

std::string listen_text(const node_config& config) {
  if (config.interface.listen.port == 0)
    return "on a port of the kernel's choice";
  return "on " + to_string(config.interface.listen);
}

std::size_t count_allowed_ips(const node_config& config) {
  std::size_t count = 0;
  for (const auto& peer : config.peers)
    count += peer.allowed_ips.size();
  return count;
}

json to_json(const config_errors& all) {
  auto list = json::array();
  for (const auto& one : all) {
    json out;
    out["file"] = one.file;
    out["line"] = one.line;
    out["column"] = one.column;
    out["field"] = null_if_empty(one.key);
    out["message"] = one.message;
    list.push_back(std::move(out));
  }
  return list;
}

std::string
format_json(const std::string& path, const checked_config& checked, bool fine) {
  json out;
  out["file"] = path;
  out["fine"] = fine;
  out["errors"] = to_json(checked.mistakes);
  out["warnings"] = to_json(checked.warnings);
  return to_text(out);
}

} // namespace

int check_config(const std::string& path, const check_options& options,
                 const streams& io) {
  const auto checked = check_file(path, std::nullopt);
  const bool fine = checked.is_fine(options.strict);
  const auto code = fine ? exit_fine : exit_mistaken;
  if (options.json) {
    io.out << format_json(path, checked, fine);
    return code;
  }
  for (const auto& mistake : checked.mistakes)
    io.err << to_string(mistake) << '\n';
  for (const auto& warning : checked.warnings)
    io.err << warning_text(warning) << '\n';
  if (!fine)
    return code;
  const auto& config = *checked.config;
  io.out << path << ": fine: " << printable(config.interface.name)
         << " listens " << listen_text(config) << ", "
         << format_count(config.peers.size(), "peer") << ", "
         << format_count(count_allowed_ips(config), "allowed IP");
  if (!checked.warnings.empty())
    io.out << ", " << format_count(checked.warnings.size(), "warning");
  io.out << '\n';
  return code;
}

} // namespace weft
