#include "actors/overlay/config_files.hpp"
#include "config/wg_quick.hpp"
#include "platform/resolve.hpp"
#include "protocol/base/wipe.hpp"
#include "tools/weft/commands/commands.hpp"
#include "tools/weft/failure.hpp"
#include "tools/weft/secret_output.hpp"
#include "tools/weft/view/json_text.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <ostream>

namespace weft {

namespace {

/// Mistakes of a file: a line each.
int report(const config_errors& errors, bool json, const streams& io) {
  for (const auto& error : errors) {
    if (json)
      report(mistake(to_string(error), error.key), true, io);
    else
      io.err << to_string(error) << '\n';
  }
  return exit_mistaken;
}

/// What a conversion leaves out.
void warn(const config_errors& ignored, bool json, const streams& io) {
  for (const auto& one : ignored) {
    if (json) {
      nlohmann::ordered_json out;
      out["warning"]["message"] = to_string(one);
      out["warning"]["field"] = null_if_empty(one.key);
      io.err << to_line(out);
    } else {
      io.err << "warning: " << to_string(one) << '\n';
    }
  }
}

result<std::string> read_file(const std::string& path) {
  std::error_code failure;
  if (std::filesystem::is_directory(path, failure))
    return tl::unexpected(make_system_error(EISDIR, "cannot read " + path));
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return tl::unexpected(make_system_error(errno, "cannot read " + path));
  std::string text;
  std::array<char, 4096> piece{};
  do {
    file.read(piece.data(), piece.size());
    text.append(piece.data(), static_cast<std::size_t>(file.gcount()));
  } while (file);
  return text;
}

/// With its keys.
std::string to_yaml(const imported_config& imported) {
  const auto comment = comment_on_commands(imported);
  auto yaml = format_yaml(imported.config);
  std::string out;
  out.reserve(yaml.size() + comment.size());
  append_secret(out, std::move(yaml));
  return out += comment;
}

} // namespace

int import_config(const std::string& path, const import_options& options,
                  const streams& io) {
  const auto& [output, strict, json] = options;
  auto text = read_file(path);
  if (!text)
    return report({exit_mistaken, text.error().code, text.error().message},
                  json, io);
  const auto imported
    = import_wg_quick(*text, path, std::filesystem::path(path).stem().string(),
                      find_service_port);
  if (!imported)
    return report(imported.error(), json, io);
  warn(imported->ignored, json, io);
  if (strict && !imported->ignored.empty())
    return exit_mistaken;
  auto yaml = to_yaml(*imported);
  const text_wiper wipes_yaml(yaml);
  if (output.empty()) {
    warn_if_public(io);
    io.out << yaml;
    return exit_fine;
  }
  if (auto written = write_secret_file(output, yaml); !written)
    return report({exit_failure, written.error().code, written.error().message},
                  json, io);
  return exit_fine;
}

int export_config(const std::string& path, bool json, const streams& io) {
  const auto config
    = load_yaml(path, private_key_rule::required, nullptr, std::nullopt);
  if (!config)
    return report(config.error(), json, io);
  warn_if_public(io);
  auto text = export_wg_quick(*config);
  const text_wiper wipes_text(text);
  io.out << text;
  return exit_fine;
}

} // namespace weft
