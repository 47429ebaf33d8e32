#include "config/fields.hpp"

#include "config/command_words.hpp"
#include "config/strings.hpp"
#include "protocol/base/text.hpp"

#include <algorithm>

namespace weft::field_values {

namespace {

/// What is wrong with a text that `read` does not take.
template <class T>
std::optional<std::string> reason_of(const value_or_message<T>& read) {
  return read ? std::nullopt : std::optional{read.error()};
}

bool is_possible(const ip_prefix& prefix) {
  return prefix.length <= prefix.address.bits();
}

} // namespace

std::string print(const std::string& text) {
  return text;
}

std::string print(const std::uint32_t& number) {
  return std::to_string(number);
}

std::string print(const std::chrono::seconds& interval) {
  return std::to_string(interval.count());
}

std::string print(const endpoint& where) {
  return to_string(where);
}

std::string print(const std::optional<endpoint_config>& where) {
  return where ? to_string(*where) : std::string{};
}

std::string print(const public_key& key) {
  return to_string(key);
}

std::string print(const private_key& key) {
  return to_base64(key.bytes());
}

std::string print(const preshared_key& key) {
  return to_base64(key.bytes());
}

std::string print(const std::vector<ip_prefix>& prefixes) {
  std::string out;
  for (const auto& prefix : prefixes)
    out += (out.empty() ? "" : ", ") + to_string(prefix);
  return out;
}

std::string print(const std::vector<std::string>& texts) {
  std::string out;
  for (const auto& text : texts)
    out += (out.empty() ? "" : ", ") + text;
  return out;
}

std::string print(const bool& answer) {
  return answer ? "true" : "false";
}

std::string print(const route_mode& mode) {
  return std::string{to_string(mode)};
}

std::string print(const df_mode& mode) {
  return std::string{to_string(mode)};
}

std::string print_mtu(const std::uint32_t& mtu) {
  return mtu == automatic_mtu ? "auto" : print(mtu);
}

std::string print_table(const std::uint32_t& table) {
  return table == 0 ? "auto" : print(table);
}

std::string print_cores(const std::uint32_t& cores) {
  return cores == automatic_cores ? "auto" : print(cores);
}

value_or_message<std::string> read_interface_name(std::string_view text) {
  if (auto reason = weft::check_interface_name(text))
    return tl::unexpected{std::move(*reason)};
  return std::string{text};
}

value_or_message<std::optional<endpoint_config>>
read_peer_endpoint(std::string_view text) {
  return read_endpoint(text).map(
    [](endpoint_config where) { return std::optional{std::move(where)}; });
}

std::optional<std::string> check_interface_name(const std::string& name) {
  return weft::check_interface_name(name);
}

std::optional<std::string> check_folder(const std::string& folder) {
  return check_socket_folder(folder);
}

std::optional<std::string> check_mtu(const std::uint32_t& mtu) {
  return reason_of(read_mtu(print_mtu(mtu)));
}

std::optional<std::string> check_cores(const std::uint32_t& cores) {
  return reason_of(read_cores(print_cores(cores)));
}

std::optional<std::string> check_prefixes(const std::vector<ip_prefix>& all) {
  if (std::all_of(all.begin(), all.end(), is_possible))
    return std::nullopt;
  return "a prefix is longer than its address; at most 32 bits are expected "
         "for IPv4, and 128 for IPv6";
}

std::optional<std::string> check_dns(const std::vector<std::string>& all) {
  constexpr std::size_t most = 16;
  if (all.size() > most)
    return "there are too many; at most 16 servers and domains are expected";
  for (const auto& one : all) {
    if (!parse_ip_address(one) && !is_host_name(one))
      return strings::quote(one)
             + " is no server; an IP address, or a domain to search, is "
               "expected";
  }
  return std::nullopt;
}

std::optional<std::string> check_commands(const std::vector<std::string>& all) {
  constexpr std::size_t most = 32;
  constexpr std::size_t longest = 4096;
  if (all.size() > most)
    return "there are too many; at most 32 commands are expected";
  for (const auto& one : all) {
    if (!one.starts_with('/') || one.size() > longest
        || has_control_characters(one))
      return strings::quote(one.substr(0, 64))
             + " is no command; an absolute path and its arguments are "
               "expected, in one line";
    if (auto words = split_command(one); !words)
      return strings::quote(one.substr(0, 64)) + ": " + words.error();
  }
  return std::nullopt;
}

std::optional<std::string> check_peer_name(const std::string& name) {
  return name.empty() ? std::nullopt : reason_of(read_peer_name(name));
}

std::optional<std::string> check_public_key(const public_key& key) {
  if (!key.is_zero())
    return std::nullopt;
  return "a peer needs its public key";
}

std::optional<std::string>
check_endpoint(const std::optional<endpoint_config>& where) {
  return where ? reason_of(read_endpoint(to_string(*where))) : std::nullopt;
}

std::optional<std::string>
check_keepalive(const std::chrono::seconds& interval) {
  if (interval.count() >= 0 && interval.count() <= 65535)
    return std::nullopt;
  return "it must be 0 (off) to 65535 seconds";
}

} // namespace weft::field_values
