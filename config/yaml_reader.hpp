// Reads a configuration out of a YAML tree, and collects every mistake.
#pragma once

#include "config/error_list.hpp"
#include "config/fields.hpp"
#include "config/peer_checks.hpp"
#include "config/strings.hpp"
#include "config/values.hpp"
#include "config/yaml.hpp"
#include "config/yaml_tree.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <span>
#include <stdexcept>

namespace weft {

/// `a list`, `a map` ...
std::string_view describe(yaml_kind kind);

class yaml_reader {
public:
  /// Where the document comes from.
  struct surroundings {
    const std::string& file;
    const file_source& files;
    private_key_rule rule = private_key_rule::required;
    bool others_can_read = false; ///< the document itself
    bool others_can_write = false;
    std::vector<std::string>* warnings = nullptr;
  };

  yaml_reader(const yaml_tree& tree, const surroundings& around);

  tl::expected<node_config, config_errors> read();

private:
  /// Where in the document the reader is: `peers`, then `[2]`, then
  /// `allowed_ips`.  Becomes text only when there is a mistake.
  struct path {
    const path* parent = nullptr;
    std::string_view key;
    std::size_t index = 0; ///< used if `key` is empty
  };
  static std::string to_text(const path* at);

  /// A section whose keys are rows of config/fields.hpp.
  template <class Section>
  struct section_draft {
    template <class T>
    using each = std::array<T, field_count<Section>>;

    Section& config;
    each<const yaml_node*> values{}; ///< null: the key is not given
    each<const yaml_node*> files{};  ///< the same for NAME_file
    each<std::vector<text_place>> list_places{};

    template <class Value>
    const yaml_node* value_of(Value Section::*member) const {
      return values.at(number_of(member));
    }
  };

  /// A key, and what becomes of its value.
  template <class T>
  struct known_key {
    std::string_view name;
    void (*read)(yaml_reader& self, const yaml_node& value, const path& at,
                 T& into);
  };
  static std::span<const known_key<node_config>> document_keys();
  static std::span<const known_key<log_config>> log_keys();
  static std::span<const known_key<control_config>> control_keys();
  static std::span<const known_key<metrics_config>> metrics_keys();
  static std::span<const known_key<offload_config>> offload_keys();
  static std::span<const known_key<network_config>> network_keys();
  static std::span<const known_key<directory_config>> directory_keys();
  static std::span<const known_key<store_config>> store_keys();
  template <class Section>
  static std::span<const known_key<section_draft<Section>>> section_keys();

  void complain(text_place place, const path* at, std::string message);
  void complain(const yaml_node& node, const path& at, std::string message) {
    complain(node.place, &at, std::move(message));
  }

  template <class T>
  void read_map(const yaml_node& map, const path* at,
                std::span<const known_key<T>> keys, T& into);
  template <class T>
  void read_entry(const yaml_node& key, const yaml_node& value, const path* at,
                  std::span<const known_key<T>> keys,
                  std::span<const yaml_node*> seen, T& into);
  template <class T>
  void unknown_key(const yaml_node& key, const path* at,
                   std::span<const known_key<T>> keys);

  /// The text of a scalar; nothing after a complaint.
  const std::string*
  scalar(const yaml_node& value, const path& at, std::string_view what);
  /// Reads a scalar with one of the functions of values.hpp.
  template <class Target, class Read>
  void read_value(const yaml_node& value, const path& at, std::string_view what,
                  Read convert, Target& target);
  void read_offload(const yaml_node& value, const path& at,
                    const offload_key& key, offload_config& into);
  /// A list, or one text with commas.  Calls `each(text, place, at)`.
  template <class Each>
  void read_list(const yaml_node& list, const path& at, Each each,
                 std::string_view what = "an IP prefix");
  /// The same of values that `convert` reads, each given to `take`.
  template <class Value, class Convert, class Take>
  void
  read_each(const yaml_node& list, const path& at, Convert convert, Take take);
  std::vector<text_place>
  read_prefixes(const yaml_node& list, const path& at, bool keep_host_bits,
                std::vector<ip_prefix>& into);

  void read_texts(const yaml_node& list, const path& at, std::string_view what,
                  std::vector<std::string>& into);

