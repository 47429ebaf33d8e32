// The local server of the cross-platform WireGuard control protocol, so that
// wg(8), wg-quick(8) and everything that speaks to them works unchanged.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "config/uapi_codec.hpp"
#include "messages/overlay.hpp"
#include "platform/unix_socket.hpp"
#include "protocol/base/time.hpp"

#include <memory>
#include <unordered_map>

namespace weft {

class uapi_server : public hosted<uapi_actor::base>,
                    private descriptor_handler {
public:
  /// One more client takes the place of the one that has been idle longest,
  /// be it silent or not reading its answer.
  static constexpr std::size_t max_connections = 64;

  uapi_server(caf::actor_config& config, io_loop_ptr loop,
              unix_listener listener, overlay_root_actor overlay);
  ~uapi_server() override;

  behavior_type make_behavior() override;
  void on_exit() override;

private:
  class connection;

  void ready(bool readable, bool writable) override;
  void failed() override {
    fail();
  }
  /// Answers one request of the connection `number`.
  void handle(std::uint64_t number, const uapi_request& request);
  void answer(std::uint64_t number, std::string text);
  void close(std::uint64_t number);
  bool make_room();

  std::optional<unix_listener> listener_; ///< until the end
  overlay_root_actor overlay_;
  std::unordered_map<std::uint64_t, std::unique_ptr<connection>> connections_;
  std::uint64_t last_number_ = 0;
};

} // namespace weft
