#include "actors/overlay/config_files.hpp"
#include "config/wg_quick.hpp"
#include "platform/resolve.hpp"
#include "protocol/base/wipe.hpp"
#include "tools/weft/commands/commands.hpp"
#include "tools/weft/secret_output.hpp"

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
