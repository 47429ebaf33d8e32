#include "config/values.hpp"

#include "config/spans.hpp"
#include "config/strings.hpp"
#include "protocol/base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace weft {

namespace {

using strings::quote;
using tl::unexpected;

/// `fe80::1%eth0`: only the system can tell the interface's number, so it is
/// resolved like a name.
bool is_zoned_address(std::string_view host) {
  const auto percent = host.find('%');
  if (percent == std::string_view::npos)
    return false;
  const auto address = parse_ip_address(host.substr(0, percent));
  const auto zone = host.substr(percent + 1);
  return address && !address->is_v4() && !check_interface_name(zone);
}

unexpected<std::string> no_port(std::string_view text) {
  return unexpected{quote(text)
                    + " has no port; ADDRESS:PORT, [IPV6-ADDRESS]:PORT or "
                      "HOST:PORT is expected, such as 192.0.2.1:51820"};
}

value_or_message<endpoint_config>
join(std::string_view whole, std::string_view host, std::string_view port,
     bool is_host) {
  if (port.empty())
    return no_port(whole);
  const auto number = read_port(port);
  if (!number)
    return unexpected{number.error()};
  if (!is_host)
    return unexpected{quote(host)
                      + " is neither an IP address nor a host name"};
  return host_endpoint{std::string{host}, *number};
}

value_or_message<endpoint_config> read_any_endpoint(std::string_view text) {
  if (auto numeric = parse_endpoint(text))
    return *numeric;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos)
      return unexpected{quote(text)
                        + " lacks the closing bracket; "
                          "[IPV6-ADDRESS]:PORT is expected"};
    const auto host = text.substr(1, close - 1);
    const auto rest = text.substr(close + 1);
    if (!rest.starts_with(':'))
      return no_port(text);
    return join(text, host, rest.substr(1), is_zoned_address(host));
  }
  if (parse_ip_address(text) && text.find(':') != std::string_view::npos)
    return unexpected{quote(text)
                      + " has no port, or no brackets; an IPv6 endpoint is "
                        "written [ADDRESS]:PORT"};
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return no_port(text);
  const auto host = text.substr(0, colon);
  if (host.find(':') != std::string_view::npos)
    return unexpected{quote(text)
                      + " has several colons; an IPv6 endpoint is "
                        "written [ADDRESS]:PORT"};
  return join(text, host, text.substr(colon + 1), is_resolvable_name(host));
}

} // namespace

value_or_message<secret<key_size>> read_key(std::string_view text) {
  if (text.size() != base64_key_length)
    return unexpected{"the key is " + std::to_string(text.size())
                      + " characters long; 44 characters of base64 are "
                        "expected"};
  auto key = from_base64(text);
  if (!key)
    return unexpected<std::string>{
      "the key is no base64 of 32 bytes; 44 characters of base64 are expected, "
      "the last of them ="};
  return *key;
}

value_or_message<private_key> read_private_key(std::string_view text) {
  const auto bytes = read_key(text);
  if (!bytes)
    return unexpected{bytes.error()};
  private_key key{*bytes};
  if (key.is_zero())
    return unexpected<std::string>{
      "the key is zero; a new one is made with 'weft genkey'"};
  clamp(key);
  return key;
}

value_or_message<preshared_key> read_preshared_key(std::string_view text) {
  return read_key(text).map(
    [](const secret<key_size>& bytes) { return preshared_key{bytes}; });
}

value_or_message<public_key> read_public_key(std::string_view text) {
  const auto key = read_key(text);
  if (!key)
    return unexpected{key.error()};
  if (key->is_zero())
    return unexpected<std::string>{
      "the key is zero; the public key of the peer is expected"};
  return to_public_key(*key);
}

value_or_message<ip_prefix> read_prefix(std::string_view text) {
  if (auto prefix = parse_ip_prefix(text))
    return *prefix;
  return unexpected{quote(text)
                    + " is no IP prefix; ADDRESS/LENGTH is "
                      "expected, such as 10.200.1.0/24 or "
                      "fd00:200::/64"};
}

value_or_message<endpoint_config> read_endpoint(std::string_view text) {
  auto read = read_any_endpoint(text);
  if (!read)
    return read;
  const auto port = std::visit([](const auto& at) { return at.port; }, *read);
  if (port == 0)
    return unexpected<std::string>{
      "port 0 cannot be sent to; 1-65535 is expected"};
  return read;
}

