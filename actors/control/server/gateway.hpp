// Where remote control comes in: a Unix socket for this host's users, and TLS
// for programs elsewhere.  It lives on a loop of its own, and shares no thread
// with packets or with the overlay's control.
#pragma once

#include "actors/control/server/expiry_reminder.hpp"
#include "actors/control/server/gateway_client.hpp"
#include "actors/control/server/role_supervisor.hpp"
#include "actors/loop/alarm.hpp"
#include "actors/loop/line_limit.hpp"
#include "actors/loop/listener.hpp"
#include "messages/overlay.hpp"
#include "platform/connect.hpp"
#include "platform/unix_socket.hpp"

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace weft {

/// Access over the network.
struct tls_access {
  std::vector<endpoint> listen;
  tls_files files;
  /// Certificates, by name, whose role is not the one that they state.
  std::map<std::string, control_role> roles;
};

/// What can be chosen otherwise in tests.
struct gateway_limits {
  std::size_t unknown_clients = 64; ///< that have not come in
  /// Of one role; masters of the host have as many for themselves.
  std::size_t role_clients = 32;
  std::chrono::milliseconds hello{5000};
  std::chrono::milliseconds certificates{1000}; ///< between looks at the files
  /// Between them while nobody from the network is there.
  std::chrono::milliseconds idle_certificates{60'000};
  /// Between attempts to open what is needed for access over the network.
  std::chrono::milliseconds reopen{5000};
  std::chrono::milliseconds farewell{1000};
  relay_times frames;
  supervisor_times roles;
};

struct gateway_options {
  std::string interface;
  /// Of the Unix socket; empty: none.  Its clients are operators.
  std::string socket_path;
  /// Whose members may use it, beside root and the daemon's user; empty: none.
  std::string socket_group;
  std::optional<tls_access> tls;
  std::shared_ptr<spdlog::logger> log;
  gateway_limits limits;
  loop_sources sources;
};

struct gateway_report_request {};

/// What has been counted since the gateway was started, and what there is.
struct gateway_report {
  std::uint64_t accepted = 0;    ///< clients that came in
  std::uint64_t refused = 0;     ///< that did not
  std::uint64_t violations = 0;  ///< that were cut off for what they sent
  std::uint64_t silent = 0;      ///< that were not heard any more, or got stuck
  std::uint64_t revoked = 0;     ///< whose certificate no longer held
  std::size_t unknown = 0;       ///< that have not come in yet
  std::size_t operators = 0;     ///< that are there
  std::size_t viewers = 0;       ///< that are there
  unsigned systems_replaced = 0; ///< of roles, because they hung
  std::vector<endpoint> remote;  ///< where it listens for TLS
};

/// role_supervisor -> gateway: a sign of life.
struct role_alive {
  control_role role = control_role::view;
  std::uint64_t generation = 0;
};

} // namespace weft

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::gateway_report_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::gateway_report)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(weft::role_alive)

namespace weft {

/// Ends when it is told to shut down, or when its overlay ends; answers that
/// are on their way are delivered first.
using gateway_actor = caf::typed_actor<
  caf::reacts_to<shut_down>, caf::reacts_to<role_alive>,
  caf::replies_to<gateway_report_request>::with<gateway_report>>;

/// Opens the sockets, reads the certificates and starts to serve `overlay`,
/// which is told how it stands with access over the network.  If that cannot be
/// had, because of a file or a port, it is said and tried again every 5 s.
/// `system` needs neither a middleman nor to know the control messages.  The
/// Unix socket has the mode 0660.
result<gateway_actor>
start_gateway(caf::actor_system& system, overlay_actor overlay,
              gateway_options options);

class gateway final : public hosted<gateway_actor::base>,
                      private gateway_client::host {
public:
  /// What start_gateway() has opened.
  struct resources {
    std::optional<unix_listener> local;
    std::optional<gid_t> group;
    std::vector<tcp_listener> remote;
    std::optional<tls_context> tls; ///< null while `remote` is empty
    std::string why_closed;         ///< that nothing is in `remote`
    std::vector<std::string> complaints;
  };

  gateway(caf::actor_config& config, io_loop_ptr loop, overlay_actor overlay,
          gateway_options options, std::shared_ptr<resources> opened);
  ~gateway() override;

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  // gateway_client::host
  io_loop& clients_loop() override {
    return loop();
  }
  void client_enters() override {
    enter_loop_context();
  }
  void identify(const tls_peer& peer, gateway_client::arrival& known) override;
  gateway_client::reception
  receive(const gateway_client& client, const client_hello& said) override;
  void client_ended(std::uint64_t number, const std::string& why,
                    relay_end how) override;
  void client_worked(const gateway_client& client) override;

  void add_listener(int descriptor, std::function<bool()> accept);
  void open_listeners();
  void watch_remote_listeners();
  void check_remote_listeners(time_point now);
  void tell_of_remote_listeners();
  void tell_warnings();
  /// Tells the overlay who is there and which certificates hold, if that has
  /// changed, and the log of those that end soon.
  void tell_of_access();
  void accept_locally(file_descriptor connection);
  void accept_remotely(tcp_listener::connection connection);
  void add(channel connection, gateway_client::arrival known);
  void make_room(const client_origin& from);
  std::shared_ptr<client_account> account_of(const control_caller& who);
  std::optional<std::string> objection_to(const gateway_client& client);
  bool find_place(const control_caller& who,
                  std::optional<std::uint64_t>& instead_of) const;
  template <class... Args>
  void tell_of(const gateway_client& client, spdlog::level::level_enum level,
               const char* text, const Args&... args);
  void tell_of_lines(time_point now);

  gateway_client::reception
  reply(admission result, int code, std::string text) const;
  role_supervisor& supervisor_of(control_role role) {
    return supervisors_.at(role == control_role::operate ? 0 : 1);
  }
  void cut_off(control_role role, const std::string& why);

  void check();
  void check_clients(time_point now);
  void check_roles(time_point now);
  void check_certificates(time_point now);
  void load_certificates();
  void say_farewell();
  bool is_quiet() const;
  std::size_t unknown_clients() const;
  gateway_report report() const;

  overlay_actor overlay_;
  gateway_options options_;
  std::shared_ptr<resources> opened_;
  std::shared_ptr<system_reaper> reaper_;
  std::array<role_supervisor, 2> supervisors_; ///< operators, viewers
  std::vector<std::unique_ptr<listener>> listeners_;
  std::map<std::uint64_t, std::unique_ptr<gateway_client>> clients_;
  std::unordered_map<caf::actor_addr, std::uint64_t> by_facade_;
  std::uint64_t last_number_ = 0;
  time_point certificates_due_{};
  time_point reopen_at_{};
  std::optional<time_point> leaving_at_; ///< it shuts down, then at the latest
  gateway_report counted_;
  std::optional<access_report> access_; ///< that was told
  expiry_reminder reminder_;
  line_limit refusals_{10, std::chrono::seconds{1}};
  line_limit looks_{10, std::chrono::seconds{1}}; ///< nobody misses the rest
  std::map<std::string, std::shared_ptr<client_account>> accounts_;
  alarm_clock alarm_;
};

} // namespace weft
