// The text of a YAML file, to be changed in single places: whatever else it has
// stays as it is, comments, order and the way in which values are written.
#pragma once

#include "config/yaml_tree.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// An item of a list, as it is written.
struct yaml_item {
  std::vector<std::string> entries; ///< `key: value` each, or a value alone
  bool is_map = false;

  /// In one line: `{key: value, key: value}`.
  std::string flow() const;
};

/// Collects changes of one text, which take place together in result().  They
/// must not overlap: nothing within an item that is removed, and each key once.
/// What cannot be changed without loss (a comment within a list in brackets, a
/// value over several lines) is refused, and then nothing is changed.  Comments
/// in the lines of an item that is removed go with it.
class yaml_text {
public:
  /// Both must live as long as this object; `tree` was made from `text`.
  yaml_text(std::string_view text, const yaml_tree& tree);

  const yaml_tree& tree() const {
    return tree_;
  }
  /// The value of a key; null: it has none.
  const yaml_node* find(const yaml_node& map, std::string_view key) const;

  /// `value` is in flow style.  A key that is missing comes last.
  void
  set(const yaml_node& map, std::string_view key, const std::string& value);
  void remove(const yaml_node& map, std::string_view key);
  /// Of the list at `key`, which may be missing: items by number, from 0; new
  /// ones come last.
  void change_items(const yaml_node& map, std::string_view key,
                    const std::set<std::size_t>& removed,
                    const std::vector<yaml_item>& added);

  /// The text with all changes, or why it cannot be changed.  Once.
  tl::expected<std::string, std::string> result();

private:
  using offset = std::size_t;

  struct change {
    offset begin = 0;
    offset end = 0;
    std::string text;
    std::size_t depth = 0; ///< of two at one place the deeper one comes first
  };
  struct extent {
    offset begin = 0;
    offset end = 0;
  };
  /// What becomes of the entries of a map.
  struct entry_changes {
    std::set<std::size_t> removed;
    std::vector<std::string> added; ///< in flow style
  };

  void refuse(const yaml_node& at, const std::string& why);
  void put(offset begin, offset end, std::string text, std::size_t depth = 0);
  void cut(const yaml_node& at, extent what);

  offset begin_of(const yaml_node& node) const;
  /// Behind its last character.  Of a null it is its beginning.
  offset end_of(const yaml_node& node);
  offset end_of_scalar(const yaml_node& scalar);
  /// Behind the colon of a key.
  offset behind_colon(const yaml_node& key);
  offset end_of_entry(const yaml_tree::entry& entry);
  offset end_of_last_entry(const yaml_node& map);
  bool is_flow(const yaml_node& collection) const;
  offset line_begin(offset at) const;
  /// Behind the end of its line.
  offset line_end(offset at) const;
  bool is_blank(offset begin, offset end) const;
  bool has_comment(extent within) const;
  /// Where the dash of an item is.
  offset dash_of(const yaml_node& list, const yaml_node& item);
  std::optional<yaml_tree::entry>
  entry_of(const yaml_node& map, std::string_view key) const;

  void remove_lines(const std::vector<yaml_tree::entry>& entries,
                    const std::set<std::size_t>& removed);
  void append(const yaml_node& map, const std::vector<std::string>& lines,
              const std::string& flow);
  void add_lines(offset behind, std::size_t indent,
                 const std::vector<std::string>& lines);
  void change_flow(const yaml_node& list, const std::vector<extent>& items,
                   const std::set<std::size_t>& removed,
                   const std::vector<std::string>& added);
  void change_block(const yaml_node& list, const std::set<std::size_t>& removed,
                    const std::vector<yaml_item>& added);
  std::vector<std::string> lines_of(const std::vector<yaml_item>& items) const;

  std::string_view text_;
  const yaml_tree& tree_;
  std::vector<offset> lines_; ///< where each begins
  std::string line_break_ = "\n";
  std::vector<change> changes_;
  std::map<const yaml_node*, entry_changes> maps_;
  std::string refusal_;
};

} // namespace weft
