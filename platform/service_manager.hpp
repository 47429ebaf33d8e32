// The service manager (systemd): what it is told, and the descriptors that it
// keeps from one start of a unit to the next.
#pragma once

#include "platform/error.hpp"
#include "platform/hand_over.hpp"

#include <span>
#include <string>
#include <vector>

namespace weft {

/// Tells the service manager `state` ("READY=1", "STOPPING=1", ...) as
/// sd_notify(3) describes it.  Nothing happens without NOTIFY_SOCKET, and
/// nobody waits for long for a manager that does not listen.
void notify_service_manager(const std::string& state);

/// The same, and waits for some seconds until it has been read (BARRIER=1).
void tell_service_manager(const std::string& state);

/// Whether there is one that notify_service_manager() tells anything.
bool service_manager_listens();

/// What it is about to do with a unit: `start`, `stop`, `restart`, ...; empty:
/// nothing.  A restart is one until the unit has stopped, and a `start` from
/// then on.  Takes root (systemctl(1)).
result<std::string> job_of_unit(const std::string& unit);

/// Gives it copies of the descriptors (FDSTORE=1), and waits until it has them.
/// It keeps them whatever becomes of what they refer to (FDPOLL=0), and gives
/// them to the unit's next process.  It keeps none, without a word, unless the
/// unit has FileDescriptorStoreMax=.  Fails with ENOENT without a manager, and
/// with ETIMEDOUT if it does not listen.
result<void> store_descriptors(std::span<const named_descriptor> what);

/// Has it close those of this name.
void remove_stored_descriptors(const std::string& name);

/// What it has passed to this process (sd_listen_fds(3)): stored descriptors,
/// and sockets of units that activate it.  A second call yields none, and
/// children inherit none.  To be called before other threads start.
std::vector<named_descriptor> take_passed_descriptors();

/// close_inherited_descriptors(), without those that were passed.
void close_inherited_descriptors_but(std::vector<int> kept);

} // namespace weft
