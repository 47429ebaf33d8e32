// What was done to the host for a node, noted for whoever undoes it.
#pragma once

#include "platform/name_servers.hpp"

#include <tl/expected.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

struct host_note {
  std::string interface;
  std::string config;                ///< file
  std::uint64_t network = 0;         ///< own_network_namespace() of the links
  int link = 0;                      ///< index of the interface; 0: not known
  std::string asked;                 ///< what the file asked for
  std::uint32_t mark = 0;            ///< of the tunnel's own packets
  std::vector<std::string> marked;   ///< links whose `src_valid_mark` was set
  bool accepts_marks = false;        ///< `tcp_fwmark_accept` was set
  dns_manager dns;                   ///< that was told of servers; none
  std::vector<std::string> commands; ///< to be run in the end
};

std::string format_note(const host_note& note);

/// Or a sentence that says what is wrong with it.
tl::expected<host_note, std::string> parse_note(std::string_view text);

} // namespace weft
