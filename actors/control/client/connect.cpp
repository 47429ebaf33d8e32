#include "actors/control/client/connect.hpp"

#include "actors/control/client/link.hpp"
#include "messages/errors.hpp"

#include <cerrno>

namespace weft {

namespace {

/// What users hold.  When nobody does any more, it ends, and with it the link,
/// which holds it not.
class remote_overlay final : public overlay_actor::base {
public:
  remote_overlay(caf::actor_config& config, link_actor link)
    : overlay_actor::base(config), link_(std::move(link)) {
    set_default_handler(caf::drop);
  }

  behavior_type make_behavior() override {
    set_down_handler([this](caf::down_msg& down) { quit(down.reason); });
    monitor(link_);
    return handle_all<behavior_type>(
      request_table, [this]<class T, class R, auto... M>(
                       const request_row<T, R, M...>&) {
        return [this](T& request) -> caf::result<R> {
          return delegate(link_, std::move(request));
        };
      });
  }

  void on_exit() override {
    caf::anon_send(link_, stop_link{});
    link_ = nullptr;
  }

private:
  link_actor link_;
};

bool knows_control_messages(caf::actor_system& system) {
  const auto& types = system.types();
  return types.portable_name(0, &typeid(event_batch))
         != types.default_type_name();
}

} // namespace

result<overlay_actor>
connect_overlay(caf::actor_system& system, control_target where,
                connect_options options) {
  if (!knows_control_messages(system))
    return tl::unexpected(
      system_error{EINVAL, "The actor system does not know weft's messages: "
                           "call weft::configure(config) before it is made"});
  if (!system.has_middleman())
    return tl::unexpected(
      system_error{EINVAL, "The actor system has no middleman: call "
                           "config.load<caf::io::middleman>() before it is "
                           "made"});
  auto loop = io_loop::start(system, "weft-connect", options.sources);
  if (!loop)
    return tl::unexpected(loop.error());
  auto link
    = system.spawn<control_link>(*loop, std::move(where), std::move(options));
  return overlay_actor{system.spawn<remote_overlay>(std::move(link))};
}

} // namespace weft
