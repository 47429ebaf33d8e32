// One attempt to reach a daemon: the connection, the TLS handshake and the
// hellos.  Nothing blocks.
#pragma once

#include "actors/control/client/connect.hpp"
#include "actors/control/wire/channel.hpp"
#include "actors/control/wire/hello.hpp"
#include "actors/loop/io_loop.hpp"

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// Why a daemon was not reached.
struct dial_failure {
  int code = 0;
  std::string reason;      ///< a sentence, with the remedy
  bool is_final = false;   ///< trying again changes nothing
  bool is_refusal = false; ///< of our certificate
};

class dialer final : private descriptor_handler {
public:
  struct success {
    channel connection;
    server_hello hello;
  };
  using outcome = tl::expected<success, dial_failure>;

  struct owner {
    std::function<void()> entered;
    /// Called once; it may delete the dialer.
    std::function<void(outcome)> done;
  };

  /// `node` is what the client's hello says.  `context` is null for local
  /// targets; it must live longer.
  dialer(io_loop& loop, control_target where, const tls_context* context,
         std::string node, owner told);
  ~dialer();

  /// Tries the socket, or one address after the other.
  void
  start(std::vector<endpoint> addresses, time_point now, time_point deadline);
  /// Looks at the time.  It may be gone afterwards.
  void check(time_point now);
  /// When to call check().
  time_point next_check() const {
    return address_deadline_;
  }

private:
  enum class stage : std::uint8_t { connecting, handshake, asking, listening };

  void ready(bool readable, bool writable) override;
  void failed() override;

  void try_next(time_point now);
  result<file_descriptor> connect();
  void proceed();
  bool is_done(const channel_result& result);
  bool finish_connecting();
  bool ask();
  bool listen();
  void read_hello();

  void drop();
  void fail(int code, std::string reason, bool is_final = false);
  void fail_to_connect(int code);
  void finish(outcome what);

  io_loop& loop_;
  control_target where_;
  std::string name_; ///< of the target
  const tls_context* context_;
  std::string node_;
  owner owner_;

  std::deque<endpoint> addresses_; ///< that are left
  time_point deadline_{};
  time_point address_deadline_{};
  stage stage_ = stage::connecting;
  file_descriptor socket_; ///< while it is being connected
  std::optional<channel> connection_;
  std::string question_; ///< what of it is not sent
  std::string answer_;   ///< what of it has come
  bool over_ = false;
};

} // namespace weft
