// Work for another thread than the packets': a batch that is to be sealed, or a
// chain that is to be opened.
#pragma once

#include "messages/batches.hpp"
#include "messages/shared.hpp"
#include "protocol/tunnel/ticket_line.hpp"
#include "protocol/tunnel/transport_message.hpp"

#include <atomic>
#include <optional>
#include <variant>

namespace weft {

class cipher_job;
using cipher_job_pool = batch_pool<cipher_job>;
using cipher_job_ptr = cipher_job_pool::pointer;

/// Whoever has begun a job, and nobody else, does it.  Its peer hears how it
/// ended, whatever happens.
class begun_job {
public:
  explicit begun_job(cipher_job_ptr job) : job_(std::move(job)) {
  }
  begun_job(begun_job&&) = default;
  begun_job& operator=(begun_job&&) = delete;
  ~begun_job();

  void perform();
  /// Nothing was done, and its peer may do it.
  void give_back();
  /// Nothing was done, and nobody may do it any more.
  void call_off();

private:
  cipher_job_ptr job_;
};

/// What is to be done, and for whom.  Its peer fills it, hands it over by
/// share(), and reads it again when it hears of the end.
class cipher_job : public pooled<cipher_job> {
public:
  /// What is smaller is done sooner than it is handed over, in bytes.
  static constexpr std::size_t least = std::size_t{32} << 10;

  struct sealing {
    outgoing_ptr batch;
    seal_order order;
  };
  struct opening {
    incoming_ptr batch;
    std::uint16_t first = 0; ///< of the chain
    routes_ptr allowed{};    ///< that the chain came with
    /// Of the session that the key is of: what is of another one is not opened.
    std::uint32_t index = 0;
    shared_key key{};
  };
  enum class outcome : std::uint8_t {
    failed, ///< half of it may have been done: it must not be done again
    given_back,
    called_off,
    done,
  };

  std::variant<std::monostate, sealing, opening> what;
  ticket_number ticket = 0;
  unsigned epoch = 0;     ///< of the session, when it was handed over
  caf::actor owner;       ///< the peer
  std::uint64_t size = 0; ///< datagrams

  void clear();

  /// To be called before others see it.
  void hand_over() {
    ended_.store(false, std::memory_order_relaxed);
    outcome_ = outcome::failed;
    begun_.store(false, std::memory_order_release);
  }
  /// Nothing: somebody else has begun it.
  std::optional<begun_job> begin();
  bool is_begun() const {
    return begun_.load(std::memory_order_relaxed);
  }
  /// It may be asked how then.
  bool has_ended() const {
    return ended_.load(std::memory_order_acquire);
  }
  outcome ended() const {
    return outcome_;
  }
  /// By its peer, when it was given back.
  void perform();

private:
  friend class begun_job;

  void end(outcome how) noexcept;
  void drop_keys();

  std::atomic<bool> begun_{true};
  std::atomic<bool> ended_{false};
  outcome outcome_ = outcome::failed;
};

} // namespace weft
