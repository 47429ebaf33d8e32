// An overlay that keeps what it is asked, and answers what it was told to.
#pragma once

#include "messages/control.hpp"
#include "messages/errors.hpp"
#include "tools/weft/places/node_connection.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <variant>
#include <vector>

namespace weft {

template <class... Rows>
std::variant<typename Rows::request...> one_of(const std::tuple<Rows...>&);
using any_request = decltype(one_of(request_table));

/// Shared by a test and its overlay; the test looks at it between requests.
struct overlay_script {
  std::mutex mutex;
  std::vector<any_request> requests;
  device_status status;    ///< with all peers: pages are made of it
  std::size_t page = 1000; ///< peers on one of them
  config_changes changes;  ///< the answer to all that changes something
  /// With all peers: pages have `page` of them.
  node_configuration configuration;
  caf::error refusal;  ///< if it is an error: the answer to everything
  bool silent = false; ///< there is no answer
  std::vector<caf::response_promise> unanswered; ///< if so

  template <class T>
  std::vector<T> all() {
    const std::scoped_lock lock(mutex);
    std::vector<T> found;
    for (const auto& one : requests)
      if (const auto* wanted = std::get_if<T>(&one))
        found.push_back(*wanted);
    return found;
  }
};

/// The peers from `first` on.
inline device_status
page_of(const overlay_script& script, const get_status& asked) {
  auto page = script.status;
  const auto begin
    = std::min<std::size_t>(asked.first_peer, script.status.peers.size());
  const auto count = std::min<std::size_t>(asked.max_peers, script.page);
  const auto end = std::min(begin + count, script.status.peers.size());
  page.peers.assign(
    script.status.peers.begin() + static_cast<std::ptrdiff_t>(begin),
    script.status.peers.begin() + static_cast<std::ptrdiff_t>(end));
  page.next_peer
    = end < script.status.peers.size() ? static_cast<std::uint32_t>(end) : 0;
  return page;
}

inline node_configuration
page_of(const overlay_script& script, const get_configuration& asked) {
  auto page = script.configuration;
  auto& peers = page.config.peers;
  const auto all = peers.size();
  const auto begin = std::min<std::size_t>(asked.first_peer, all);
  const auto end = std::min(begin + script.page, all);
  peers.erase(peers.begin() + static_cast<std::ptrdiff_t>(end), peers.end());
  peers.erase(peers.begin(),
              peers.begin() + static_cast<std::ptrdiff_t>(begin));
  std::erase_if(page.with_preshared_key, [&](const public_key& key) {
    return std::none_of(peers.begin(), peers.end(), [&](const auto& peer) {
      return peer.public_key == key;
    });
  });
  page.next_peer = end < all ? static_cast<std::uint32_t>(end) : 0;
  return page;
}

/// What the script has for a request.
template <class Answer, class Request>
caf::result<Answer>
scripted_answer(const overlay_script& script, const Request& asked) {
  if constexpr (std::is_same_v<
                  Request,
                  get_status> || std::is_same_v<Request, get_configuration>)
    return page_of(script, asked);
  else if constexpr (std::is_same_v<Answer, config_changes>)
    return script.changes;
  else if constexpr (std::is_same_v<Answer, bool>)
    return true;
  else if constexpr (std::is_void_v<Answer>)
    return caf::unit;
  else
    return Answer{};
}

inline overlay_actor::behavior_type
play_overlay(overlay_actor::pointer self,
             const std::shared_ptr<overlay_script>& script) {
  return handle_all<overlay_actor::behavior_type>(
    request_table, [&]<class Request, class Answer, auto... Members>(
                     const request_row<Request, Answer, Members...>&) {
      return [self, script](const Request& asked) -> caf::result<Answer> {
        const std::scoped_lock lock(script->mutex);
        script->requests.push_back(asked);
        if (script->silent) {
          script->unanswered.push_back(self->make_response_promise());
          return caf::delegated<Answer>{};
        }
        if (script->refusal)
          return script->refusal;
        return scripted_answer<Answer>(*script, asked);
      };
    });
}

/// A node for one test, and the streams of a command that steers it.
class example_node {
public:
  example_node() : script(std::make_shared<overlay_script>()) {
    config_.set("scheduler.policy", caf::atom("sharing"));
    config_.set("scheduler.max-threads", std::size_t{1});
    system_ = std::make_unique<caf::actor_system>(config_);
    overlay = system_->spawn(play_overlay, script);
  }
  example_node(const example_node&) = delete;
  example_node& operator=(const example_node&) = delete;
  ~example_node() {
    script->unanswered.clear();
    caf::anon_send_exit(overlay, caf::exit_reason::user_shutdown);
    overlay = nullptr;
  }

  caf::actor_system& system() {
    return *system_;
  }
  node_connection link(bool json = false) {
    node_connection made{
      *system_, [this](const connection_told&) -> outcome<overlay_actor> {
        return overlay;
      }};
    made.json = json;
    return made;
  }

  std::shared_ptr<overlay_script> script;
  overlay_actor overlay;

private:
  caf::actor_system_config config_;
  std::unique_ptr<caf::actor_system> system_;
};

} // namespace weft
