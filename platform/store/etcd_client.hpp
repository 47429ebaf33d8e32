// Calls of etcd's gateway at whichever node answers: tokens, other nodes and
// repetitions are dealt with here.  Private to platform/store/.
#pragma once

#include "platform/store/back_off.hpp"
#include "platform/store/etcd_json.hpp"
#include "platform/store/etcd_store.hpp"
#include "platform/store/http_exchange.hpp"
#include "protocol/base/wipe.hpp"

#include <atomic>
#include <mutex>
#include <optional>
#include <string>

namespace weft::etcd {

/// What a store and its watches share.  Any thread.
class access {
public:
  access(etcd_settings settings, const time_source& clock,
         random_source& random);
  access(const access&) = delete;
  access& operator=(const access&) = delete;
  ~access();

  const etcd_settings settings;
  const time_source& clock;
  random_source& random;

  /// The node that is spoken to now, by its number.
  std::size_t node() const;
  /// Speaks to the next one, unless somebody has left this one before.
  void leave(std::size_t node);

  /// As secret as the password: wipe it.
  std::string token() const;
  bool has_token() const;
  void set_token(std::string token);
  /// Unless there is another one already.
  void drop_token(const std::string& token);

  /// A heartbeat was written, which watches should see.
  void wrote_heartbeat(store_revision at);
  store_revision heartbeat() const {
    return heartbeat_;
  }

  /// What cancel_all() ends.
  void add(http_exchange& exchange);
  void remove(http_exchange& exchange);
  void cancel_all();

private:
  mutable std::mutex mutex_; ///< of all but heartbeat_
  std::vector<http_exchange*> exchanges_;
  bool cancelled_ = false;
  std::size_t node_ = 0;
  std::string token_;
  std::atomic<store_revision> heartbeat_{0};
};

/// What a call came to that had no answer of use.
struct call_failure {
  store_error error;
  status code = status::unavailable; ///< etcd's, if it answered
  bool in_doubt = false;  ///< etcd may have been asked, and may do it yet
  bool too_large = false; ///< it answered with more than is read
};

template <class T>
using call_result = tl::expected<T, call_failure>;

/// What a refusal means for who called.
store_error error_of(const refusal& refused);
/// Whether another node, or the same one later, may well answer otherwise.
bool may_pass(const refusal& refused);
/// Whether another token may help.
bool wants_token(const refusal& refused);

/// Calls on one thread.
class client {
public:
  explicit client(std::shared_ptr<access> shared)
    : shared_(std::move(shared)), back_off_(shared_->random) {
    shared_->add(exchange_);
  }
  client(const client&) = delete;
  client& operator=(const client&) = delete;
  ~client() {
    shared_->remove(exchange_);
    wipe_text(token_);
  }

  /// The answer's text to a request by POST, which is repeated until there is
  /// one, or until `until`: it must be one that can be repeated.
  call_result<std::string>
  call(const char* path, const std::string& body, time_point until);

  /// Whether the last call's request was sent before the sending that had the
  /// answer: then etcd may do it yet.
  bool may_come_late() const {
    return may_come_late_;
  }

  /// Begins a request whose answer is a stream, at the present node.
  store_result<void>
  begin_stream(const char* path, std::string body, time_point until);

  /// Speaks to another node from now on, and waits a while once all of them
  /// have failed in turn; `cancelled`, or nothing.
  store_result<void> try_another(time_point until);
  /// All is well with this node.
  void succeeded();
  /// The last request's token counts no more.
  void drop_token() {
    shared_->drop_token(token_);
  }

  http_exchange& exchange() {
    return exchange_;
  }
  std::shared_ptr<access>& shared() {
    return shared_;
  }
  time_point now() const {
    return shared_->clock.now();
  }
  void cancel() {
    exchange_.cancel();
  }

private:
  struct attempt {
    std::string text; ///< of an answer under status 200
    std::optional<refusal> refused;
    bool cancelled = false;
    bool sent = false;
    bool too_large = false;
  };
  /// To the node that is spoken to from then on.
  http_request request(const char* path, std::string body, std::size_t largest);
  attempt try_once(const char* path, const std::string& body, time_point until);
  /// Has a token, if one is needed.
  call_result<void> authorise(time_point until);
  const std::string& node_name() const {
    return shared_->settings.endpoints[node_];
  }

  std::shared_ptr<access> shared_;
  std::size_t node_ = 0; ///< that the last request went to
  std::string token_;    ///< that it had; empty: none
  bool may_come_late_ = false;
  http_exchange exchange_;
  back_off back_off_;
  std::size_t failed_nodes_ = 0; ///< since one succeeded
};

} // namespace weft::etcd
