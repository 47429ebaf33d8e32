#include "config/error_list.hpp"
#include "config/strings.hpp"
#include "config/yaml_tree.hpp"
#include "protocol/base/text.hpp"
#include "tools/weft/places/contexts.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>

namespace weft {

namespace {

/// Reads the tree of a contexts file, and collects every mistake.
class contexts_reader {
public:
  contexts_reader(const yaml_tree& tree, const std::string& path)
    : tree_(tree), path_(path),
      folder_(std::filesystem::path(path).parent_path()) {
  }

  tl::expected<context_file, config_errors> read() {
    if (const auto* root = tree_.root();
        root != nullptr && root->kind != yaml_kind::null)
      each_entry(*root, "",
                 [this](const yaml_node& key, const yaml_node& value) {
                   read_section(key, value);
                 });
    if (current_ != nullptr && file_.find(file_.current) == nullptr)
      complain(current_->place, "current",
               strings::quote(file_.current) + " is no context; "
                 + known_contexts());
    if (!errors_.empty())
      return tl::unexpected(errors_.take());
    return std::move(file_);
  }

private:
  /// Calls `each(key, value)` for the entries of a map; the keys are words.
  template <class Each>
  void each_entry(const yaml_node& map, const std::string& at, Each each) {
    if (map.kind != yaml_kind::map)
      return complain(map.place, at, "a map of 'key: value' lines is expected");
    std::vector<std::string_view> seen;
    for (const auto& [key, value] : tree_.entries(map)) {
      if (key.kind != yaml_kind::scalar || !strings::is_short_word(key.text))
        complain(key.place, at,
                 "the key is no name: 1-32 letters, digits, '_', '-' and '.' "
                 "are expected");
      else if (std::find(seen.begin(), seen.end(), key.text) != seen.end())
        complain(key.place, join(at, key.text),
                 "the key appears twice; remove one of the two");
      else
        each(key, value);
      seen.emplace_back(key.text);
    }
  }

  void read_section(const yaml_node& key, const yaml_node& value) {
    static constexpr std::array<std::string_view, 2> known{"contexts",
                                                           "current"};
    if (key.text == "current") {
      if (const auto* name
          = scalar(value, "current", "the name of a context")) {
        file_.current = *name;
        current_ = &value;
      }
    } else if (key.text == "contexts") {
      if (value.kind != yaml_kind::null)
        each_entry(value, "contexts",
                   [this](const yaml_node& name, const yaml_node& node) {
                     read_context(name, node);
                   });
    } else {
      unknown(key, "", known);
    }
  }

  void read_context(const yaml_node& name, const yaml_node& value) {
    static constexpr std::array<std::string_view, 6> known{
      "at", "certificate", "key", "ca", "revocations", "server_name"};
    const auto at = join("contexts", name.text);
    if (name.text == local_context)
      return complain(name.place, at,
                      "this name means the nodes of this host; choose another");
    auto& node = file_.contexts.emplace_back(context{name.text, {}}).node;
    std::vector<std::string_view> given;
    each_entry(value, at, [&](const yaml_node& key, const yaml_node& text) {
      given.emplace_back(key.text);
      const auto here = join(at, key.text);
      if (key.text == "at")
        read_place(text, here, node);
      else if (key.text == "certificate")
        read_file_name(text, here, node.certificate);
      else if (key.text == "key")
        read_file_name(text, here, node.key);
      else if (key.text == "ca")
        read_file_name(text, here, node.ca);
      else if (key.text == "revocations")
        read_file_name(text, here, node.revocations);
      else if (key.text == "server_name")
        read_server_name(text, here, node.server_name);
      else
        unknown(key, at, known);
    });
    if (value.kind != yaml_kind::map)
      return;
    for (const auto needed : std::span(known).first(4)) {
      if (std::find(given.begin(), given.end(), needed) == given.end())
        complain(name.place, join(at, std::string{needed}),
                 needed == "at" ? "the key is missing; HOST:PORT is expected"
                                : "the key is missing; a PEM file is expected "
                                  "('weft pki' makes them)");
    }
    if (node.server_name.empty())
      node.server_name = node.host;
  }

  void
  read_place(const yaml_node& value, const std::string& at, remote_node& into) {
    const auto* text = scalar(value, at, "HOST:PORT");
    if (text == nullptr)
      return;
    if (auto wrong = set_place(*text, into))
      complain(value.place, at, std::move(*wrong));
  }

  void read_file_name(const yaml_node& value, const std::string& at,
                      std::string& into) {
    const auto* name = scalar(value, at, "the name of a file");
    if (name == nullptr)
      return;
    if (name->empty() || has_control_characters(*name))
      return complain(value.place, at, "the name of a file is expected");
    into = (folder_ / *name).lexically_normal().string();
  }

  void read_server_name(const yaml_node& value, const std::string& at,
                        std::string& into) {
    const auto* name = scalar(value, at, "a host name");
    if (name == nullptr)
      return;
    if (name->empty() || name->size() > 253 || has_control_characters(*name))
      return complain(value.place, at,
                      "a host name of the node's certificate is expected");
    into = *name;
  }

  const std::string* scalar(const yaml_node& value, const std::string& at,
                            const std::string& what) {
    if (value.kind == yaml_kind::scalar)
      return &value.text;
    complain(value.place, at, what + " is expected");
    return nullptr;
  }

  void unknown(const yaml_node& key, const std::string& at,
               std::span<const std::string_view> known) {
    complain(key.place, join(at, key.text),
             "unknown key " + strings::quote(key.text) + "; "
               + strings::suggestion(key.text, known));
  }

  std::string known_contexts() const {
    std::vector<std::string_view> names;
    for (const auto& one : file_.contexts)
      names.emplace_back(one.name);
    return names.empty() ? "there are none"
                         : strings::suggestion(file_.current, names);
  }

  static std::string join(const std::string& at, const std::string& key) {
    return at.empty() ? key : at + '.' + key;
  }

  void complain(text_place place, const std::string& at, std::string message) {
    errors_.add({path_, place.line, place.column, at, std::move(message)});
  }

  const yaml_tree& tree_;
  const std::string& path_;
  std::filesystem::path folder_;
  context_file file_;
  const yaml_node* current_ = nullptr;
  error_list errors_;
};

} // namespace

tl::expected<context_file, config_errors>
parse_contexts(std::string_view text, const std::string& path) {
  const auto tree = yaml_tree::parse(text);
  if (!tree) {
    const auto& [place, message] = tree.error();
    return tl::unexpected(
      config_errors{{path, place.line, place.column, "", message}});
  }
  return contexts_reader{*tree, path}.read();
}

} // namespace weft
