#include "platform/routing.hpp"

#include <array>
#include <charconv>

namespace weft {

namespace {

std::string table_name(std::uint32_t table) {
  return table == main_table ? "main" : std::to_string(table);
}

} // namespace

std::string to_hexadecimal(std::uint32_t number) {
  std::array<char, 8> digits{};
  const auto end
    = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return "0x" + std::string{digits.data(), end.ptr};
}

std::string to_string(const host_route& route) {
  auto text
    = (route.unreachable ? "unreachable " : "") + to_string(route.network);
  if (route.table != main_table)
    text += " (table " + table_name(route.table) + ")";
  return text;
}

std::string to_string(const routing_rule& rule) {
  constexpr std::uint32_t whole_mark = 0xffffffff;
  auto text = std::to_string(rule.priority) + ":";
  if (rule.inverted)
    text += " not";
  if (rule.fwmask != 0)
    text += " fwmark " + to_hexadecimal(rule.fwmark);
  if (rule.fwmask != 0 && rule.fwmask != whole_mark)
    text += "/" + to_hexadecimal(rule.fwmask);
  text += " lookup " + table_name(rule.table);
  if (rule.suppress_prefixlength)
    text += " suppress_prefixlength "
            + std::to_string(*rule.suppress_prefixlength);
  return text + (rule.family == ip_family::v4 ? " (IPv4)" : " (IPv6)");
}

} // namespace weft
