#include "config/yaml_edit.hpp"

#include "config/file_digest.hpp"
#include "config/sorted.hpp"
#include "config/yaml_text.hpp"
#include "config/yaml_values.hpp"
#include "protocol/base/text.hpp"
#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <unordered_map>

namespace weft {

namespace {

/// Only what commands change is taken over from what runs.
node_config wanted_of(const node_config& file, const node_config& running) {
  auto wanted = file;
  for_each_field<interface_config>([&](const auto& row, auto) {
    if (row.while_running)
      wanted.interface.*row.member = running.interface.*row.member;
  });
  wanted.peers = running.peers;
  wanted.log.level = running.log.level;
  wanted.offloads = running.offloads;
  return wanted;
}

/// Without the orders that mean nothing.
node_config normal(node_config config) {
  for (auto& peer : config.peers)
    peer.allowed_ips = sorted(std::move(peer.allowed_ips));
  std::sort(config.peers.begin(), config.peers.end(),
            [](const peer_config& a, const peer_config& b) {
              return a.public_key < b.public_key;
            });
  return config;
}

bool contains(const prefix_list& all, const ip_prefix& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

/// Makes the changes of one file.
class editor {
public:
  editor(yaml_text& text, const name_taken& taken)
    : text_(text), taken_(taken) {
  }

  void edit(const node_config& from, const node_config& to) {
    const auto& root = *text_.tree().root();
    const auto& interface = to.interface;
    // It has a private key at least.
    edit_section(*text_.find(root, "interface"), from.interface, interface,
                 interface.name, ".key");
    edit_peers(root, from.peers, to.peers);
    if (from.log.level != to.log.level)
      edit_log(root, std::string{to_string(to.log.level)});
    edit_offloads(root, from.offloads, to.offloads);
  }
  std::vector<new_key_file> take_keys() {
    return std::move(keys_);
  }

private:
  void edit_log(const yaml_node& root, const std::string& level) {
    const auto* log = text_.find(root, "log");
    if (log != nullptr && log->kind == yaml_kind::map)
      text_.set(*log, "level", level);
    else
      text_.set(root, "log", "{level: " + level + '}');
  }

  void edit_offloads(const yaml_node& root, const offload_config& from,
                     const offload_config& to) {
    if (from == to)
      return;
    const auto* map = text_.find(root, "offloads");
    const auto is_map = map != nullptr && map->kind == yaml_kind::map;
    std::string all;
    for (const auto& key : all_offloads) {
      const std::string name{key.name};
      const std::string mode{to_string(to.*key.mode)};
      if (is_map && from.*key.mode != to.*key.mode)
        text_.set(*map, name, mode);
      all.append(all.empty() ? "" : ", ")
        .append(name)
        .append(": ")
        .append(mode);
    }
    if (!is_map)
      text_.set(root, "offloads", '{' + all + '}');
  }

  /// `label` and `suffix` make the names of its key files.
  template <class Section>
  void
  edit_section(const yaml_node& map, const Section& from, const Section& to,
               const std::string& label, const char* suffix) {
    for_each_field<Section>([&](const auto& row, auto) {
      const auto& value = to.*row.member;
      if (from.*row.member == value)
        return;
      using value_type = value_of<decltype(row)>;
      if constexpr (is_secret_key<value_type>) {
        text_.remove(map, row.name);
        if (value.is_zero())
          text_.remove(map, row.file_name);
        else
          text_.set(map, row.file_name, file_for(value, label, suffix));
      } else if (value == Section{}.*row.member) {
        text_.remove(map, row.name);
      } else if constexpr (std::is_same_v<value_type, prefix_list>) {
        edit_list(map, row, from.*row.member, value);
      } else {
        text_.set(map, row.name, yaml_value(row, value));
      }
    });
  }

  template <class Row>
  void edit_list(const yaml_node& map, const Row& row, const prefix_list& from,
                 const prefix_list& to) {
    // The order of own addresses may mean something, that of a peer's does not.
    const bool is_ordered = row.keeps_host_bits;
    if (!is_ordered && sorted(from) == sorted(to))
      return;
    prefix_list result;
    std::set<std::size_t> removed;
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (contains(to, from[i]))
        result.push_back(from[i]);
      else
        removed.insert(i);
    }
    std::vector<yaml_item> added;
    for (const auto& prefix : to) {
      if (contains(from, prefix))
        continue;
      result.push_back(prefix);
      added.push_back({{yaml_quoted(to_string(prefix))}});
    }
    const auto* list = text_.find(map, row.name);
    const bool item_by_item = list != nullptr && has_items(*list, from.size())
                              && (!is_ordered || result == to);
    if (item_by_item && removed.size() < from.size())
      text_.change_items(map, row.name, removed, added);
    else
      text_.set(map, row.name, yaml_list(to));
  }

  /// Whether it is a list of `count` items: one may be several with commas.
  bool has_items(const yaml_node& list, std::size_t count) const {
    if (list.kind != yaml_kind::sequence)
      return false;
    for (const auto* item = text_.tree().first_child(list); item != nullptr;
         item = text_.tree().next(*item)) {
      if (item->text.find(',') != std::string::npos || count == 0)
        return false;
      --count;
    }
    return count == 0;
  }

  void edit_peers(const yaml_node& root, const std::vector<peer_config>& from,
                  const std::vector<peer_config>& to) {
    std::unordered_map<public_key, const peer_config*> wanted;
    for (const auto& peer : to)
      wanted.emplace(peer.public_key, &peer);
    const auto* list = text_.find(root, "peers");
    const auto* item
      = list == nullptr ? nullptr : text_.tree().first_child(*list);
    std::set<std::size_t> removed;
    for (std::size_t i = 0; i < from.size() && item != nullptr;
         ++i, item = text_.tree().next(*item)) {
      const auto found = wanted.find(from[i].public_key);
      if (found == wanted.end()) {
        removed.insert(i);
        continue;
      }
      const auto& peer = *found->second;
      edit_section(*item, from[i], peer, label_of(peer), ".psk");
      wanted.erase(found);
    }
    std::vector<yaml_item> added;
    for (const auto& peer : to) {
      if (wanted.contains(peer.public_key))
        added.push_back(item_of(peer));
    }
    if (!removed.empty() || !added.empty())
      text_.change_items(root, "peers", removed, added);
  }

  yaml_item item_of(const peer_config& peer) {
    yaml_item item;
    item.is_map = true;
    for_each_field<peer_config>([&](const auto& row, auto) {
      const auto& value = peer.*row.member;
      if (value == peer_config{}.*row.member)
        return;
      if constexpr (is_secret_key<value_of<decltype(row)>>)
        item.entries.push_back(std::string{row.file_name} + ": "
                               + file_for(value, label_of(peer), ".psk"));
      else
        item.entries.push_back(std::string{row.name} + ": "
                               + yaml_value(row, value));
    });
    return item;
  }

  static std::string label_of(const peer_config& peer) {
    return peer.name.empty() ? to_string(peer.public_key).substr(0, 8)
                             : peer.name;
  }

  /// Puts the key aside, and returns the quoted name of its file.
  std::string file_for(const secret<key_size>& key, const std::string& label,
                       const char* suffix) {
    std::string base;
    for (const char c : label)
      base += is_letter_or_digit(c) || c == '-' || c == '_' ? c : '-';
    const auto is_taken = [&](const std::string& name) {
      return taken_(name)
             || std::any_of(keys_.begin(), keys_.end(),
                            [&](const auto& one) { return one.name == name; });
    };
    auto name = base + suffix;
    for (int number = 2; is_taken(name); ++number)
      name = base + '-' + std::to_string(number) + suffix;
    keys_.push_back({name, key});
    return yaml_quoted(name);
  }

  yaml_text& text_;
  const name_taken& taken_;
  std::vector<new_key_file> keys_;
};

/// The files as they will be.
file_source with_changes(const std::string& path, const file_source& files,
                         const yaml_edit& edit) {
  return [&](const std::string& asked,
             file_use use) -> tl::expected<file_text, file_failure> {
    if (use == file_use::configuration) {
      auto read = files(path, use); // for what guards it
      if (read) {
        wipe_text(read->text);
        read->text = edit.text;
      }
      return read;
    }
    for (const auto& [name, key] : edit.keys) {
      if (asked == (std::filesystem::path{path}.parent_path() / name).string())
        return file_text{to_base64(key.bytes()) + '\n'};
    }
    return files(asked, use);
  };
}

using paths = std::set<std::string>;

/// Reads from `files`, and notes which key files there are.
file_source noting_keys(file_source files, paths& into) {
  return
    [files = std::move(files), &into](const std::string& asked, file_use use) {
      if (use == file_use::secret)
        into.insert(asked);
      return files(asked, use);
    };
}

std::string text_of(const config_errors& errors) {
  std::string text;
  for (const auto& error : errors)
    text += (text.empty() ? "" : "\n") + to_string(error);
  return text;
}

} // namespace

tl::expected<yaml_edit, std::string>
edit_yaml(const std::string& path, const file_source& files,
          const node_config& running, const name_taken& taken) {
  yaml_edit edit;
  // Read once, so that what is parsed is what is changed.
  auto once = files(path, file_use::configuration);
  if (!once)
    return tl::unexpected(path + ": " + once.error().message);
  auto whole = std::move(*once);
  const text_wiper end{whole.text};
  const file_source fixed = [&](const std::string& asked, file_use use) {
    return use == file_use::configuration
             ? tl::expected<file_text, file_failure>{whole}
             : files(asked, use);
  };
  file_digest before;
  paths keys_before;
  auto read = load_yaml(path, before.watching(noting_keys(fixed, keys_before)));
  if (!read)
    return tl::unexpected(text_of(read.error()));
  edit.digest = before.text();
  edit.before = std::move(*read);
  const auto wanted = wanted_of(edit.before, running);
  const auto tree = yaml_tree::parse(whole.text);
  if (!tree)
    return tl::unexpected(path + ": " + tree.error().message);
  yaml_text text{whole.text, *tree};
  editor changes{text, taken};
  changes.edit(edit.before, wanted);
  auto changed = text.result();
  if (!changed)
    return tl::unexpected(path + ": " + changed.error());
  edit.text = std::move(*changed);
  edit.keys = changes.take_keys();
  file_digest after;
  paths keys_after;
  auto again = load_yaml(path, after.watching(noting_keys(
                                 with_changes(path, fixed, edit), keys_after)));
  if (!again || normal(*again) != normal(wanted)) {
    wipe_text(edit.text);
    return tl::unexpected(path
                          + ": it is written in a way that cannot be changed "
                            "without loss; write the change into it yourself");
  }
  edit.edited = after.text();
  edit.after = std::move(*again);
  std::set_difference(keys_before.begin(), keys_before.end(),
                      keys_after.begin(), keys_after.end(),
                      std::back_inserter(edit.key_files_left));
  return edit;
}

} // namespace weft
