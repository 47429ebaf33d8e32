#include "tools/weftd/lock_lines.hpp"

#include "actors/host/lock_keeper.hpp"
#include "config/interface_checks.hpp"

#include <cerrno>

namespace weft {

bool tell_lock(const std::string& interface, spdlog::logger& log) {
  const auto locked = is_locked(interface);
  if (!locked || !*locked) // without a packet filter there is no lock
    return false;
  log.warn("the lock of {} is on: nothing leaves this host but through the "
           "tunnel; 'weft unlock {}' lifts it",
           interface, interface);
  return true;
}

bool find_lock(const interface_config& interface, spdlog::logger& log) {
  if (!is_table_name(interface.name)) // no table can be called so
    return false;
  if (const auto swept = sweep_tables(interface.name);
      !swept && (interface.kill_switch || swept.error().code != EOPNOTSUPP))
    log.warn("{}", swept.error().message);
  if (const auto locked = locked_interfaces())
    for (const auto& name : *locked)
      if (name != interface.name)
        log.warn("the lock of {} is on as well: nothing leaves by {}; 'weft "
                 "unlock {}' lifts it",
                 name, interface.name, name);
  return tell_lock(interface.name, log);
}

void tell_new_lock(const std::string& interface, spdlog::logger& log) {
  if (const auto locked = is_locked(interface); !locked || !*locked)
    return;
  log.warn(
    "{} is locked from now on, as its file has kill_switch, and this host "
    "had no lock (or 'weft unlock' had lifted it): nothing leaves but "
    "through the tunnel; 'weft unlock {}' lifts it until the next start, "
    "and for good once kill_switch is taken out of the file",
    interface, interface);
}

} // namespace weft