value_or_message<endpoint> read_listen(std::string_view text) {
  const auto digits = text.starts_with(':') ? text.substr(1) : text;
  if (!digits.empty()
      && digits.find_first_not_of("0123456789") == digits.npos) {
    const auto port = read_port(digits);
    if (!port)
      return unexpected{port.error()};
    return endpoint{{ip_family::v6, {}}, *port, 0};
  }
  const auto read = read_any_endpoint(text);
  if (!read)
    return unexpected{read.error()};
  if (const auto* numeric = std::get_if<endpoint>(&*read))
    return *numeric;
  return unexpected{quote(text)
                    + " is no address to listen on; an own IP "
                      "address and a port are expected, such as "
                      "0.0.0.0:51820 or [::]:51820"};
}

value_or_message<std::uint16_t> read_port(std::string_view text) {
  if (const auto number = strings::parse_decimal(text, 65535))
    return static_cast<std::uint16_t>(*number);
  return unexpected{"port " + quote(text)
                    + " is out of range; 0-65535 is expected"};
}

value_or_message<std::chrono::seconds> read_keepalive(std::string_view text) {
  if (strings::equal_ignoring_case(text, "off"))
    return std::chrono::seconds{0};
  constexpr std::uint64_t longest = 65535;
  if (const auto number = strings::parse_decimal(text, longest))
    return std::chrono::seconds{*number};
  if (const auto span = parse_span(text, std::chrono::seconds{longest}))
    return *span;
  return unexpected{quote(text)
                    + " is no interval; seconds (25 or 25s), "
                      "minutes (2m) or off is expected, at most "
                      "65535s"};
}

value_or_message<std::uint32_t> read_mtu(std::string_view text) {
  if (text == "auto")
    return automatic_mtu;
  const auto number = strings::parse_decimal(text, 65535);
  if (number && *number >= 576)
    return static_cast<std::uint32_t>(*number);
  return unexpected{quote(text) + " is no MTU; 576-65535 or auto is expected"};
}

value_or_message<std::uint32_t> read_cores(std::string_view text) {
  if (text == "auto")
    return automatic_cores;
  const auto number = strings::parse_decimal(text, most_cores);
  if (number && *number > 0)
    return static_cast<std::uint32_t>(*number);
  return unexpected{quote(text)
                    + " is no number of cores; 1-16 or auto is expected"};
}

value_or_message<std::uint32_t> read_fwmark(std::string_view text) {
  if (strings::equal_ignoring_case(text, "off"))
    return 0;
  const bool is_hex = text.starts_with("0x") || text.starts_with("0X");
  const auto digits = is_hex ? text.substr(2) : text;
  std::uint32_t mark = 0;
  const auto* end = digits.data() + digits.size();
  const auto parsed
    = std::from_chars(digits.data(), end, mark, is_hex ? 16 : 10);
  if (!digits.empty() && parsed.ec == std::errc{} && parsed.ptr == end)
    return mark;
  return unexpected{quote(text)
                    + " is no firewall mark; 0x0-0xffffffff, a "
                      "decimal number or off is expected"};
}

value_or_message<std::string> read_peer_name(std::string_view text) {
  constexpr std::size_t longest = 64;
  if (text.empty() || text.size() > longest || text != strings::trim(text)
      || has_control_characters(text)
      || find_invalid_utf8(text) != std::string_view::npos)
    return unexpected<std::string>{
      "the name is empty, too long, or has control characters or spaces around "
      "it; 1-64 bytes of text are expected"};
  if (from_base64(text))
    return unexpected<std::string>{
      "the name looks like a key; a word for people is expected"};
  return std::string{text};
}

value_or_message<log_level> read_log_level(std::string_view text) {
  constexpr std::array levels{log_level::trace, log_level::debug,
                              log_level::info,  log_level::warn,
                              log_level::error, log_level::off};
  for (auto level : levels)
    if (text == to_string(level))
      return level;
  if (text == "warning")
    return log_level::warn;
  return unexpected{quote(text)
                    + " is no log level; trace, debug, info, warn, "
                      "error or off is expected"};
}

value_or_message<log_format> read_log_format(std::string_view text) {
  if (text == "text")
    return log_format::text;
  if (text == "json")
    return log_format::json;
  return unexpected{quote(text)
                    + " is no log format; text or json is "
                      "expected"};
}

