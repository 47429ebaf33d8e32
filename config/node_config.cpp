#include "config/node_config.hpp"

#include "config/strings.hpp"
#include "protocol/base/text.hpp"

#include <algorithm>

namespace weft {

std::string to_string(const endpoint_config& where) {
  if (const auto* numeric = std::get_if<endpoint>(&where))
    return to_string(*numeric);
  const auto& named = std::get<host_endpoint>(where);
  const bool has_colon = named.host.find(':') != std::string::npos;
  const auto host = has_colon ? "[" + named.host + "]" : named.host;
  return host + ":" + std::to_string(named.port);
}

std::optional<endpoint>
numeric_of(const std::optional<endpoint_config>& where) {
  const auto* numeric = where ? std::get_if<endpoint>(&*where) : nullptr;
  return numeric == nullptr ? std::nullopt : std::optional{*numeric};
}

std::string host_text(const std::optional<endpoint_config>& where) {
  const auto* named = where ? std::get_if<host_endpoint>(&*where) : nullptr;
  if (named == nullptr)
    return {};
  return named->host + ':' + std::to_string(named->port);
}

std::string_view to_string(log_level level) {
  switch (level) {
    case log_level::trace:
      return "trace";
    case log_level::debug:
      return "debug";
    case log_level::info:
      return "info";
    case log_level::warn:
      return "warn";
    case log_level::error:
      return "error";
    case log_level::off:
      break;
  }
  return "off";
}

std::string_view to_string(log_format format) {
  return format == log_format::json ? "json" : "text";
}

std::string_view to_string(reload_mode mode) {
  return mode == reload_mode::watch ? "watch" : "manual";
}

std::string_view to_string(route_mode mode) {
  return mode == route_mode::automatic ? "auto" : "manual";
}

std::string_view to_string(df_mode mode) {
  return mode == df_mode::automatic ? "auto" : "off";
}

std::string_view to_string(offload_mode mode) {
  switch (mode) {
    case offload_mode::automatic:
      return "auto";
    case offload_mode::off:
      return "off";
    case offload_mode::on:
      break;
  }
  return "on";
}

std::optional<std::string> check_interface_name(std::string_view name) {
  if (name.size() > longest_interface_name)
    return "Interface name " + strings::quote(name)
           + " exceeds 15 character limit";
  if (!is_interface_name(name))
    return "Interface name " + strings::quote(name)
           + " is not possible; 1-15 characters without spaces, '/', ':' and "
             "'%' are expected, such as weft0";
  return std::nullopt;
}

} // namespace weft
