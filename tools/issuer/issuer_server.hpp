// The sockets of an issuer, and its one thread.
#pragma once

#include "platform/clock.hpp"
#include "platform/process.hpp"
#include "tools/issuer/issuer_service.hpp"

#include <spdlog/logger.h>

#include <memory>
#include <optional>
#include <string>

namespace weft {

struct issuer_sockets {
  std::string root;      ///< for root, and the user that the issuer acts as
  std::string directory; ///< for these and `directory_user`
  std::optional<uid_t> directory_user;
};

/// Questions of one connection that are answered in their order; others wait in
/// the socket.
inline constexpr std::size_t most_questions_at_once = 64;
/// Connections of one socket; who comes then is hung up on.
inline constexpr std::size_t most_issuer_connections = 64;
/// How long a frame may take, and an answer to be read.
inline constexpr std::chrono::seconds issuer_frame_patience{10};
/// Of a directory's questions.
inline constexpr std::size_t most_directory_question_bytes
  = std::size_t{16} * 1024;

class issuer_server {
public:
  /// `service` and `clock` must outlive the server.
  static result<issuer_server>
  open(issuer_service& service, const issuer_sockets& sockets,
       host_clock& clock, std::shared_ptr<spdlog::logger> log);

  /// Serves until a signal to end comes or, if it is given, `parent` is at its
  /// end: a descriptor that is another program's to close.  An error: the
  /// journal is lost.
  result<void>
  run(const signal_watch& signals, std::optional<int> parent = std::nullopt);

  issuer_server(issuer_server&&) noexcept;
  issuer_server& operator=(issuer_server&&) = delete;
  ~issuer_server();

private:
  class working;
  explicit issuer_server(std::unique_ptr<working> all);

  std::unique_ptr<working> working_;
};

} // namespace weft
