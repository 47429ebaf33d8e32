// An overlay that keeps what it is asked, and answers what it was told to.
#pragma once

#include "messages/control.hpp"
#include "messages/errors.hpp"
#include "tools/weft/places/overlay_link.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <variant>
#include <vector>

namespace weft {

using any_request
  = std::variant<get_status, apply_config, reload_config, add_peer, update_peer,
                 remove_peer, set_endpoint, add_allowed_ip, remove_allowed_ip,
                 check_handshake, generate_keys, set_log_level, subscribe,
                 unsubscribe, shut_down>;

/// Shared by a test and its overlay; the test looks at it between requests.
struct overlay_script {
  std::mutex mutex;
  std::vector<any_request> requests;
  device_status status;    ///< with all peers: pages are made of it
  std::size_t page = 1000; ///< peers on one of them
  config_changes changes;  ///< the answer to all that changes something
  caf::error refusal;      ///< if it is an error: the answer to everything
  bool silent = false;     ///< there is no answer
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

inline overlay_actor::behavior_type
play_overlay(overlay_actor::pointer self,
             const std::shared_ptr<overlay_script>& script) {
  // Keeps the request and answers it with what `make` makes.
  const auto answer = [self, script](auto&& request, auto make) {
    using result = decltype(make());
    const std::scoped_lock lock(script->mutex);
    script->requests.push_back(request);
    if (script->silent) {
      script->unanswered.push_back(self->make_response_promise());
      return caf::result<result>{caf::delegated<result>{}};
    }
    if (script->refusal)
      return caf::result<result>{script->refusal};
    return caf::result<result>{make()};
  };
  const auto nothing = [self, script](auto&& request) -> caf::result<void> {
    const std::scoped_lock lock(script->mutex);
    script->requests.push_back(request);
    if (script->silent) {
      script->unanswered.push_back(self->make_response_promise());
      return caf::delegated<void>{};
    }
    if (script->refusal)
      return script->refusal;
    return caf::unit;
  };
  const auto changes = [answer, script](auto&& request) {
    return answer(request, [&] { return script->changes; });
  };
  return {
    [=](const get_status& asked) {
      return answer(asked, [&] { return page_of(*script, asked); });
    },
    [=](const apply_config& asked) { return changes(asked); },
    [=](const reload_config& asked) { return changes(asked); },
    [=](const add_peer& asked) { return changes(asked); },
    [=](const update_peer& asked) { return changes(asked); },
    [=](const remove_peer& asked) { return changes(asked); },
    [=](const set_endpoint& asked) { return changes(asked); },
    [=](const add_allowed_ip& asked) { return changes(asked); },
    [=](const remove_allowed_ip& asked) { return changes(asked); },
    [=](const check_handshake& asked) {
      return answer(asked, [] { return true; });
    },
    [=](const generate_keys& asked) {
      return answer(asked, [] { return key_pair{}; });
    },
    [=](const set_log_level& asked) { return nothing(asked); },
    [=](const subscribe& asked) { return nothing(asked); },
    [=](const unsubscribe& asked) { return nothing(asked); },
    [=](const shut_down& asked) { return nothing(asked); },
  };
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
  overlay_link link(bool json = false) {
    overlay_link made{*system_, overlay};
    made.json = json;
    made.connect = [this](const connection_told&) -> outcome<overlay_actor> {
      return overlay;
    };
    return made;
  }

  std::shared_ptr<overlay_script> script;
  overlay_actor overlay;

private:
  caf::actor_system_config config_;
  std::unique_ptr<caf::actor_system> system_;
};

} // namespace weft
