// The resolver: host names to endpoints, without blocking any loop.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "actors/loop/off_loop.hpp"
#include "actors/peers/lookup_schedule.hpp"
#include "messages/resolver.hpp"

#include <functional>
#include <map>
#include <span>
#include <unordered_map>

namespace weft {

/// Several look-ups at a time, each on a thread that nothing waits for. Whoever
/// asks hears within ten seconds of its look-up's begin what came of it.
class resolver : public hosted<resolver_actor::base> {
public:
  /// Finds the addresses of a host; may block.
  using look_up = std::function<lookup_finished(const host_endpoint&)>;

  resolver(caf::actor_config& config, io_loop_ptr loop,
           look_up how = look_up_by_system,
           lookup_schedule::limits most = lookup_schedule::limits{});

  behavior_type make_behavior() override;
  void on_exit() override;

  static lookup_finished look_up_by_system(const host_endpoint& host);
  /// `last_known` are asked where the host names none but those in the tunnel.
  static lookup_finished
  look_up_beside_tunnel(const host_endpoint& host, const lookup_way& way,
                        const std::vector<std::string>& last_known);
  /// Of a node that is about to lead all into its tunnel: the addresses of its
  /// peers' names, where nobody can be asked beside the tunnel later on
  /// (are_programs_of_host()).  Ends with the first name that is not found, or
  /// has not been after `patience`.  Blocks: never call it on an I/O loop.
  static std::vector<lookup_finished>
  look_up_before_tunnel(std::span<const peer_config> peers);
  static constexpr std::chrono::milliseconds patience_before_tunnel{10'000};
  /// The same of these names, whoever answers for them.
  static std::vector<lookup_finished>
  look_up_in_time(const std::vector<host_endpoint>& hosts, look_up how,
                  std::chrono::milliseconds patience = patience_before_tunnel);

private:
  /// Who asked for a name, and whether they know that it takes long.
  struct waiting {
    resolve_endpoint request;
    bool told = false;
  };
  using host_key = std::pair<std::string, std::uint16_t>;

  static host_key key_of(const host_endpoint& host) {
    return {host.host, host.port};
  }
  look_up present_way() const;
  void ask(const resolve_endpoint& request);
  void forget(const public_key& peer, const host_endpoint& host);
  void proceed();
  void tell_of_delay(const host_endpoint& host);
  void remember(const lookup_finished& result);
  void answer(const lookup_finished& result);
  /// Why nothing was found, and what to do about it.
  std::string with_remedy(std::string reason) const;

  look_up how_; ///< unless names are looked up beside the tunnel
  lookup_way way_;
  std::vector<std::string> servers_; ///< that were asked so last
  /// What was found last, for when nobody can be asked beside the tunnel.
  struct known_host {
    std::vector<endpoint> found;
    std::optional<time_point> gone_since{}; ///< as a server has said
    std::string gone{};                     ///< in its words
  };
  std::map<host_key, known_host> known_;
  lookup_schedule schedule_;
  off_loop threads_;
  std::map<host_key, std::unordered_map<public_key, waiting>> askers_;
  /// What each peer asked for last.
  std::unordered_map<public_key, host_endpoint> wanted_;
  deadline_id next_change_;
};

} // namespace weft
