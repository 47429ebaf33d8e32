#include "actors/overlay/config_files.hpp"
#include "config/wg_quick.hpp"
#include "config/yaml_tree.hpp"
#include "platform/clock.hpp"
#include "platform/resolve.hpp"
#include "platform/tls.hpp"
#include "protocol/base/wipe.hpp"
#include "tools/weft/commands/commands.hpp"
#include "tools/weft/secret_output.hpp"
#include "tools/weft/view/format.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <ostream>

namespace weft {

namespace {

void print(const config_errors& errors, const char* prefix, std::ostream& err) {
  for (const auto& error : errors)
    err << prefix << to_string(error) << '\n';
}

std::string listen_text(const node_config& config) {
  if (config.interface.listen.port == 0)
    return "on a port of the kernel's choice";
  return "on " + to_string(config.interface.listen);
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

} // namespace

namespace {

/// Where `control.KEY` has its value in the file.
text_place place_in_control(const std::string& path, std::string_view key) {
  auto text = read_config_text(path);
  if (!text)
    return {};
  const text_wiper wipes_text(*text);
  const auto tree = yaml_tree::parse(*text);
  if (!tree || tree->root() == nullptr)
    return {};
  const auto value_of = [&](const yaml_node& map, std::string_view name) {
    const yaml_node* found = nullptr;
    for (const auto& [its_key, value] : tree->entries(map))
      if (its_key.text == name)
        found = &value;
    return found;
  };
  const auto* control = value_of(*tree->root(), "control");
  const auto* value = control != nullptr ? value_of(*control, key) : nullptr;
  return value != nullptr ? value->place : text_place{};
}

/// Looks at the files of the section `control`; false: one cannot be used.
bool check_control_files(const std::string& path, const control_config& control,
                         std::ostream& err) {
  if (!control.listen)
    return true;
  const std::array<std::pair<std::string tls_files::*, const char*>, 4> keys{
    {{&tls_files::certificate, "certificate"},
     {&tls_files::key, "key"},
     {&tls_files::authority, "ca"},
     {&tls_files::revocations, "revocations"}}};
  bool fine = true;
  const tls_files files{control.certificate, control.key, control.ca,
                        control.revocations};
  for (const auto& each : check_server_files(files, wall_now())) {
    const auto* const key
      = std::find_if(keys.begin(), keys.end(),
                     [&](const auto& one) { return one.first == each.file; });
    const auto place = place_in_control(path, key->second);
    err << (each.is_error ? "" : "warning: ")
        << to_string(config_error{path, place.line, place.column,
                                  std::string{"control."} + key->second,
                                  each.message})
        << '\n';
    fine = fine && !each.is_error;
  }
  return fine;
}

} // namespace

int check_config(const std::string& path, const streams& io) {
  std::vector<std::string> warnings;
  const auto config
    = load_yaml(path, private_key_rule::required, &warnings, std::nullopt);
  if (!config) {
    print(config.error(), "", io.err);
    return exit_mistaken;
  }
  for (const auto& warning : warnings)
    io.err << "warning: " << warning << '\n';
  if (!check_control_files(path, config->control, io.err))
    return exit_mistaken;
  std::size_t allowed = 0;
  for (const auto& peer : config->peers)
    allowed += peer.allowed_ips.size();
  io.out << path << ": fine: " << printable(config->interface.name)
         << " listens " << listen_text(*config) << ", "
         << format_count(config->peers.size(), "peer") << ", "
         << format_count(allowed, "allowed IP") << '\n';
  return exit_fine;
}

int import_config(const std::string& path, const std::string& output,
                  const streams& io) {
  auto text = read_file(path);
  if (!text) {
    io.err << "weft: " << text.error().message << '\n';
    return exit_mistaken;
  }
  const auto imported
    = import_wg_quick(*text, path, std::filesystem::path(path).stem().string(),
                      find_service_port);
  if (!imported) {
    print(imported.error(), "", io.err);
    return exit_mistaken;
  }
  print(imported->ignored, "warning: ", io.err);
  auto yaml = format_yaml(imported->config);
  const text_wiper wipes_yaml(yaml);
  if (output.empty()) {
    warn_if_public(io);
    io.out << yaml;
    return exit_fine;
  }
  if (auto written = write_secret_file(output, yaml); !written) {
    io.err << "weft: " << written.error().message << '\n';
    return exit_failure;
  }
  return exit_fine;
}

int export_config(const std::string& path, const streams& io) {
  const auto config
    = load_yaml(path, private_key_rule::required, nullptr, std::nullopt);
  if (!config) {
    print(config.error(), "", io.err);
    return exit_mistaken;
  }
  warn_if_public(io);
  auto text = export_wg_quick(*config);
  const text_wiper wipes_text(text);
  io.out << text;
  return exit_fine;
}

} // namespace weft
