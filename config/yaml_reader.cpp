#include "config/yaml_reader.hpp"

#include "config/strings.hpp"

#include <algorithm>

namespace weft {

std::string_view describe(yaml_kind kind) {
  switch (kind) {
    case yaml_kind::null:
      return "nothing";
    case yaml_kind::scalar:
      return "a single value";
    case yaml_kind::sequence:
      return "a list";
    case yaml_kind::map:
      break;
  }
  return "a map";
}

yaml_reader::yaml_reader(const yaml_tree& tree, const surroundings& around)
  : tree_(tree), around_(around), file_(around.file), rule_(around.rule),
    folder_(std::filesystem::path{file_}.parent_path()) {
}

std::string yaml_reader::to_text(const path* at) {
  if (at == nullptr)
    return {};
  auto text = to_text(at->parent);
  if (at->key.empty())
    return text + "[" + std::to_string(at->index) + "]";
  return text + (text.empty() ? "" : ".") + std::string{at->key};
}

void yaml_reader::complain(text_place place, const path* at,
                           std::string message) {
  errors_.add(
    {file_, place.line, place.column, to_text(at), std::move(message)});
}

tl::expected<node_config, config_errors> yaml_reader::read() {
  const auto* root = tree_.root();
  if (root == nullptr || root->kind == yaml_kind::null)
    complain({1, 1}, nullptr,
             "the file is empty; a section 'interface' is expected");
  else
    read_map(*root, nullptr, document_keys(), config_);
  if (root != nullptr && root->kind == yaml_kind::map && !has_interface_) {
    const path at{nullptr, "interface", 0};
    complain({1, 1}, &at,
             "the section is missing; it holds at least private_key_file or "
             "private_key");
  }
  check_all_peers();
  check_name();
  check_control_section();
  check_metrics_section();
  check_network_sections();
  check_exposure();
  if (errors_.empty())
    return std::move(config_);
  return tl::unexpected{errors_.take()};
}

const std::string* yaml_reader::scalar(const yaml_node& value, const path& at,
                                       std::string_view what) {
  if (value.kind == yaml_kind::scalar)
    return &value.text;
  complain(value, at,
           "there is " + std::string{describe(value.kind)} + "; "
             + std::string{what} + " is expected");
  return nullptr;
}

std::vector<text_place>
yaml_reader::read_prefixes(const yaml_node& list, const path& at,
                           bool keep_host_bits, std::vector<ip_prefix>& into) {
  std::vector<text_place> places;
  std::set<ip_prefix> seen;
  read_list(list, at,
            [&](std::string_view text, text_place place, const path& here) {
              const auto prefix = read_prefix(text);
              if (!prefix)
                return complain(place, &here, prefix.error());
              const auto kept = keep_host_bits ? *prefix : prefix->network();
              if (seen.insert(kept).second) {
                into.push_back(kept);
                places.push_back(place);
              }
            });
  return places;
}

} // namespace weft
