#include "tools/weft/places/connection.hpp"

#include "actors/control/client/connect.hpp"
#include "platform/tls.hpp"
#include "protocol/base/text.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <cerrno>
#include <ostream>

namespace weft {

namespace {

/// One worker is enough, and polls for nothing.
class command_config final : public caf::actor_system_config {
public:
  command_config() {
    load<caf::io::middleman>();
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", std::size_t{1});
    configure(*this);
  }
};

control_target to_target(const node_place& place) {
  if (const auto* local = std::get_if<local_node>(&place))
    return local_target{local->socket};
  const auto& remote = std::get<remote_node>(place);
  remote_target target;
  target.host = remote.host;
  target.port = remote.port;
  target.files.certificate = remote.certificate;
  target.files.key = remote.key;
  target.files.authority = remote.ca;
  target.files.revocations = remote.revocations;
  target.server_name = remote.server_name;
  return target;
}

connection_watcher::behavior_type tell(const connection_told& told) {
  return {
    [told](const connection_state& state) {
      connection_news news;
      if (!state.connected)
        news.trouble
          = failure{exit_code_of(state.code), state.code, state.reason};
      // A command does not wait for another certificate.
      news.gave_up = state.gave_up || state.certificate_refused;
      told(news);
    },
  };
}

outcome<overlay_actor>
connect(caf::actor_system& system, const node_place& place,
        std::chrono::milliseconds timeout, const connection_told& told) {
  connect_options options;
  // The reason is to come before the request's own time is over.
  options.attempt = timeout - timeout / 5;
  if (told)
    options.watcher = system.spawn(tell, told);
  auto overlay = connect_overlay(system, to_target(place), std::move(options));
  if (overlay)
    return std::move(*overlay);
  // Nothing was sent yet: a file cannot be used.
  const auto& [code, message] = overlay.error();
  return tl::unexpected(
    failure{code == EPERM || code == EACCES ? exit_forbidden : exit_mistaken,
            code, message});
}

} // namespace

struct connections::parts {
  command_config config;
  caf::actor_system system{config};
};

connections::connections() = default;
connections::~connections() = default;

void warn_of_own_end(const node_place& place, wall_time now,
                     std::ostream& err) {
  if (!std::holds_alternative<remote_node>(place))
    return;
  const auto target = std::get<remote_target>(to_target(place));
  if (const auto soon = own_certificate_ends_soon(target.files, now))
    err << "weft: warning: " << printable(*soon) << '\n';
}

node_connection connections::prepare(const node_place& place,
                                     const connection_options& options) {
  if (!parts_)
    parts_ = std::make_unique<parts>();
  auto& system = parts_->system;
  node_connection made{system, [&system, place, timeout = options.timeout](
                                 const connection_told& told) {
                         return weft::connect(system, place, timeout, told);
                       }};
  made.timeout = options.timeout;
  made.json = options.json;
  made.is_local = std::holds_alternative<local_node>(place);
  return made;
}

} // namespace weft
