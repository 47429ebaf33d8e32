#include "config/yaml_text.hpp"

#include "protocol/base/wipe.hpp"

#include <algorithm>

namespace weft {

namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& part : parts)
    out += (out.empty() ? "" : ", ") + part;
  return out;
}

} // namespace

std::string yaml_item::flow() const {
  return is_map ? '{' + joined(entries) + '}' : joined(entries);
}

yaml_text::yaml_text(std::string_view text, const yaml_tree& tree)
  : text_(text), tree_(tree) {
  lines_.push_back(text.starts_with(byte_order_mark) ? byte_order_mark.size()
                                                     : 0);
  for (offset at = 0; at < text.size(); ++at) {
    if (text[at] == '\n')
      lines_.push_back(at + 1);
  }
  const auto first = text.find('\n');
  if (first != text.npos && first > 0 && text[first - 1] == '\r')
    line_break_ = "\r\n";
}

// -- changes -----------------------------------------------------------------

void yaml_text::set(const yaml_node& map, std::string_view key,
                    const std::string& value) {
  const auto entry = entry_of(map, key);
  if (!entry) {
    const auto line = std::string{key} + ": " + value;
    return append(map, {line}, line);
  }
  const auto& old = entry->value;
  if (old.kind == yaml_kind::null) {
    const auto at = behind_colon(entry->key);
    return put(at, at, ' ' + value);
  }
  const bool in_block
    = (old.kind == yaml_kind::sequence || old.kind == yaml_kind::map)
      && !is_flow(old);
  const auto begin = in_block ? behind_colon(entry->key) : begin_of(old);
  const auto end = end_of(old);
  if (old.kind != yaml_kind::scalar && has_comment({begin, end}))
    return refuse(old, "there are comments within the list that changes");
  put(begin, end, (in_block ? " " : "") + value);
}

void yaml_text::remove(const yaml_node& map, std::string_view key) {
  const auto entries = tree_.entries(map);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].key.text == key)
      maps_[&map].removed.insert(i);
  }
}

/// Entries of a map in block style.
void yaml_text::remove_lines(const std::vector<yaml_tree::entry>& entries,
                             const std::set<std::size_t>& removed) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!removed.contains(i))
      continue;
    const auto begin = begin_of(entries[i].key);
    const auto end = end_of_entry(entries[i]);
    if (is_blank(line_begin(begin), begin)) {
      put(line_begin(begin), line_end(end), {});
      continue;
    }
    // Behind the dash of its item comes what stays, or else a comment.
    auto next = i + 1;
    while (removed.contains(next))
      ++next;
    if (next < entries.size()
        && !has_comment({end, begin_of(entries[next].key)})) {
      put(begin, begin_of(entries[next].key), {});
      i = next;
    } else {
      put(begin, end, {});
    }
  }
}

void yaml_text::change_items(const yaml_node& map, std::string_view key,
                             const std::set<std::size_t>& removed,
                             const std::vector<yaml_item>& added) {
  std::vector<std::string> in_flow;
  in_flow.reserve(added.size());
  for (const auto& item : added)
    in_flow.push_back(item.flow());
  const auto entry = entry_of(map, key);
  if (!entry) {
    auto lines = lines_of(added);
    for (auto& line : lines)
      line.insert(0, "  ");
    const auto name = std::string{key} + ':';
    lines.insert(lines.begin(), name);
    return append(map, lines, name + " [" + joined(in_flow) + ']');
  }
  const auto& list = entry->value;
  const bool is_empty = tree_.first_child(list) == nullptr;
  if (list.kind == yaml_kind::sequence && !is_empty) {
    if (!is_flow(list))
      return change_block(list, removed, added);
    std::vector<extent> all;
    for (const auto* item = tree_.first_child(list); item != nullptr;
         item = tree_.next(*item))
      all.push_back({begin_of(*item), end_of(*item)});
    return change_flow(list, all, removed, in_flow);
  }
  if (is_flow(map)) // null, or []
    return set(map, key, '[' + joined(in_flow) + ']');
  const auto colon = behind_colon(entry->key);
  const auto end = list.kind == yaml_kind::null ? colon : end_of(list);
  put(colon, end, {});
  const auto indent = begin_of(entry->key) - line_begin(begin_of(entry->key));
  add_lines(end, indent + 2, lines_of(added));
}

void yaml_text::change_flow(const yaml_node& list,
                            const std::vector<extent>& items,
                            const std::set<std::size_t>& removed,
                            const std::vector<std::string>& added) {
  const auto count = items.size();
  // What is added goes behind the last one that stays.
  auto kept = count;
  while (kept > 0 && removed.contains(kept - 1))
    --kept;
  const auto news = joined(added);
  if (kept == 0) {
    cut(list, {items.front().begin, items.back().end});
    return put(items.back().end, items.back().end, news);
  }
  for (std::size_t i = 0; i < kept; ++i) {
    if (removed.contains(i))
      cut(list, {items[i].begin, items[i + 1].begin});
  }
  const auto last = items.back().end;
  if (kept < count)
    cut(list, {items[kept - 1].end, last});
  if (!news.empty())
    put(last, last, ", " + news);
}

