// One change of a running device: which steps it takes, in which order, and
// what is taken back when one fails, so that all of it is made or nothing.
// Plain: whoever has it does the steps (overlay_changes.cpp) and says how each
// went.
#pragma once

#include "actors/host/host_plan.hpp"
#include "config/device_update.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// What is in force for the device as a whole.
struct device_settings {
  interface_config interface; ///< with its private key; all zero: none
  std::uint16_t port = 0;     ///< in use, or to be asked for; 0: any
  peer_networks networks{};   ///< what the peers ask of the host

  bool operator==(const device_settings&) const = default;
};

/// Copies what the host has to be set for.
void copy_host_part(const interface_config& from, interface_config& to);

class reconfiguration {
public:
  /// In the order in which they are made.  A change has those that it needs.
  enum class step {
    check_peers, ///< can the registry take the peers?  Changes nothing.
    sockets,     ///< listen where `to()` says, with its mark
    mark,        ///< the same sockets, another mark
    lock,        ///< what may leave beside the tunnel
    host,        ///< all of actors/host/host_plan.hpp
    identity,    ///< the private key
    peers,       ///< the registry makes all of that part or nothing
  };

  struct failure {
    int code = 0; ///< an errno
    std::string message;
    std::string field;
  };

  /// Nothing is to be done.
  reconfiguration() = default;
  /// `update` is what differs, of `whole` if that is given, whose peers ask for
  /// `networks` then.  Host and lock follow `whole` only if the link is ours to
  /// set.
  reconfiguration(device_settings former, const device_update& update,
                  const interface_config* whole, bool sets_link,
                  peer_networks networks = {});

  /// The step to be done now, or taken back.  Nothing: it is over.
  std::optional<step> next() const;
  bool takes_back() const {
    return takes_back_;
  }
  /// What that step starts from, and what it shall come to.
  const device_settings& from() const {
    return takes_back_ ? wanted_ : former_;
  }
  const device_settings& to() const {
    return takes_back_ ? former_ : wanted_;
  }

  /// The step was done, or taken back.
  void done();
  /// So were the sockets, which have this port now.
  void bound(std::uint16_t port);
  /// It was not: what was done before is taken back.  What cannot be taken back
  /// stays, and the reason says so.
  void failed(failure why);

  /// As far as the steps have come.
  const device_settings& in_force() const {
    return in_force_;
  }
  /// Why nothing, or not everything, is as it was wanted.
  const std::optional<failure>& reason() const {
    return reason_;
  }
  /// It failed, and something could not be taken back.
  bool half_done() const {
    return half_done_;
  }

private:
  void step_back();
  std::string what_stays(const std::string& why) const;

  device_settings former_;
  device_settings wanted_;
  device_settings in_force_;
  std::vector<step> steps_;
  std::size_t position_ = 0; ///< of the step to be done, or taken back
  bool takes_back_ = false;
  bool over_ = true;
  bool half_done_ = false;
  std::optional<failure> reason_;
};

} // namespace weft
