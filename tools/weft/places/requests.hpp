// Requests to a node, and their answers.
#pragma once

#include "tools/weft/failure.hpp"
#include "tools/weft/places/node_connection.hpp"

#include <set>

namespace weft {

/// What an actor's error means.  `timeout`: what the request was given.
failure to_failure(const caf::error& error, std::chrono::milliseconds timeout);

/// Asks, and waits for the answer.
template <class Answer, class Request>
outcome<Answer> ask(const node_connection& link, Request request) {
  auto overlay = link.overlay();
  if (!overlay)
    return tl::unexpected(std::move(overlay.error()));
  outcome<Answer> answer;
  caf::scoped_actor self{link.system()};
  auto failed = [&](const caf::error& error) {
    answer = tl::unexpected(to_failure(error, link.timeout));
  };
  auto asked = self->request(*overlay, link.timeout, std::move(request));
  if constexpr (std::is_void_v<Answer>)
    asked.receive([] {}, failed);
  else
    asked.receive([&](Answer& given) { answer = std::move(given); }, failed);
  return answer;
}

/// Puts together the pages of a node's status.
class status_pages {
public:
  /// Takes the answer to next().  A failure if it makes no sense.
  outcome<void> add(device_status&& page);
  bool is_complete() const {
    return begun_ && next_ == 0;
  }
  get_status next() const {
    return {next_, get_status::most};
  }
  device_status take() {
    return std::move(status_);
  }

private:
  device_status status_;
  /// Peers come and go between pages, and so may be seen twice.
  std::set<public_key> seen_;
  std::uint32_t next_ = 0;
  bool begun_ = false;
};

/// The status with all peers.
outcome<device_status> ask_status(const node_connection& link);

} // namespace weft
