#include "config/yaml_tree.hpp"

#include "protocol/base/text.hpp"
#include "protocol/base/wipe.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <streambuf>

namespace weft {

namespace {

/// Reads a text where it lies.
class view_buffer : public std::streambuf {
public:
  explicit view_buffer(std::string_view text) {
    // A get area is never written to, though its pointers are not const.
    auto* begin = const_cast<char*>(text.data()); // NOLINT
    setg(begin, begin, begin + text.size());
  }
};

text_place place_of(const YAML::Mark& mark) {
  return {mark.line + 1, mark.column + 1};
}

/// The place of the byte at `offset`.
text_place place_of(std::string_view text, std::size_t offset) {
  text_place place{1, 1};
  for (char c : text.substr(0, offset)) {
    place.column = c == '\n' ? 1 : place.column + 1;
    place.line += c == '\n' ? 1 : 0;
  }
  return place;
}

/// C0 and DEL; what else people have in their comments is theirs.
std::size_t find_ascii_control(std::string_view text) {
  const auto found
    = std::find_if(text.begin(), text.end(), [](unsigned char c) {
        return c == 0x7f || (c < ' ' && c != '\t' && c != '\n' && c != '\r');
      });
  return found == text.end() ? text.npos
                             : static_cast<std::size_t>(found - text.begin());
}

/// Whether these bytes can be YAML at all.
tl::expected<void, yaml_error> check_bytes(std::string_view text) {
  if (const auto at = find_invalid_utf8(text); at != text.npos)
    return tl::unexpected(yaml_error{place_of(text, at),
                                     "the file is no UTF-8 text; a YAML file "
                                     "is expected"});
  if (const auto at = find_ascii_control(text); at != text.npos)
    return tl::unexpected(yaml_error{place_of(text, at),
                                     "there is a control character; a YAML "
                                     "text file is expected"});
  return {};
}

} // namespace

class yaml_tree_builder : public YAML::EventHandler {
public:
  yaml_tree take() {
    return std::move(tree_);
  }

  void OnDocumentStart(const YAML::Mark&) override {
  }
  void OnDocumentEnd() override {
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    // yaml-cpp notices that nothing comes where the next thing begins: the key
    // is the better place.
    auto place = place_of(mark);
    if (!open_.empty() && open_.back().last_child != yaml_node::none)
      place = tree_.nodes_[open_.back().last_child].place;
    add(yaml_kind::null, mark).place = place;
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw YAML::ParserException(
      mark, "aliases (*name) are not supported; write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string& text) override {
    add(yaml_kind::scalar, mark).text = text;
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&,
                       YAML::anchor_t, YAML::EmitterStyle::value) override {
    open(yaml_kind::sequence, mark);
  }
  void OnSequenceEnd() override {
    open_.pop_back();
  }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open(yaml_kind::map, mark);
  }
  void OnMapEnd() override {
    open_.pop_back();
  }

private:
  struct open_node {
    std::uint32_t index = 0;
    std::uint32_t last_child = yaml_node::none;
  };

  yaml_node& add(yaml_kind kind, const YAML::Mark& mark) {
    auto& nodes = tree_.nodes_;
    if (nodes.size() >= yaml_tree::max_nodes)
      throw YAML::ParserException(mark, "the file has more than 4,000,000 "
                                        "values; split the network");
    const auto index = static_cast<std::uint32_t>(nodes.size());
    if (!open_.empty()) {
      auto& parent = open_.back();
      auto& link = parent.last_child == yaml_node::none
                     ? nodes[parent.index].first
                     : nodes[parent.last_child].next;
      link = index;
      parent.last_child = index;
    }
    auto& node = nodes.emplace_back();
    node.kind = kind;
    node.place = place_of(mark);
    return node;
  }

  void open(yaml_kind kind, const YAML::Mark& mark) {
    if (open_.size() >= yaml_tree::max_depth)
      throw YAML::ParserException(mark, "lists and maps are nested more than "
                                        "16 deep; weft's files need 4");
    const auto index = static_cast<std::uint32_t>(tree_.nodes_.size());
    add(kind, mark);
    open_.push_back({index, yaml_node::none});
  }

  yaml_tree tree_;
  std::vector<open_node> open_;
};

tl::expected<yaml_tree, yaml_error> yaml_tree::parse(std::string_view text) {
  if (auto bytes = check_bytes(text); !bytes)
    return tl::unexpected(bytes.error());
  view_buffer buffer{text};
  std::istream in{&buffer};
  yaml_tree_builder builder;
  try {
    YAML::Parser parser{in};
    parser.HandleNextDocument(builder);
    auto tree = builder.take();
    yaml_tree_builder second;
    if (parser.HandleNextDocument(second))
      return tl::unexpected(
        yaml_error{second.take().nodes_.at(0).place,
                   "a second document begins; one file holds one "
                   "configuration"});
    return tree;
  } catch (const YAML::Exception& error) {
    return tl::unexpected(
      yaml_error{place_of(error.mark), "this is no valid YAML: " + error.msg});
  } catch (const std::exception&) {
    return tl::unexpected(yaml_error{{}, "this is no valid YAML"});
  }
}

yaml_tree::~yaml_tree() {
  for (auto& node : nodes_)
    wipe_text(node.text);
}

std::vector<yaml_tree::entry> yaml_tree::entries(const yaml_node& map) const {
  std::vector<entry> found;
  if (map.kind != yaml_kind::map)
    return found;
  for (const auto* key = first_child(map); key != nullptr;) {
    const auto* value = next(*key);
    if (value == nullptr)
      break;
    found.push_back({*key, *value});
    key = next(*value);
  }
  return found;
}

} // namespace weft
