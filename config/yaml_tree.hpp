// A YAML document as nodes that know their place.  Made from yaml-cpp's events
// and not from its nodes: they hide duplicate keys, cost several times as
// much, and copy what aliases refer to.
#pragma once

#include <tl/expected.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// A place in a file, from 1; {0, 0}: the whole file.
struct text_place {
  int line = 0;
  int column = 0;

  auto operator<=>(const text_place&) const = default;
};

enum class yaml_kind : std::uint8_t { null, scalar, sequence, map };

struct yaml_node {
  static constexpr std::uint32_t none = UINT32_MAX;

  yaml_kind kind = yaml_kind::null;
  text_place place;
  std::uint32_t next = none;  ///< index of the next sibling
  std::uint32_t first = none; ///< index of the first child
  std::string text;           ///< of a scalar
};

/// What is wrong with a text as YAML, and where.
struct yaml_error {
  text_place place;
  std::string message;
};

/// The nodes of one document.  All texts are wiped at the end: keys may be
/// among them.
class yaml_tree {
public:
  /// Deeper nesting, more nodes than this, and aliases are refused, so that
  /// no text makes the reader use much more memory than the text itself.
  static constexpr int max_depth = 16;
  static constexpr std::size_t max_nodes = 4'000'000;

  static tl::expected<yaml_tree, yaml_error> parse(std::string_view text);

  yaml_tree() = default;
  yaml_tree(yaml_tree&&) noexcept = default;
  yaml_tree& operator=(yaml_tree&&) noexcept = default;
  ~yaml_tree();

  /// Null for an empty document.
  const yaml_node* root() const {
    return nodes_.empty() ? nullptr : &nodes_.front();
  }
  /// A map's children are key, value, key, value ...; see entries().
  const yaml_node* first_child(const yaml_node& of) const {
    return at(of.first);
  }
  const yaml_node* next(const yaml_node& after) const {
    return at(after.next);
  }

  /// What a map has; nothing if the node is none.
  struct entry {
    const yaml_node& key;
    const yaml_node& value;
  };
  std::vector<entry> entries(const yaml_node& map) const;

private:
  friend class yaml_tree_builder;

  const yaml_node* at(std::uint32_t index) const {
    return index == yaml_node::none ? nullptr : &nodes_[index];
  }

  std::vector<yaml_node> nodes_;
};

} // namespace weft
