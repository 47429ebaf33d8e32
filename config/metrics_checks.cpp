#include "config/metrics_checks.hpp"

#include "config/strings.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <array>

namespace weft {

namespace {

bool is_loopback(const ip_address& address) {
  constexpr std::array<std::string_view, 2> networks{"127.0.0.0/8", "::1/128"};
  return std::any_of(
    networks.begin(), networks.end(), [&](std::string_view network) {
      return parse_ip_prefix(network)->contains(address.unmapped());
    });
}

} // namespace

void check_metrics(const node_config& config,
                   const metrics_complaint& complain) {
  const auto& metrics = config.metrics;
  if (metrics.listen) {
    if (auto read = read_metrics_listen(to_string(*metrics.listen)); !read)
      complain("listen", std::move(read.error()));
  }
  if (metrics.socket.empty())
    return;
  if (auto reason = check_socket_path(metrics.socket))
    complain("socket", std::move(*reason));
  const auto name = '/' + config.interface.name + ".sock";
  for (const auto& folder :
       {config.control.socket_folder, config.interface.socket_folder}) {
    if (metrics.socket == folder + name)
      complain("socket", strings::quote(metrics.socket)
                           + " is another socket of this node; another file "
                             "is expected, such as "
                           + config.control.socket_folder + '/'
                           + config.interface.name + ".metrics");
  }
}

std::optional<std::string> metrics_warning(const metrics_config& metrics) {
  if (!metrics.listen || is_loopback(metrics.listen->address))
    return std::nullopt;
  return "whoever reaches " + to_string(*metrics.listen)
         + " can read the names, keys and networks of all peers: there is no "
           "password and no encryption; let the firewall admit the scraper "
           "alone, or listen at 127.0.0.1";
}

} // namespace weft
