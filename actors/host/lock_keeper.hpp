// Has the tables of lock.hpp in the host's packet filter, and keeps them there
// against whoever flushes it, such as a restart of the host's firewall.
#pragma once

#include "actors/host/lock.hpp"
#include "platform/firewall.hpp"

#include <optional>
#include <string>
#include <vector>

namespace weft {

/// What of the tables was not as it had been set.
struct lock_repair {
  std::vector<std::string> put_back; ///< names of tables
  std::vector<std::string> failures; ///< why one could not be: sentences
  bool lifted = false; ///< `weft unlock` took the lock away: so it stays
  bool locked = false; ///< `weft lock` set it again: it is to be renewed
};

/// The lock stays when this ends; the table of marks goes.
class lock_keeper {
public:
  static result<lock_keeper> open();
  lock_keeper(lock_keeper&&) = default;
  lock_keeper& operator=(lock_keeper&&) = default;
  ~lock_keeper();

  result<void> lock(const lock_rules& rules);
  result<void> lift();
  bool is_locked() const {
    return lock_.has_value();
  }
  /// Whether the host has the lock as well, as far as is known: if it could not
  /// be put back, repair() is to be called again.
  bool is_in_place() const {
    return lock_ && !lock_->listed.empty();
  }

  result<void> set_marks(const lock_rules& rules);
  result<void> leave_marks();

  /// Readable when somebody changed the host's filter.
  int descriptor() const {
    return changes_.descriptor();
  }
  /// Whether somebody did since the last call, who has finished.
  bool read();
  lock_repair repair();

private:
  struct kept_table {
    std::string name;
    std::string text;   ///< commands that make it
    std::string listed; ///< as the kernel has it since; empty: it has not
  };
  using table_place = std::optional<kept_table>;

  lock_keeper(firewall filter, firewall_monitor changes)
    : filter_(std::move(filter)), changes_(std::move(changes)) {
  }
  result<void> set(table_place& place, std::string name, std::string text);
  result<void> remove(table_place& place);
  void repair(table_place& place, lock_repair& into);

  firewall filter_;
  firewall_monitor changes_;
  bool is_lifted_by_hand_ = false; ///< since the last repair
  std::string lifted_;             ///< table that `weft unlock` took away
  table_place lock_;
  table_place marks_;
};

/// Whether this host has the lock of an interface, whoever set it.
result<bool> is_locked(const std::string& interface);

/// Removes what a node that was killed has left, but for its lock; that goes
/// only if it was on trial.
result<void> sweep_tables(const std::string& interface);

/// Sets the lock of a node, which has these marks if it runs.
result<void>
set_lock(const interface_config& config, std::optional<tunnel_marks> running);

/// The interfaces that have a lock.
result<std::vector<std::string>> locked_interfaces();

/// Lifts the lock of an interface, whoever set it, and removes what else a node
/// that was killed has left behind and keeps traffic from leaving.  What of the
/// latter was removed: sentences.
result<std::vector<std::string>> lift_lock(const std::string& interface);

/// Removes what nodes that were killed have left behind, whatever they were
/// called, but for their locks.
result<std::vector<std::string>> sweep_gone_nodes();

} // namespace weft
