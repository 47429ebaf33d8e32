#include "config/wg_quick_values.hpp"

#include "config/strings.hpp"

namespace weft {

namespace {

constexpr std::string_view spaces = " \t\r\n\v\f";

bool is_space(char c) {
  return spaces.find(c) != std::string_view::npos;
}

} // namespace

std::vector<std::string> split_wg_prefixes(std::string_view text) {
  std::vector<std::string> parts;
  std::string part;
  const auto end = [&] {
    if (!part.empty())
      parts.push_back(std::move(part));
    part.clear();
  };
  bool parted = false;
  for (const char c : text) {
    if (is_space(c)) {
      parted = true;
      continue;
    }
    if (c == ',' || (parted && c != '/' && !part.ends_with('/')))
      end();
    parted = false;
    if (c != ',')
      part += c;
  }
  end();
  return parts;
}

value_or_message<endpoint_config>
read_wg_endpoint(std::string_view text, const service_port& find_port) {
  std::string plain;
  for (const char c : text) {
    if (!is_space(c))
      plain += c;
  }
  auto colon = plain.rfind(':');
  if (colon != std::string::npos) {
    const auto host = plain.substr(0, colon);
    // An IPv6 address without brackets, where it can mean only one thing.
    if (host.find(':') != std::string::npos && parse_ip_address(host)
        && !parse_ip_address(plain)) {
      plain.insert(colon, 1, ']').insert(0, 1, '[');
      colon += 2;
    }
    const auto service = plain.substr(colon + 1);
    const bool is_number
      = service.find_first_not_of("0123456789") == std::string::npos;
    // No group of an IPv6 address that lacks its port.
    const bool is_port = plain.find(':') == colon || plain[colon - 1] == ']';
    if (!is_number && is_port && strings::is_short_word(service)) {
      const auto port = find_port ? find_port(service) : std::nullopt;
      if (!port)
        return tl::unexpected{
          "port " + strings::quote(service)
          + " is neither a number nor a service of /etc/services; 1-65535 is "
            "expected"};
      plain.replace(colon + 1, service.size(), std::to_string(*port));
    }
  }
  return read_endpoint(plain);
}

} // namespace weft
