#include "actors/overlay/config_files.hpp"

#include "config/file_digest.hpp"
#include "config/strings.hpp"

#include <cerrno>

namespace weft {

namespace {

tl::unexpected<file_failure> fail(int code, std::string message) {
  return tl::unexpected(file_failure{code == ENOENT, std::move(message)});
}

tl::expected<file_text, file_failure>
read_config(const std::string& path, pipe_patience patience) {
  auto read = load_any_file(path, max_config_size + 1, patience);
  if (read)
    return file_text{std::string{read->text.view()},
                     read->others != exposure::none,
                     read->others == exposure::writable};
  const auto code = read.error().code;
  if (code == EISDIR)
    return fail(code, "this is a folder; a file is expected");
  if (code == ENOENT)
    return fail(code, "the file does not exist");
  if (code == ETIMEDOUT)
    return fail(code, "nobody writes to this pipe; a file is expected");
  return fail(code, "the file cannot be read; check its owner and mode ("
                      + read.error().message + ')');
}

tl::expected<file_text, file_failure> read_secret(const std::string& path) {
  const auto read = load_file(path, file_privacy::owner_only);
  if (!read)
    return fail(read.error().code, read.error().message);
  return file_text{std::string{read->view()}};
}

} // namespace

file_source host_files(pipe_patience patience) {
  return [patience](const std::string& path, file_use use) {
    return use == file_use::secret ? read_secret(path)
                                   : read_config(path, patience);
  };
}

tl::expected<std::string, std::string>
read_config_text(const std::string& path, pipe_patience patience) {
  auto read = read_config(path, patience);
  if (!read)
    return tl::unexpected(std::move(read.error().message));
  return std::move(read->text);
}

tl::expected<node_config, config_errors>
load_yaml(const std::string& path, private_key_rule rule,
          std::vector<std::string>* warnings, pipe_patience patience) {
  return load_yaml(path, host_files(patience), rule, warnings);
}

tl::expected<file_config, config_errors>
load_yaml_with_digest(const std::string& path,
                      std::vector<std::string>* warnings) {
  file_digest digest;
  auto config = load_yaml(path, digest.watching(host_files()),
                          private_key_rule::required, warnings);
  if (!config)
    return tl::unexpected(std::move(config.error()));
  return file_config{std::move(*config), digest.text()};
}

tl::expected<node_config, config_errors>
parse_yaml(std::string_view text, const std::string& path,
           private_key_rule rule) {
  return parse_yaml(text, path, host_files(), rule);
}

value_or_message<secret<key_size>>
read_key_file(std::string_view name, const std::filesystem::path& folder) {
  return read_key_file(name, folder, host_files());
}

} // namespace weft
