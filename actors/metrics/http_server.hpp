// HTTP/1.1 for one page, by GNU libmicrohttpd, on a loop.
#pragma once

#include "actors/loop/alarm.hpp"
#include "platform/file_descriptor.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

struct MHD_Connection;
struct MHD_Daemon;

namespace weft {

/// What a client gets to read.
struct http_answer {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

/// Serves GET and HEAD of one path: whoever asks waits for the answer, which
/// all who wait share.  Each connection is for one request, and is cut off if
/// that is not there, or its answer not taken, in time.
class http_server final : private descriptor_handler {
public:
  struct limits {
    std::size_t clients = 0;
    /// For the request to come, and for the answer to be taken.
    std::chrono::milliseconds patience{};
    /// Who has been here for that long and not asked gives way to others.
    std::chrono::milliseconds hesitation{};
  };
  struct owner {
    std::function<void()> asked;  ///< answer() is due
    std::function<void()> failed; ///< it cannot go on
  };

  static result<std::unique_ptr<http_server>>
  start(io_loop& loop, std::string path, owner told, limits bounds);
  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;
  ~http_server();

  /// Whether one more can be added: there is room, or somebody who gives way.
  bool has_room() const {
    return clients_.size() < limits_.clients || find_hesitant() != nullptr;
  }
  /// Takes a connection that was accepted.
  void add(file_descriptor connection);
  /// Gives all who wait this answer.
  void answer(http_answer what);

private:
  struct library; ///< what libmicrohttpd calls
  enum class stage : std::uint8_t { asks, waits, is_answered };
  struct client {
    int descriptor = -1;
    stage at = stage::asks;
    std::shared_ptr<const http_answer> answer;
    time_point since{};
    time_point until{}; ///< it is cut off, unless it waits
  };

  http_server(io_loop& loop, std::string path, owner told, limits bounds);

  void ready(bool readable, bool writable) override;
  void failed() override {
    owner_.failed();
  }
  /// Has the library do what there is to do.
  void run();
  void cut_off_slow();
  void came(MHD_Connection* connection);
  /// Who has been here longest of those that should have asked by now; null:
  /// there is nobody.
  const client* find_hesitant() const;
  bool respond(MHD_Connection* connection, std::string_view method,
               std::string_view path);

  io_loop& loop_;
  std::string path_;
  owner owner_;
  limits limits_;
  MHD_Daemon* daemon_ = nullptr;
  int descriptor_ = -1; ///< the library's epoll set
  std::map<MHD_Connection*, client> clients_;
  alarm_clock alarm_;
};

} // namespace weft
