// The actor behind start_metrics().  It lives on a loop of its own, so that
// neither packets nor control wait for whoever reads.
#pragma once

#include "actors/loop/alarm.hpp"
#include "actors/loop/listener.hpp"
#include "actors/metrics/http_server.hpp"
#include "actors/metrics/node_metrics.hpp"
#include "actors/metrics/start_metrics.hpp"
#include "platform/connect.hpp"
#include "platform/unix_socket.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft {

class metrics_server final : public hosted<metrics_actor::base> {
public:
  metrics_server(caf::actor_config& config, io_loop_ptr loop,
                 overlay_actor overlay, metrics_options options);
  ~metrics_server() override;

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  void begin();
  void end();

  // -- places --

  void open_places();
  result<void> open_tcp();
  result<void> open_unix();
  void add_listener(int descriptor, std::function<file_descriptor()> accept);
  /// Says it, unless it was said before.
  void complain(const std::string& what);

  // -- a scrape --

  void collect();
  void ask_for_peers(std::uint32_t first);
  void finish();
  void give_up(const caf::error& reason);

  overlay_actor overlay_;
  metrics_options options_;
  std::unique_ptr<http_server> http_;
  std::optional<tcp_listener> tcp_;
  std::optional<unix_listener> unix_;
  std::vector<std::unique_ptr<listener>> listeners_;
  std::string complaint_;  ///< the last one
  bool under_way_ = false; ///< somebody waits
  std::unique_ptr<node_metrics> collected_;
  alarm_clock rests_; ///< of listeners
};

} // namespace weft
