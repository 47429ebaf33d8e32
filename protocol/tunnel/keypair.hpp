// The keys of one session and what counts against them (paper, 5.4.5-5.4.6).
#pragma once

#include "protocol/base/boxed.hpp"
#include "protocol/base/wireguard.hpp"
#include "protocol/tunnel/noise.hpp"
#include "protocol/tunnel/replay_window.hpp"
#include "protocol/tunnel/transport_cipher.hpp"

#include <memory>
#include <utility>

namespace weft {

/// A keypair as values.
struct keypair_state {
  secret<key_size> send;
  secret<key_size> receive;
  std::uint32_t local_index = 0;  ///< in messages to us
  std::uint32_t remote_index = 0; ///< in messages to the peer
  bool initiator = false;         ///< whether we initiated it
  time_point created{};
  /// The first counter that is not reserved: none below it is used again.
  std::uint64_t send_counter = 0;
  replay_window window;
};

struct keypair {
  keypair(const session_keys& keys, std::uint32_t local, std::uint32_t remote,
          bool is_initiator, time_point now)
    : send(keys.send), receive(keys.receive), local_index(local),
      remote_index(remote), initiator(is_initiator), created(now) {
  }
  explicit keypair(const keypair_state& from)
    : send(from.send), receive(from.receive), local_index(from.local_index),
      remote_index(from.remote_index), initiator(from.initiator),
      created(from.created), send_counter(from.send_counter),
      window(from.window) {
  }
  keypair_state save() const {
    return {send.key(), receive.key(), local_index,  remote_index,
            initiator,  created,       send_counter, window};
  }

  transport_cipher send;
  transport_cipher receive;
  std::uint32_t local_index;
  std::uint32_t remote_index;
  bool initiator;
  time_point created;
  std::uint64_t send_counter = 0; ///< the first that is not reserved
  replay_window window;

  bool expired(time_point now) const {
    return now - created >= limits::reject_after_time;
  }
  /// Whether so many messages may still be sent.
  bool has_counters(std::uint64_t messages) const {
    return limits::reject_after_messages - send_counter >= messages;
  }
  /// The first of `messages` counters in a row, for the caller alone.
  std::uint64_t reserve(std::uint64_t messages) {
    return std::exchange(send_counter, send_counter + messages);
  }
};

/// What became of our handshake if the peer had begun one at the same time.
/// The paper is silent on it.  Both handshakes succeed, and the side with the
/// greater public key prevails: its session is the one that both go on with, so
/// that one side only renews it.
enum class crossing { none, prevails, yields };

/// The three sessions that a peer may have at a time: a new one does not cut
/// off messages that are still under way on the former.
class keypairs {
public:
  /// The three as values.
  struct state {
    boxed<keypair_state> current;
    boxed<keypair_state> previous;
    boxed<keypair_state> next;
    bool next_is_final = false;
  };

  state save() const {
    return {saved(current_), saved(previous_), saved(next_), next_is_final_};
  }
  void restore(const state& from) {
    current_ = restored(from.current);
    previous_ = restored(from.previous);
    next_ = restored(from.next);
    next_is_final_ = from.next_is_final;
  }

  keypair* current() const {
    return current_.get();
  }
  bool empty() const {
    return !current_ && !previous_ && !next_;
  }

  /// The session that a received message names.
  keypair* find(std::uint32_t local_index) const {
    for (auto* pair : {current_.get(), previous_.get(), next_.get()}) {
      if (pair != nullptr && pair->local_index == local_index)
        return pair;
    }
    return nullptr;
  }

  /// A session that we initiated may be used at once: the response confirmed
  /// it.  One that we responded to waits until the initiator uses it.
  void add(std::unique_ptr<keypair> fresh, crossing crossed = crossing::none) {
    if (!fresh->initiator) {
      next_ = std::move(fresh);
      next_is_final_ = false;
      previous_.reset();
      return;
    }
    if (next_ && !next_is_final_ && crossed != crossing::none) {
      // The peer may go on with each of the three for a while.
      previous_ = std::move(current_);
      next_is_final_ = crossed == crossing::prevails;
    } else {
      previous_
        = next_ && !next_is_final_ ? std::move(next_) : std::move(current_);
      next_.reset();
    }
    current_ = std::move(fresh);
  }

  /// To be called for the session of each authenticated message.  True if it
  /// was the one that waited for its first use.
  bool confirm(const keypair* used) {
    if (used != next_.get() || next_is_final_)
      return false;
    previous_ = std::move(current_);
    current_ = std::move(next_);
    return true;
  }

  void clear() {
    current_.reset();
    previous_.reset();
    next_.reset();
  }

private:
  static boxed<keypair_state> saved(const std::unique_ptr<keypair>& keys) {
    return keys ? boxed(keys->save()) : boxed<keypair_state>();
  }
  static std::unique_ptr<keypair> restored(const boxed<keypair_state>& from) {
    return from ? std::make_unique<keypair>(*from) : nullptr;
  }

  std::unique_ptr<keypair> current_;
  std::unique_ptr<keypair> previous_;
  std::unique_ptr<keypair> next_;
  bool next_is_final_ = false; ///< only to receive with: another has prevailed
};

} // namespace weft
