// The state of a peer in words.
#pragma once

#include "config/device_status.hpp"

#include <string>

namespace weft {

/// How long a peer has been as it is at `now`: `1m30s`; `-` if that is unknown.
std::string state_age(const peer_state& state, wall_time now);

/// What stands in a peer's way: `no answer, 18 tries`; empty: nothing.
std::string trouble_text(const peer_state& state);

/// All of it: `failing for 1m30s: no answer, 18 tries`.
std::string state_sentence(const peer_state& state, wall_time now);

/// Whether people are to be told more than the word.
bool needs_words(const peer_state& state);

} // namespace weft
