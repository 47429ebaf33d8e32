// The handshake Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (WireGuard paper,
// section 5.4; Noise revision 34).  Messages in, messages and keys out; the
// MACs at the end of the messages are cookie.hpp's.
//
//   initiation:  -> e, es, s, ss, {timestamp}
//   response:    <- e, ee, se, psk, {}
#pragma once

#include "protocol/base/keys.hpp"
#include "protocol/base/time.hpp"
#include "protocol/base/wireguard.hpp"

#include <memory>
#include <optional>

namespace weft {

using noise_hash = byte_array<32>;
using noise_chaining_key = secret_key<struct noise_chaining_key_purpose>;

/// A TAI64N label (paper, 5.1): 12 bytes big-endian that compare as time.
using tai64n = byte_array<wire::timestamp_size>;

/// `wall` as a TAI64N label, rounded down to 2^24 ns so that it tells little
/// about the host (as the kernel does).
tai64n to_tai64n(wall_time wall);

/// A label's whole seconds.  Only differences mean anything.
std::chrono::seconds seconds_of(const tai64n& label);

/// Our static key pair with what follows from it.
class identity {
public:
  explicit identity(const private_key& key);

  const private_key& private_static() const {
    return private_;
  }
  const public_key& public_static() const {
    return public_;
  }
  /// HASH(HASH(HASH(CONSTRUCTION) || IDENTIFIER) || our public key)
  const noise_hash& initial_hash() const {
    return initial_hash_;
  }

private:
  private_key private_;
  public_key public_;
  noise_hash initial_hash_;
};

/// The keys that a handshake ends with, as each side names them.
struct session_keys {
  secret<key_size> send;
  secret<key_size> receive;
};

/// What both sides know of each other before a handshake.
struct static_pair {
  /// Nothing if the peer's key is of low order (all-zero result) and no
  /// handshake is possible with it.
  static std::optional<static_pair>
  create(const identity& self, const public_key& peer);

  public_key peer;
  shared_secret static_static;    ///< DH(own static, peer's static)
  noise_hash peer_initial_hash{}; ///< initial_hash() of the peer's identity
};

/// The initiator between its initiation and the response.
class noise_initiator {
public:
  /// Between the two messages.
  struct state {
    noise_chaining_key chaining_key;
    noise_hash hash{};
    private_key ephemeral;
  };
  explicit noise_initiator(const state& from) : state_(from) { // NOLINT
  }
  const state& save() const {
    return state_;
  }

  /// Writes an initiation (without MACs) with `sender` as our index.
  /// Nothing if a Diffie-Hellman result is all zero.
  static std::optional<noise_initiator>
  start(const identity& self, const static_pair& peer, std::uint32_t sender,
        const tai64n& timestamp, random_source& random,
        std::span<std::byte, wire::initiation_size> out);

  /// Checks a response and derives the keys.  The state is unchanged and can
  /// be used again when the response is wrong (nothing is returned).  What
  /// `psk` does not open one of `others` may.
  std::optional<session_keys>
  finish(const identity& self, const preshared_key& psk,
         std::span<const std::byte, wire::response_size> response,
         std::span<const preshared_key> others = {}) const;

private:
  noise_initiator() = default;

  state state_;
};

/// Has the libraries of a handshake read and look up now what they otherwise do
/// at the first one, which takes milliseconds.
void prepare_handshakes();

/// An initiation of which e, es and s have been read: it names the initiator,
/// who has not proved anything yet.  Costs one Diffie-Hellman operation.
class noise_claim {
public:
  static std::optional<noise_claim>
  open(const identity& self,
       std::span<const std::byte, wire::initiation_size> initiation);

  const public_key& initiator() const {
    return initiator_;
  }
  std::uint32_t sender() const {
    return sender_;
  }

private:
  friend class noise_responder;
  noise_claim() = default;

  public_key initiator_;
  std::uint32_t sender_ = 0;
  noise_chaining_key chaining_key_;
  noise_hash hash_{};
  public_key ephemeral_;
  byte_array<wire::timestamp_size + aead_tag_size> sealed_timestamp_{};
};

/// The responder after the whole initiation is authenticated.
class noise_responder {
public:
  /// Reads ss and the timestamp.  Nothing if the initiation is forged.  The
  /// caller compares timestamp() with the newest it has seen.
  static std::optional<noise_responder>
  accept(const noise_claim& claim, const static_pair& peer);

  const tai64n& timestamp() const {
    return timestamp_;
  }
  /// The initiator's index, which goes into our messages.
  std::uint32_t receiver() const {
    return receiver_;
  }

  /// Writes the response (without MACs) and derives the keys.  Nothing if a
  /// Diffie-Hellman result is all zero.
  std::optional<session_keys>
  respond(const preshared_key& psk, std::uint32_t sender, random_source& random,
          std::span<std::byte, wire::response_size> out) const;

private:
  noise_responder() = default;

  noise_chaining_key chaining_key_;
  noise_hash hash_{};
  public_key initiator_;
  public_key ephemeral_;
  std::uint32_t receiver_ = 0;
  tai64n timestamp_{};
};

} // namespace weft
