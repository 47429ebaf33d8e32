// The threads that an overlay lives on.
#pragma once

#include "actors/overlay/overlay.hpp"

namespace weft {

/// Of so many cores those that relieve the packets' loop of the TUN device:
/// each keeps up with what another three seal, open and send.
std::size_t device_cores(std::size_t cores);

/// Starts those that every overlay has, or none.
result<void>
start_loops(caf::actor_system& system, const overlay_options& options,
            overlay_resources& opened);

/// Has two of them ready for so many peers that an earlier process had, while
/// this thread does something else: packets wait for them.
void prepare_heaps(caf::actor_system& system, std::size_t peers,
                   overlay_resources& opened);

/// Ends them again, if nobody lives there yet.
void stop_loops(const overlay_resources& opened);

/// Starts those that help with packets, once the TUN device is open: as many as
/// can be had.
void start_further_loops(caf::actor_system& system,
                         const overlay_options& options,
                         overlay_resources& opened);

} // namespace weft
