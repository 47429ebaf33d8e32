// Root's way to a directory that runs: a Unix socket with the frames of
// protocol/network/steering.hpp.
#pragma once

#include "actors/loop/listener.hpp"
#include "actors/network/frame_stream.hpp"
#include "platform/unix_socket.hpp"
#include "protocol/network/steering.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace weft {

class steering_server final : private frame_stream::owner {
public:
  static constexpr std::size_t most_clients = 8;
  static constexpr std::size_t most_question_bytes = std::size_t{8} * 1024;

  using reply = std::function<void(steering_answer)>;
  struct host {
    /// The loop is about to work without a message.
    std::function<void()> enters;
    /// The reply is to be called once, now or later; also when nobody waits any
    /// more.
    std::function<void(const steering_question&, reply)> asked;
    std::function<void()> failed;
  };

  /// Takes questions of root and of this process's user at `path` (0600).
  static result<std::unique_ptr<steering_server>>
  open(io_loop& loop, const std::string& path, host told);
  steering_server(const steering_server&) = delete;
  steering_server& operator=(const steering_server&) = delete;
  ~steering_server();

private:
  struct client {
    std::unique_ptr<frame_stream> stream;
    bool waits = false; ///< for an answer
  };

  steering_server(io_loop& loop, unix_listener socket, host told);

  void stream_enters() override {
    told_.enters();
  }
  void stream_has(frame_stream& which, byte_vector frame) override;
  void stream_ended(frame_stream& which, const std::string& why) override;

  bool accept();
  void answer(std::uint64_t number, const steering_answer& what);

  io_loop& loop_;
  unix_listener socket_;
  host told_;
  std::map<std::uint64_t, client> clients_;
  std::uint64_t last_number_ = 0;
  std::vector<std::unique_ptr<frame_stream>> buried_;
  /// Replies look whether the server is still there.
  std::shared_ptr<steering_server*> self_;
  deadline_id clears_;
  deadline_id rests_;
  std::unique_ptr<listener> listener_;
};

} // namespace weft
