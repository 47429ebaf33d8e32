#include "config/yaml.hpp"

#include "config/yaml_reader.hpp"
#include "protocol/base/wipe.hpp"

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

namespace {

tl::expected<node_config, config_errors>
read(std::string_view text, const yaml_reader::surroundings& around) {
  const auto& path = around.file;
  if (text.size() > max_config_size)
    return whole_file(path, "the file is larger than 64 MiB; a configuration "
                            "is expected");
  auto tree = yaml_tree::parse(text);
  if (!tree) {
    const auto& [place, message] = tree.error();
    return tl::unexpected{
      config_errors{{path, place.line, place.column, "", message}}};
  }
  return yaml_reader{*tree, around}.read();
}

} // namespace

tl::expected<node_config, config_errors>
load_yaml(const std::string& path, const file_source& files,
          private_key_rule rule, std::vector<std::string>* warnings) {
  auto got = files(path, file_use::configuration);
  if (!got)
    return whole_file(path, std::move(got.error().message));
  const text_wiper end{got->text};
  return read(got->text, {path, files, rule, got->others_can_read,
                          got->others_can_write, warnings});
}

tl::expected<node_config, config_errors>
parse_yaml(std::string_view text, const std::string& path,
           const file_source& files, private_key_rule rule) {
  return read(text, {path, files, rule});
}

} // namespace weft
