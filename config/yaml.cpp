#include "config/yaml.hpp"

#include "config/strings.hpp"
#include "config/yaml_reader.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace weft {

namespace {

tl::unexpected<config_errors>
whole_file(const std::string& path, std::string message) {
  return tl::unexpected{config_errors{{path, 0, 0, "", std::move(message)}}};
}

} // namespace

std::string to_string(const config_error& error) {
  auto text = error.file;
  if (error.line > 0)
    text
      += ":" + std::to_string(error.line) + ":" + std::to_string(error.column);
  if (!error.key.empty())
    text += ": " + error.key;
  return text + ": " + error.message;
}

tl::expected<std::string, std::string>
read_config_text(const std::string& path) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  if (status.type() == std::filesystem::file_type::directory)
    return tl::unexpected<std::string>{"this is a folder; a file is expected"};
  std::ifstream file;
  // Unbuffered, so that no second copy of keys stays behind.
  file.rdbuf()->pubsetbuf(nullptr, 0);
  file.open(path, std::ios::binary);
  if (!file)
    return tl::unexpected<std::string>{
      status.type() == std::filesystem::file_type::not_found
        ? "the file does not exist"
        : "the file cannot be read; check its owner and mode"};
  // One block for all of the file, for the same reason.
  std::string text;
  const auto size = status.type() == std::filesystem::file_type::regular
                      ? std::filesystem::file_size(path, ignored)
                      : 0;
  const bool size_known = !ignored && size > 0 && size <= max_config_size;
  std::size_t used = 0;
  text.resize(size_known ? size + 1 : 64U << 10);
  while (used <= max_config_size) {
    if (used == text.size()) {
      std::string larger(std::min(text.size() * 2, max_config_size + 1), '\0');
      std::copy(text.begin(), text.end(), larger.begin());
      text.swap(larger);
      strings::wipe(larger);
    }
    const auto room = static_cast<std::streamsize>(text.size() - used);
    const auto count = file.rdbuf()->sgetn(text.data() + used, room);
    if (count <= 0)
      break;
    used += static_cast<std::size_t>(count);
  }
  text.resize(used);
  return text;
}

tl::expected<node_config, config_errors>
load_yaml(const std::string& path, private_key_rule rule) {
  auto text = read_config_text(path);
  if (!text)
    return whole_file(path, text.error());
  const strings::wiper end{*text};
  return parse_yaml(*text, path, rule);
}

tl::expected<node_config, config_errors>
parse_yaml(std::string_view text, const std::string& path,
           private_key_rule rule) {
  if (text.size() > max_config_size)
    return whole_file(path, "the file is larger than 64 MiB; a configuration "
                            "is expected");
  auto tree = yaml_tree::parse(text);
  if (!tree) {
    const auto& [place, message] = tree.error();
    return tl::unexpected{
      config_errors{{path, place.line, place.column, "", message}}};
  }
  return yaml_reader{*tree, path, rule}.read();
}

} // namespace weft