value_or_message<reload_mode> read_reload_mode(std::string_view text) {
  if (text == "manual")
    return reload_mode::manual;
  if (text == "watch")
    return reload_mode::watch;
  return unexpected{quote(text)
                    + " is no way to reload; manual (SIGHUP or weft reload) or "
                      "watch is expected"};
}

value_or_message<std::string> read_group(std::string_view text) {
  if (strings::is_short_word(text))
    return std::string{text};
  return unexpected{quote(text)
                    + " is no name of a group; 1-32 letters, digits, '_', '-' "
                      "and '.' are expected"};
}

namespace {

/// One that clients know.
value_or_message<endpoint>
read_known_port(std::string_view text, std::string_view example) {
  auto where = read_listen(text);
  if (where && where->port == 0)
    return unexpected{quote(text)
                      + " has no port; one is expected that clients know, "
                        "such as "
                      + std::string{example}};
  return where;
}

} // namespace

value_or_message<endpoint> read_control_listen(std::string_view text) {
  return read_known_port(text, "0.0.0.0:7447");
}

value_or_message<endpoint> read_metrics_listen(std::string_view text) {
  return read_known_port(text, "127.0.0.1:9586");
}

value_or_message<endpoint> read_directory_listen(std::string_view text) {
  return read_known_port(text, "[::]:51821");
}

value_or_message<bool> read_switch(std::string_view text) {
  if (text == "true" || text == "false")
    return text == "true";
  return unexpected{quote(text) + " is no answer; true or false is expected"};
}

value_or_message<route_mode> read_route_mode(std::string_view text) {
  if (text == "auto")
    return route_mode::automatic;
  if (text == "manual")
    return route_mode::manual;
  return unexpected{quote(text)
                    + " is no way to route; auto (every allowed IP) or manual "
                      "(cluster_networks alone) is expected"};
}

value_or_message<df_mode> read_df_mode(std::string_view text) {
  if (text == "auto")
    return df_mode::automatic;
  if (text == "off")
    return df_mode::off;
  return unexpected{quote(text) + " is no answer; auto or off is expected"};
}

value_or_message<offload_mode> read_offload_mode(std::string_view text) {
  for (const auto mode :
       {offload_mode::automatic, offload_mode::off, offload_mode::on}) {
    if (text == to_string(mode))
      return mode;
  }
  return unexpected{quote(text)
                    + " is no answer; auto, off, or on (also where it is "
                      "doubtful) is expected"};
}

value_or_message<std::uint32_t> read_table(std::string_view text) {
  constexpr std::uint32_t main_table = 254; // <linux/rtnetlink.h>
  if (text == "auto")
    return 0;
  if (text == "main")
    return main_table;
  const auto number = strings::parse_decimal(text, 0xffffffff);
  if (number && *number > 0)
    return static_cast<std::uint32_t>(*number);
  return unexpected{quote(text)
                    + " is no routing table; 1-4294967295, main or auto is "
                      "expected"};
}

value_or_message<std::uint32_t> read_metric(std::string_view text) {
  if (const auto number = strings::parse_decimal(text, 0xffffffff))
    return static_cast<std::uint32_t>(*number);
  return unexpected{quote(text)
                    + " is no metric of a route; 0-4294967295 is expected"};
}

std::optional<std::string> check_socket_folder(std::string_view folder) {
  // A socket's name has 108 bytes with the zero; NAME.sock takes 21 of them.
  constexpr std::size_t longest = 86;
  if (folder.empty() || folder.front() != '/')
    return "it must be an absolute path, as in /var/run/wireguard";
  if (folder.size() > longest || has_control_characters(folder))
    return "it cannot hold sockets; a folder is expected whose name has at "
           "most 86 bytes";
  return std::nullopt;
}

std::optional<std::string> check_socket_path(std::string_view path) {
  constexpr std::size_t longest = 107; // and the zero
  if (path.empty() || path.front() != '/' || path.back() == '/')
    return "it must be the absolute path of a file, as in "
           "/run/weft/weft0.metrics";
  if (path.size() > longest || has_control_characters(path))
    return "it cannot be a socket; a name of at most 107 bytes is expected";
  return std::nullopt;
}

} // namespace weft
