// Has the host be as planned for an interface, compares it with the plan, and
// takes away what would stay behind.
#pragma once

#include "actors/host/host_plan.hpp"
#include "config/device_status.hpp"
#include "platform/network.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// What of a plan the host had lost.
struct host_repair {
  std::vector<host_need> put_back;
  std::vector<host_need> refused;    ///< by whoever was asked
  std::vector<std::string> failures; ///< why something could not be: sentences
};

/// The interface of a device that is this thread's network namespace's.  What
/// goes with the device is left to its end; rules and routes that lead nowhere
/// are removed at ours.  Nobody else's are touched.
class host_keeper {
  friend result<std::vector<std::string>> sweep_gone_hosts();

public:
  /// Removes what a node of that name has left behind that was killed; what one
  /// has left to us, who go on as it was (`goes_on`), stays.
  static result<std::unique_ptr<host_keeper>>
  open(int interface_index, const std::string& interface, bool goes_on = false);
  host_keeper(const host_keeper&) = delete;
  host_keeper& operator=(const host_keeper&) = delete;
  ~host_keeper();

  const rule_place& place() const {
    return place_;
  }
  /// What was removed by open(): `the rule 20001: not fwmark ...`
  const std::vector<std::string>& leftovers() const {
    return leftovers_;
  }
  /// A mark for the tunnel's own datagrams (see choose_mark()).
  result<std::uint32_t> find_mark();

  /// How sentences begin that tell of what could not be had.
  static constexpr std::string_view trouble = "interface: ";

  /// Has the host be as in `to` from now on: a sentence for each thing that
  /// changes, and for what is not as it should be.  On failure nothing has
  /// changed.  A link that somebody has set down is set up again only if
  /// `sets_link_up`.
  result<std::vector<std::string>> change(host_plan to, bool sets_link_up);

  /// The same for the MTU alone, whatever else is missing.
  result<void> change_mtu(std::uint32_t bytes);

  using permission = std::function<bool(const host_need&)>;
  /// Adds what is not there, and may be added; routes only to a link that is
  /// up.  The kernel forgets some when the link goes down, when its MTU is too
  /// small for IPv6, or when an address goes that they came with; other
  /// programs take them away.
  host_repair put_back(const permission& may);

  /// Every item of the plan, and whether it is in place.
  result<std::vector<host_item>> compare();

  /// The interface is no longer here: what is not its own goes at once.
  void let_go();
  /// Another process goes on with all of it: nothing is taken away.
  void leave_as_is() {
    plan_.clear();
  }

private:
  host_keeper(int interface_index, network_configurator network)
    : index_(interface_index), network_(std::move(network)) {
  }

  class transaction;

  /// Some routes alone: of many, the others are not looked at for them.
  result<std::vector<std::string>>
  change_routes(host_plan to, const host_plan& added, const host_plan& surplus);
  /// What was at a node's place is removed.
  result<void>
  sweep(const rule_place& place, const std::vector<routing_rule>& present);
  result<host_state> read(const host_plan& plan);
  /// That somebody has given to the interface.
  std::optional<host_item> other_name() const;
  /// False: it was there.
  result<bool> make(const host_need& need);
  /// `before`: what the host had.
  result<void> unmake(const host_need& need, const host_state& before);

  int index_;
  network_configurator network_;
  rule_place place_;
  std::vector<std::string> leftovers_;
  std::string name_; ///< of the interface, at first
  host_plan plan_;
};

/// Removes the rules and routes that a node of that name has left behind that
/// was killed, unless its interface is there.  What was removed: sentences, as
/// host_keeper::leftovers() has them.
result<std::vector<std::string>> sweep_host(const std::string& interface);

/// The same for all nodes whose interfaces are gone, whatever they were called.
result<std::vector<std::string>> sweep_gone_hosts();

/// Whether there are any of those.
result<bool> has_leftovers(const std::string& interface);

} // namespace weft
