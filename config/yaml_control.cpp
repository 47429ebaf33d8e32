// The section `control`: who may steer the node, and how.
#include "config/strings.hpp"
#include "config/yaml_reader.hpp"
#include "protocol/base/text.hpp"

#include <array>

namespace weft {

std::span<const yaml_reader::known_key<control_config>>
yaml_reader::control_keys() {
  using self = yaml_reader;
  using node = const yaml_node;
  using into = control_config;
  static constexpr std::array<known_key<into>, 8> keys{{
    {"socket_folder",
     [](self& me, node& value, const path& at, into& control) {
       me.read_socket_folder(value, at, control.socket_folder);
     }},
    {"group",
     [](self& me, node& value, const path& at, into& control) {
       me.read_value(value, at, "the name of a group", read_group,
                     control.group);
     }},
    {"listen",
     [](self& me, node& value, const path& at, into& control) {
       me.read_value(value, at, "ADDRESS:PORT", read_control_listen,
                     control.listen);
     }},
    {"certificate",
     [](self& me, node& value, const path& at, into& control) {
       me.read_path(value, at, control.certificate);
     }},
    {"key", [](self& me, node& value, const path& at,
               into& control) { me.read_path(value, at, control.key); }},
    {"ca", [](self& me, node& value, const path& at,
              into& control) { me.read_path(value, at, control.ca); }},
    {"revocations",
     [](self& me, node& value, const path& at, into& control) {
       me.read_path(value, at, control.revocations);
     }},
    {"roles", [](self& me, node& value, const path& at,
                 into& control) { me.read_roles(value, at, control); }},
  }};
  return keys;
}

void yaml_reader::read_control(const yaml_node& section, const path& at,
                               control_config& into) {
  if (section.kind == yaml_kind::null)
    return;
  control_place_ = section.place;
  read_map(section, &at, control_keys(), into);
}

void yaml_reader::read_path(const yaml_node& value, const path& at,
                            std::string& into) {
  const auto* name = scalar(value, at, "the name of a file");
  if (name == nullptr)
    return;
  constexpr std::size_t longest = 4095;
  if (name->empty() || name->size() > longest || has_control_characters(*name))
    return complain(value, at, "the name of a file is expected");
  into = (folder_ / *name).lexically_normal().string();
}

void yaml_reader::read_roles(const yaml_node& section, const path& at,
                             control_config& into) {
  if (section.kind == yaml_kind::null)
    return;
  if (section.kind != yaml_kind::map)
    return complain(section, at,
                    "there is " + std::string{describe(section.kind)}
                      + "; a map of 'NAME: operator' or 'NAME: viewer' lines "
                        "is expected");
  for (const auto& [key, value] : tree_.entries(section)) {
    const path here{&at, key.text, 0};
    const auto* text = scalar(value, here, "operator or viewer");
    const auto role
      = text != nullptr ? parse_control_role(*text) : std::nullopt;
    if (text != nullptr && (!role || *role == control_role::node))
      complain(value, here,
               strings::quote(*text)
                 + " is no role; operator or viewer is expected");
    else if (role && !into.roles.emplace(key.text, *role).second)
      complain(key.place, &here,
               "the name appears twice; remove one of the two");
  }
}

} // namespace weft
