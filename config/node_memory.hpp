// What a node remembers of its peers over a restart, as a text.  No secrets are
// in it.
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/base/keys.hpp"
#include "protocol/base/time.hpp"
#include "protocol/tunnel/noise.hpp"

#include <tl/expected.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

struct remembered_peer {
  std::optional<weft::endpoint> endpoint; ///< where it was heard from last
  std::string configured; ///< its endpoint in the configuration; may be empty
  tai64n newest_initiation{}; ///< older ones are replays
  bool had_session = false;
  wall_time noted{}; ///< to the second

  bool operator==(const remembered_peer&) const = default;
};

struct node_memory {
  public_key self;        ///< other nodes' memories are worth nothing
  wall_time last_stamp{}; ///< of our newest initiation: they must increase
  std::map<public_key, remembered_peer> peers;

  bool operator==(const node_memory&) const = default;
};

/// Texts are no longer than this, and hold no more peers.
inline constexpr std::size_t max_memory_size = std::size_t{32} << 20;
inline constexpr std::size_t most_remembered = 100'000;

/// A peer's stamp that is further ahead of our clock than this would lock it
/// out once its clock is put right.
inline constexpr std::chrono::hours most_ahead{24};
bool is_too_far_ahead(const tai64n& stamp, wall_time now);

/// A text that parse_memory() takes.
std::string format_memory(const node_memory& memory);

/// What the text says, or what is wrong with it.  Peers that were noted more
/// than 30 days before `now` are left out, and so are stamps that are too far
/// ahead.
tl::expected<node_memory, std::string>
parse_memory(std::string_view text, wall_time now);

} // namespace weft
