// Keeps a directory running: one that has failed is started anew, and nobody's
// tunnel notices.
#pragma once

#include "actors/network/start_directory.hpp"

#include <functional>

namespace weft {

/// Passes shut_down on; ends when the directory has ended as it should, or when
/// the overlay has.
using directory_keeper = caf::typed_actor<caf::reacts_to<shut_down>>;

/// A directory that has failed rests for a second before it is started anew,
/// longer each time that it fails again, up to this.
inline constexpr std::chrono::seconds longest_directory_rest{60};

/// Starts a directory as start_directory() does, whose errors it has, and keeps
/// it.  `told` hears of each that was started, on any thread.
result<directory_keeper>
keep_directory(caf::actor_system& system, directory_options options,
               std::function<void(const directory_actor&)> told = {});

} // namespace weft
