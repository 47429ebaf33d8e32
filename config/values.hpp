// The values that configuration files hold, from text.  Each error is the part
// of a message that says what is wrong and what would be right; no error
// repeats a text that may be a key.
#pragma once

#include "config/file_source.hpp"
#include "config/node_config.hpp"

#include <tl/expected.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace weft {

template <class T>
using value_or_message = tl::expected<T, std::string>;

/// 44 characters of base64.
value_or_message<secret<key_size>> read_key(std::string_view text);
value_or_message<preshared_key> read_preshared_key(std::string_view text);
/// The same for a private key: not zero, and clamped.
value_or_message<private_key> read_private_key(std::string_view text);
/// The same for a peer: not zero.
value_or_message<public_key> read_public_key(std::string_view text);

/// `ADDRESS/LENGTH` or `ADDRESS`; host bits are kept.
value_or_message<ip_prefix> read_prefix(std::string_view text);

/// `ADDRESS:PORT`, `[ADDRESS]:PORT` or `HOST:PORT`; the port is not 0.
value_or_message<endpoint_config> read_endpoint(std::string_view text);

/// `ADDRESS:PORT`, or `PORT` alone for all addresses.  0: the kernel chooses.
value_or_message<endpoint> read_listen(std::string_view text);

/// 0-65535
value_or_message<std::uint16_t> read_port(std::string_view text);

/// `25s`, `2m`, `1h`, `25` (seconds), `0` or `off`; at most 65535 seconds.
value_or_message<std::chrono::seconds> read_keepalive(std::string_view text);

/// 576-65535, or `auto` (automatic_mtu)
value_or_message<std::uint32_t> read_mtu(std::string_view text);
value_or_message<std::uint32_t> read_cores(std::string_view text);

/// Decimal, `0x` and hexadecimal, or `off`.
value_or_message<std::uint32_t> read_fwmark(std::string_view text);

/// A name for people: up to 64 bytes of UTF-8 without control characters.
value_or_message<std::string> read_peer_name(std::string_view text);

value_or_message<log_level> read_log_level(std::string_view text);
value_or_message<log_format> read_log_format(std::string_view text);
value_or_message<reload_mode> read_reload_mode(std::string_view text);

/// The name of a group of users: 1-32 letters, digits, '_', '-' and '.'.
value_or_message<std::string> read_group(std::string_view text);

/// `ADDRESS:PORT`; the port is not 0.
value_or_message<endpoint> read_control_listen(std::string_view text);
value_or_message<endpoint> read_metrics_listen(std::string_view text);
value_or_message<endpoint> read_directory_listen(std::string_view text);

/// `true` or `false`
value_or_message<bool> read_switch(std::string_view text);

/// `auto` or `manual`
value_or_message<route_mode> read_route_mode(std::string_view text);
/// `auto` or `off`
value_or_message<df_mode> read_df_mode(std::string_view text);
value_or_message<offload_mode> read_offload_mode(std::string_view text);

/// A routing table: 1-4294967295, `main`, or `auto` (0).
value_or_message<std::uint32_t> read_table(std::string_view text);

/// 0-4294967295
value_or_message<std::uint32_t> read_metric(std::string_view text);

/// The key in a file that nobody but its owner can read.  `name` is as written
/// in the configuration, relative to `folder`.
value_or_message<secret<key_size>>
read_key_file(std::string_view name, const std::filesystem::path& folder,
              const file_source& files);

/// What is wrong with the folder of a socket, which is an absolute path by
/// now; or nothing.
std::optional<std::string> check_socket_folder(std::string_view folder);

/// What is wrong with the file of a socket, which is an absolute path by now;
/// or nothing.
std::optional<std::string> check_socket_path(std::string_view path);

} // namespace weft
