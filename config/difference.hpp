// The difference between two configurations, so that a reload leaves what did
// not change untouched.
#pragma once

#include "config/device_update.hpp"

namespace weft {

/// What must change on a device configured as `from` to be configured as
/// `to`, in this order: the keys and numbers of the device, the removed peers,
/// the changed and the new ones.  Unchanged peers do not appear, changed ones
/// carry what changed, and only a peer whose allowed IPs changed replaces them.
/// A prefix that moves between two peers ends at the right one in any order.
///
/// Not in it, because no device_update can say it: the interface's name, MTU,
/// addresses, listen address, cluster networks, socket folder and the log.
/// Whose peers `from` has is for the caller to choose, and to say in `origin`:
/// those of other origins are then left alone.
device_update difference(const node_config& from, const node_config& to);

/// Makes a peer be as `peer` says, whether it exists or not.
patch<peer_config> replacement_of(const peer_config& peer);

/// Makes the change of a peer in a list of all: it is added if it has to be,
/// and a prefix that it gets is no other one's any more.
void make_change(const patch<peer_config>& change,
                 std::vector<peer_config>& peers);

} // namespace weft