void yaml_text::change_block(const yaml_node& list,
                             const std::set<std::size_t>& removed,
                             const std::vector<yaml_item>& added) {
  std::size_t number = 0;
  const yaml_node* last = nullptr;
  for (const auto* item = tree_.first_child(list); item != nullptr;
       item = tree_.next(*item)) {
    last = item;
    if (removed.contains(number++))
      put(line_begin(dash_of(list, *item)), line_end(end_of(*item)), {});
  }
  if (added.empty() || last == nullptr)
    return;
  const auto dash = dash_of(list, *last);
  add_lines(end_of(*last), dash - line_begin(dash), lines_of(added));
}

/// New entries at the end of a map.
void yaml_text::append(const yaml_node& map,
                       const std::vector<std::string>& lines,
                       const std::string& flow) {
  if (tree_.first_child(map) == nullptr) // `{}`
    return put(begin_of(map) + 1, begin_of(map) + 1, flow);
  const auto end = end_of_last_entry(map);
  if (is_flow(map)) {
    maps_[&map].added.push_back(flow);
    return;
  }
  const auto key = begin_of(*tree_.first_child(map));
  add_lines(end, key - line_begin(key), lines);
}

/// Behind the line that `behind` is in.
void yaml_text::add_lines(offset behind, std::size_t indent,
                          const std::vector<std::string>& lines) {
  const auto at = line_end(behind);
  const bool at_end_of_text = at == text_.size() && !text_.ends_with('\n');
  std::string added;
  for (const auto& line : lines) {
    if (at_end_of_text)
      added += line_break_ + std::string(indent, ' ') + line;
    else
      added += std::string(indent, ' ') + line + line_break_;
  }
  put(at, at, std::move(added), indent + 1);
}

std::vector<std::string>
yaml_text::lines_of(const std::vector<yaml_item>& items) const {
  std::vector<std::string> lines;
  for (const auto& item : items) {
    const auto* mark = "- ";
    for (const auto& entry : item.entries)
      lines.push_back(std::exchange(mark, "  ") + entry);
  }
  return lines;
}

// -- places ------------------------------------------------------------------

yaml_text::offset yaml_text::begin_of(const yaml_node& node) const {
  const auto line = static_cast<std::size_t>(std::max(node.place.line, 1)) - 1;
  const auto column
    = static_cast<std::size_t>(std::max(node.place.column, 1)) - 1;
  return std::min(lines_[std::min(line, lines_.size() - 1)] + column,
                  text_.size());
}

yaml_text::offset yaml_text::line_begin(offset at) const {
  return *std::prev(std::upper_bound(lines_.begin(), lines_.end(), at));
}

yaml_text::offset yaml_text::line_end(offset at) const {
  const auto next = std::upper_bound(lines_.begin(), lines_.end(), at);
  return next == lines_.end() ? text_.size() : *next;
}

bool yaml_text::is_blank(offset begin, offset end) const {
  return text_.substr(begin, end - begin).find_first_not_of(" \t\r\n")
         == text_.npos;
}

bool yaml_text::has_comment(extent within) const {
  for (auto at = within.begin; at < within.end; ++at) {
    if (text_[at] == '#' && (at == 0 || is_blank(at - 1, at)))
      return true;
  }
  return false;
}

bool yaml_text::is_flow(const yaml_node& collection) const {
  const auto at = begin_of(collection);
  const char first = at < text_.size() ? text_[at] : '\0';
  return collection.kind == yaml_kind::map        ? first == '{'
         : collection.kind == yaml_kind::sequence ? first == '['
                                                  : false;
}

yaml_text::offset yaml_text::end_of(const yaml_node& node) {
  if (node.kind == yaml_kind::null)
    return begin_of(node);
  if (node.kind == yaml_kind::scalar)
    return end_of_scalar(node);
  auto end = begin_of(node) + 1;
  if (node.kind == yaml_kind::map && tree_.first_child(node) != nullptr)
    end = end_of_last_entry(node);
  for (const auto* item
       = node.kind == yaml_kind::map ? nullptr : tree_.first_child(node);
       item != nullptr; item = tree_.next(*item)) {
    if (tree_.next(*item) == nullptr)
      end = end_of(*item);
  }
  if (!is_flow(node))
    return end;
  // Behind the last item there are blanks, comments, a comma at most.
  const char close = node.kind == yaml_kind::map ? '}' : ']';
  for (; end < text_.size() && text_[end] != close; ++end) {
    if (text_[end] == '#')
      end = line_end(end) - 1;
  }
  return std::min(end + 1, text_.size());
}

