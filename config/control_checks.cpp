#include "config/control_checks.hpp"

#include "config/strings.hpp"
#include "config/values.hpp"

#include <array>

namespace weft {

namespace {

void check_listener(const control_config& control,
                    const control_complaint& complain) {
  if (!control.listen)
    return;
  if (auto read = read_control_listen(to_string(*control.listen)); !read)
    complain("listen", std::move(read.error()));
  const std::array<std::pair<std::string_view, const std::string*>, 3> needed{
    {{"certificate", &control.certificate},
     {"key", &control.key},
     {"ca", &control.ca}}};
  for (const auto& [name, value] : needed) {
    if (value->empty())
      complain(name, "the key is missing, and 'listen' needs it; a PEM file is "
                     "expected ('weft pki' makes them)");
  }
}

} // namespace

void check_control(const node_config& config,
                   const control_complaint& complain) {
  const auto& control = config.control;
  if (auto reason = check_socket_folder(control.socket_folder))
    complain("socket_folder", std::move(*reason));
  if (!control.group.empty()) {
    if (auto read = read_group(control.group); !read)
      complain("group", std::move(read.error()));
  }
  check_listener(control, complain);
  for (const auto& [name, role] : control.roles) {
    if (role == control_role::node)
      complain("roles", strings::quote(name)
                          + " is given no role; operator or viewer is "
                            "expected");
  }
  // Both sockets are called NAME.sock.
  if (config.interface.socket_folder == control.socket_folder)
    complain("", "interface.socket_folder and control.socket_folder are one "
                 "folder, "
                   + control.socket_folder
                   + ", and the sockets in it would have one name; two folders "
                     "are expected");
}

} // namespace weft