  template <class Section, class Value>
  void read_row(const field<Section, Value>& row, const yaml_node& value,
                const path& at, section_draft<Section>& into);
  /// Once all keys are known.  False after a complaint.
  template <class Section>
  bool read_secrets(const path& at, section_draft<Section>& into);
  void read_interface(const yaml_node& section, const path& at);
  /// An absolute path, so that it is the same whoever reads the file again.
  void
  read_socket_folder(const yaml_node& value, const path& at, std::string& into);
  void check_exposure();
  void read_peers(const yaml_node& list, const path& at);
  void
  read_control(const yaml_node& section, const path& at, control_config& into);
  void
  read_roles(const yaml_node& section, const path& at, control_config& into);
  /// A file or folder, relative to that of the configuration.
  void read_path(const yaml_node& value, const path& at, std::string& into);
  void read_peer(const yaml_node& section, const path& at);
  /// The key itself or the file that holds it, whichever is given; one of them
  /// at most.  False after a complaint, or if neither is given.
  bool read_secret(const path& at, std::string_view name,
                   std::string_view file_name, const yaml_node* key,
                   const yaml_node* key_file, secret<key_size>& into);
  void check_all_peers();
  void check_name();
  void check_control_section();
  void
  read_metrics(const yaml_node& section, const path& at, metrics_config& into);
  void check_metrics_section();
  void
  read_network(const yaml_node& section, const path& at, network_config& into);
  void read_directory(const yaml_node& section, const path& at,
                      directory_config& into);
  /// As read_path(), and absolute: the same whoever reads the file again.
  void
  read_whole_path(const yaml_node& value, const path& at, std::string& into);
  void check_network_sections();

  const yaml_tree& tree_;
  const surroundings& around_;
  const std::string& file_;
  private_key_rule rule_;
  std::filesystem::path folder_;
  node_config config_;
  std::vector<peer_places> peers_;
  text_place control_place_; ///< of its section
  text_place name_place_;    ///< of the interface's
  text_place metrics_place_; ///< of its section
  text_place network_place_;
  text_place directory_place_;
  bool network_is_read_ = true; ///< both sections, without a mistake
  bool has_interface_ = false;
  bool holds_secrets_ = false; ///< keys stand in the document itself
  error_list errors_;
};

template <class T>
void yaml_reader::read_map(const yaml_node& map, const path* at,
                           std::span<const known_key<T>> keys, T& into) {
  if (map.kind != yaml_kind::map)
    return complain(map.place, at,
                    "there is " + std::string{describe(map.kind)}
                      + "; a map of 'key: value' lines is expected");
  std::array<const yaml_node*, 32> seen{};
  if (keys.size() > seen.size())
    throw std::logic_error("there is no room for so many keys");
  for (const auto& [key, value] : tree_.entries(map))
    read_entry(key, value, at, keys, std::span{seen}, into);
}

template <class T>
void yaml_reader::read_entry(const yaml_node& key, const yaml_node& value,
                             const path* at, std::span<const known_key<T>> keys,
                             std::span<const yaml_node*> seen, T& into) {
  if (key.kind != yaml_kind::scalar)
    return complain(key.place, at,
                    "there is " + std::string{describe(key.kind)}
                      + " for a key; a word is expected");
  const auto found
    = std::find_if(keys.begin(), keys.end(),
                   [&](const auto& one) { return one.name == key.text; });
  if (found == keys.end())
    return unknown_key(key, at, keys);
  const path here{at, found->name, 0};
  auto& earlier = seen[static_cast<std::size_t>(found - keys.begin())];
  if (earlier != nullptr)
    return complain(key.place, &here,
                    "the key appears twice, first in line "
                      + std::to_string(earlier->place.line)
                      + "; remove one of the two");
  earlier = &key;
  found->read(*this, value, here, into);
}

template <class T>
void yaml_reader::unknown_key(const yaml_node& key, const path* at,
                              std::span<const known_key<T>> keys) {
  if (errors_.is_full())
    return complain(key.place, at, "unknown key");
  std::vector<std::string_view> known;
  for (const auto& one : keys)
    known.push_back(one.name);
  const path here{at, key.text, 0};
  const bool is_word = strings::is_short_word(key.text);
  complain(key.place, is_word ? &here : at,
           "unknown key " + strings::quote(key.text) + "; "
             + strings::suggestion(key.text, known));
}

template <class Target, class Read>
void yaml_reader::read_value(const yaml_node& value, const path& at,
                             std::string_view what, Read convert,
                             Target& target) {
  const auto* text = scalar(value, at, what);
  if (text == nullptr)
    return;
  if (auto result = convert(*text))
    target = *result;
  else
    complain(value, at, result.error());
}

template <class Each>
void yaml_reader::read_list(const yaml_node& list, const path& at, Each each,
                            std::string_view what) {
  if (list.kind == yaml_kind::null)
    return;
  if (list.kind == yaml_kind::scalar) {
    for (auto part : strings::split_commas(list.text))
      each(part, list.place, at);
    return;
  }
  if (list.kind != yaml_kind::sequence)
    return complain(list, at, "there is a map; a list is expected");
  std::size_t index = 0;
  for (const auto* item = tree_.first_child(list); item != nullptr;
       item = tree_.next(*item)) {
    const path here{&at, {}, index++};
    if (const auto* text = scalar(*item, here, what))
      for (auto part : strings::split_commas(*text))
        each(part, item->place, here);
  }
}

} // namespace weft