yaml_text::offset yaml_text::end_of_scalar(const yaml_node& scalar) {
  const auto begin = begin_of(scalar);
  const char first = begin < text_.size() ? text_[begin] : '\0';
  if (first == '"' || first == '\'') {
    auto at = begin + 1;
    for (; at < text_.size() && text_[at] != first; ++at) {
      if (first == '"' && text_[at] == '\\')
        ++at;
    }
    if (first == '\'' && text_.substr(at, 2) == "''")
      refuse(scalar, "there are quotation marks within the text");
    return std::min(at + 1, text_.size());
  }
  const auto end = begin + scalar.text.size();
  // Anchors, tags, blocks and texts over several lines are not what they say.
  if (scalar.text.empty() || first == '&' || first == '!' || first == '|'
      || first == '>' || text_.substr(begin, scalar.text.size()) != scalar.text)
    refuse(scalar, "there is a value with an anchor or a tag, or over several "
                   "lines");
  return std::min(end, text_.size());
}

yaml_text::offset yaml_text::behind_colon(const yaml_node& key) {
  auto at = end_of_scalar(key);
  while (at < text_.size() && (text_[at] == ' ' || text_[at] == '\t'))
    ++at;
  if (at >= text_.size() || text_[at] != ':') {
    refuse(key, "no colon follows the key");
    return at;
  }
  return at + 1;
}

yaml_text::offset yaml_text::end_of_entry(const yaml_tree::entry& entry) {
  return entry.value.kind == yaml_kind::null ? behind_colon(entry.key)
                                             : end_of(entry.value);
}

yaml_text::offset yaml_text::end_of_last_entry(const yaml_node& map) {
  return end_of_entry(tree_.entries(map).back());
}

yaml_text::offset
yaml_text::dash_of(const yaml_node& list, const yaml_node& item) {
  const auto column = begin_of(list) - line_begin(begin_of(list));
  for (auto at = begin_of(item);;) {
    const auto line = line_begin(at);
    const auto dash = line + column;
    if (dash < text_.size() && dash <= at && text_[dash] == '-'
        && is_blank(line, dash))
      return dash;
    if (line == lines_.front())
      break;
    at = line - 1;
  }
  refuse(item, "the dash before the item is not found");
  return begin_of(item);
}

std::optional<yaml_tree::entry>
yaml_text::entry_of(const yaml_node& map, std::string_view key) const {
  for (const auto& entry : tree_.entries(map)) {
    if (entry.key.text == key)
      return entry;
  }
  return std::nullopt;
}

const yaml_node*
yaml_text::find(const yaml_node& map, std::string_view key) const {
  const auto entry = entry_of(map, key);
  return entry ? &entry->value : nullptr;
}

// -- the result --------------------------------------------------------------

void yaml_text::refuse(const yaml_node& at, const std::string& why) {
  if (refusal_.empty())
    refusal_ = "line " + std::to_string(at.place.line) + ": " + why;
}

void yaml_text::put(offset begin, offset end, std::string text,
                    std::size_t depth) {
  if (begin > end)
    refusal_ = "the file is written in a way that cannot be changed";
  else
    changes_.push_back({begin, end, std::move(text), depth});
}

/// Within a line, where it is unclear what a comment is about.
void yaml_text::cut(const yaml_node& at, extent what) {
  if (has_comment(what))
    return refuse(at, "there is a comment within what would be removed");
  put(what.begin, what.end, {});
}

tl::expected<std::string, std::string> yaml_text::result() {
  for (const auto& [map, changed] : std::exchange(maps_, {})) {
    const auto entries = tree_.entries(*map);
    if (!is_flow(*map)) {
      remove_lines(entries, changed.removed);
      continue;
    }
    std::vector<extent> all;
    all.reserve(entries.size());
    for (const auto& entry : entries)
      all.push_back({begin_of(entry.key), end_of_entry(entry)});
    change_flow(*map, all, changed.removed, changed.added);
  }
  if (!refusal_.empty())
    return tl::unexpected(refusal_);
  std::stable_sort(
    changes_.begin(), changes_.end(), [](const change& a, const change& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.depth > b.depth;
    });
  std::string out;
  auto room = text_.size();
  for (const auto& one : changes_)
    room += one.text.size();
  out.reserve(room); // growing would leave copies of keys behind
  offset done = 0;
  for (const auto& one : changes_) {
    if (one.begin < done && !one.text.empty()) {
      wipe_text(out); // there may be keys in it
      return tl::unexpected(
        std::string{"two changes meet at one place of the file"});
    }
    if (one.begin > done)
      out += text_.substr(done, one.begin - done);
    out += one.text;
    done = std::max(done, one.end);
  }
  out += text_.substr(done);
  return out;
}

} // namespace weft
