#include "tools/weft/places/contexts.hpp"

#include "actors/overlay/config_files.hpp"
#include "config/strings.hpp"
#include "config/values.hpp"
#include "config/yaml_tree.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

namespace weft {

namespace {

std::string all_in_one(const config_errors& errors) {
  std::string text;
  for (const auto& error : errors)
    text += (text.empty() ? "" : "\n") + to_string(error);
  return text;
}

/// Where the line with `line` (from 1) begins.
std::size_t start_of_line(std::string_view text, int line) {
  std::size_t at = 0;
  for (; line > 1; --line)
    at = std::min(text.find('\n', at), text.size() - 1) + 1;
  return at;
}

/// The key of the document that is called `name`, and its value.
std::pair<const yaml_node*, const yaml_node*>
top_entry(const yaml_tree& tree, std::string_view name) {
  const auto* root = tree.root();
  if (root != nullptr)
    for (const auto& [key, value] : tree.entries(*root))
      if (key.text == name)
        return {&key, &value};
  return {nullptr, nullptr};
}

} // namespace

std::string to_string(const remote_node& node) {
  const auto port = ':' + std::to_string(node.port);
  if (node.host.find(':') != std::string::npos)
    return '[' + node.host + ']' + port;
  return node.host + port;
}

std::optional<std::string> set_place(std::string_view text, remote_node& into) {
  const auto where = read_endpoint(text);
  if (!where)
    return where.error();
  if (const auto* named = std::get_if<host_endpoint>(&*where)) {
    into.host = named->host;
    into.port = named->port;
    return std::nullopt;
  }
  const auto& numeric = std::get<endpoint>(*where);
  into.host = to_string(numeric.address);
  if (numeric.scope_id != 0)
    into.host += '%' + std::to_string(numeric.scope_id);
  into.port = numeric.port;
  return std::nullopt;
}

const context* context_file::find(std::string_view name) const {
  const auto found
    = std::find_if(contexts.begin(), contexts.end(),
                   [&](const context& one) { return one.name == name; });
  return found != contexts.end() ? &*found : nullptr;
}

std::string default_contexts_path() {
  // NOLINTBEGIN(concurrency-mt-unsafe): before any thread starts
  if (const char* set = std::getenv("WEFT_CONTEXTS");
      set != nullptr && *set != '\0')
    return set;
  const char* home = std::getenv("HOME");
  // NOLINTEND(concurrency-mt-unsafe)
  return std::string{home != nullptr ? home : "/root"}
         + "/.config/weft/contexts.yaml";
}

outcome<context_file> load_contexts(const std::string& path) {
  const auto text = read_config_text(path, std::nullopt);
  if (!text)
    return tl::unexpected(
      mistake(path + ": " + text.error()
              + "; it names the nodes to control: man weft shows one"));
  auto file = parse_contexts(*text, path);
  if (!file)
    return tl::unexpected(
      mistake(all_in_one(file.error()), file.error().front().key));
  return std::move(*file);
}

outcome<context> find_context(const context_file& file, const std::string& name,
                              const std::string& path) {
  if (const auto* found = file.find(name))
    return *found;
  std::string known;
  for (const auto& one : file.contexts)
    known += (known.empty() ? "" : ", ") + one.name;
  return tl::unexpected(
    mistake("there is no context " + strings::quote(name) + " in " + path + "; "
              + (known.empty() ? "it has none" : "there are: " + known),
            "context"));
}

outcome<std::string>
with_current(std::string_view text, const std::string& path,
             std::string_view name) {
  const auto tree = yaml_tree::parse(text);
  if (!tree)
    return tl::unexpected(mistake(path + ": " + tree.error().message));
  std::string changed{text};
  const auto line
    = name.empty() ? std::string{} : "current: " + std::string{name} + '\n';
  const auto [key, value] = top_entry(*tree, "current");
  if (key != nullptr) {
    const auto begin = start_of_line(text, key->place.line);
    const auto end = start_of_line(text, key->place.line + 1);
    changed.replace(begin, end - begin, line);
  } else if (const auto* root = tree->root();
             root != nullptr && tree->first_child(*root) != nullptr) {
    // Before the first entry, so that the comments above stay on top.
    const auto first = tree->first_child(*root)->place.line;
    changed.insert(start_of_line(text, first), line);
  }
  // YAML has more ways to write a map than by lines.
  const auto before = parse_contexts(text, path);
  const auto after = parse_contexts(changed, path);
  if (!before || !after || after->current != name
      || after->contexts != before->contexts)
    return tl::unexpected(mistake(
      path + ": " + (key != nullptr ? "change" : "add") + " the line 'current: "
        + std::string{name.empty() ? local_context : name} + "' by hand",
      "current"));
  return changed;
}

} // namespace weft
