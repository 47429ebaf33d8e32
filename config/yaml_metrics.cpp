// The section `metrics`: who may watch the node, and where.
#include "config/metrics_checks.hpp"
#include "config/yaml_reader.hpp"

#include <array>

namespace weft {

std::span<const yaml_reader::known_key<metrics_config>>
yaml_reader::metrics_keys() {
  using self = yaml_reader;
  using node = const yaml_node;
  using into = metrics_config;
  static constexpr std::array<known_key<into>, 3> keys{{
    {"listen",
     [](self& me, node& value, const path& at, into& metrics) {
       me.read_value(value, at, "ADDRESS:PORT", read_metrics_listen,
                     metrics.listen);
     }},
    {"socket",
     [](self& me, node& value, const path& at, into& metrics) {
       me.read_path(value, at, metrics.socket);
       // The same whoever reads the file again.
       if (!metrics.socket.empty())
         metrics.socket = std::filesystem::absolute(metrics.socket).string();
     }},
    {"peers",
     [](self& me, node& value, const path& at, into& metrics) {
       me.read_value(value, at, "true or false", read_switch, metrics.peers);
     }},
  }};
  return keys;
}

void yaml_reader::read_metrics(const yaml_node& section, const path& at,
                               metrics_config& into) {
  if (section.kind == yaml_kind::null)
    return;
  metrics_place_ = section.place;
  read_map(section, &at, metrics_keys(), into);
}

void yaml_reader::check_metrics_section() {
  check_metrics(config_, [this](std::string_view key, std::string message) {
    const path metrics{nullptr, "metrics", 0};
    const path here{&metrics, key, 0};
    complain(metrics_place_, &here, std::move(message));
  });
}

} // namespace weft
