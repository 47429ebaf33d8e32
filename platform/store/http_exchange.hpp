// One HTTP request at a time, by libcurl, on the thread that calls: it goes on
// while somebody waits for it, and another thread can end the wait.
#pragma once

#include "platform/store/curl.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace weft {

struct http_request {
  std::string url; ///< http or https
  std::string body;
  std::vector<std::string> headers;
  std::string authority;          ///< PEM file of whom https believes
  std::size_t largest_answer = 0; ///< bytes that have not been taken
};

/// Connections stay open from one request to the next.
class http_exchange {
public:
  enum class progress : std::uint8_t {
    waiting, ///< the time is up
    arrived, ///< there is more of the answer
    ended,   ///< the answer is complete, or there will be none
    cancelled,
  };

  http_exchange();
  http_exchange(const http_exchange&) = delete;
  http_exchange& operator=(const http_exchange&) = delete;
  ~http_exchange();

  /// Posts; gives up what was under way.  Body and headers are
  /// wiped afterwards.
  void begin(http_request request);
  /// For `patience` at most.
  progress go_on(std::chrono::milliseconds patience);
  /// Waits without a request: `waiting` or `cancelled`.
  progress pause(std::chrono::milliseconds time);
  void give_up();

  /// What has arrived and was not taken yet.
  std::string& received() {
    return received_;
  }
  /// HTTP's; 0: no answer came.
  long status() const;
  /// Why the answer is not complete; empty: it is.
  const std::string& problem() const {
    return problem_;
  }
  /// Whether the answer was larger than is allowed.
  bool was_too_large() const {
    return too_large_;
  }
  /// Whether the server may have seen the request, or a part of it.
  bool may_have_been_sent() const;

  /// Every wait ends now and for ever.  From any thread.
  void cancel();

private:
  struct easy_end {
    void operator()(CURL* handle) const {
      curl().easy_cleanup(handle);
    }
  };
  struct multi_end {
    void operator()(CURLM* handle) const {
      curl().multi_cleanup(handle);
    }
  };
  struct list_end {
    void operator()(curl_slist* list) const;
  };

  static std::size_t
  take(char* bytes, std::size_t size, std::size_t count, void* self);
  void note_end();

  std::unique_ptr<CURLM, multi_end> multi_;
  std::unique_ptr<curl_slist, list_end> headers_;
  std::unique_ptr<CURL, easy_end> easy_;
  http_request request_;
  std::string received_;
  std::string problem_;
  bool running_ = false;
  bool too_large_ = false;
  bool arrived_ = false; ///< since go_on() began
  std::atomic<bool> cancelled_{false};
};

} // namespace weft
