#include "protocol/tunnel/noise.hpp"

#include "protocol/base/sodium.hpp"
#include "protocol/tunnel/blake2s.hpp"

#include <algorithm>
#include <string_view>
#include <tuple>

namespace weft {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view construction
  = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
constexpr std::string_view identifier = "WireGuard v1 zx2c4 Jason@zx2c4.com";

static_assert(aead_tag_size == crypto_aead_chacha20poly1305_ietf_ABYTES);

const_byte_span as_span(std::string_view text) {
  return std::as_bytes(std::span(text));
}

/// HASH(CONSTRUCTION), the chaining key that every handshake begins with.
const noise_hash& initial_chaining_key() {
  static const auto value = blake2s::hash({as_span(construction)});
  return value;
}

/// HASH(HASH(HASH(CONSTRUCTION) || IDENTIFIER) || responder's public key)
noise_hash initial_hash_of(const public_key& responder) {
  static const auto protocol
    = blake2s::hash({initial_chaining_key(), as_span(identifier)});
  return blake2s::hash({protocol, responder.bytes});
}

/// X25519 (RFC 7748).  False if the result is all zero: the public key is of
/// low order and the result would be no secret.
[[nodiscard]] bool diffie_hellman(const private_key& own,
                                  const public_key& other, shared_secret& out) {
  sodium::ensure_ready();
  return crypto_scalarmult_curve25519(sodium::raw(out.data()),
                                      sodium::raw(own.data()),
                                      sodium::raw(other.bytes.data()))
         == 0;
}

// AEAD of the paper with counter 0: a handshake key is used once.
constexpr byte_array<crypto_aead_chacha20poly1305_ietf_NPUBBYTES> zero_nonce{};

void seal(const secret<key_size>& key, const_byte_span text,
          const noise_hash& hash, byte_span out) {
  sodium::ensure_ready();
  crypto_aead_chacha20poly1305_ietf_encrypt(
    sodium::raw(out.data()), nullptr, sodium::raw(text.data()), text.size(),
    sodium::raw(hash.data()), hash.size(), nullptr,
    sodium::raw(zero_nonce.data()), sodium::raw(key.data()));
}

[[nodiscard]] bool open(const secret<key_size>& key, const_byte_span sealed,
                        const noise_hash& hash, std::byte* out) {
  sodium::ensure_ready();
  return crypto_aead_chacha20poly1305_ietf_decrypt(
           sodium::raw(out), nullptr, nullptr, sodium::raw(sealed.data()),
           sealed.size(), sodium::raw(hash.data()), hash.size(),
           sodium::raw(zero_nonce.data()), sodium::raw(key.data()))
         == 0;
}

/// Noise's symmetric state for the length of one function: the chaining key
/// and the hash that a handshake object keeps are copied in, advanced by its
/// tokens and, on success, copied out.
struct transcript {
  noise_chaining_key chaining_key;
  noise_hash hash{};

  void mix_hash(const_byte_span bytes) {
    hash = blake2s::hash({hash, bytes});
  }

  /// e: an ephemeral key, which psk handshakes mix into the chaining key too.
  void mix_ephemeral(const public_key& ephemeral) {
    blake2s::kdf1(chaining_key, ephemeral.bytes, chaining_key);
    mix_hash(ephemeral.bytes);
  }

  void mix_key(const shared_secret& input) {
    blake2s::kdf1(chaining_key, input.bytes(), chaining_key);
  }

  /// A key for the AEAD that follows comes with it.
  void mix_key(const shared_secret& input, secret<key_size>& aead_key) {
    blake2s::kdf2(chaining_key, input.bytes(), chaining_key, aead_key);
  }

  [[nodiscard]] bool mix_dh(const private_key& own, const public_key& other) {
    shared_secret shared;
    if (!diffie_hellman(own, other, shared))
      return false;
    mix_key(shared);
    return true;
  }

  [[nodiscard]] bool mix_dh(const private_key& own, const public_key& other,
                            secret<key_size>& aead_key) {
    shared_secret shared;
    if (!diffie_hellman(own, other, shared))
      return false;
    mix_key(shared, aead_key);
    return true;
  }

  void mix_psk(const preshared_key& psk, secret<key_size>& aead_key) {
    secret<key_size> for_hash;
    blake2s::kdf3(chaining_key, psk.bytes(), chaining_key, for_hash, aead_key);
    mix_hash(for_hash.bytes());
  }

  /// Seals `text` to `out` and takes the result into the hash.
  void seal_and_mix(const secret<key_size>& key, const_byte_span text,
                    byte_span out) {
    seal(key, text, hash, out);
    mix_hash(out);
  }

  [[nodiscard]] bool open_and_mix(const secret<key_size>& key,
                                  const_byte_span sealed, std::byte* out) {
    if (!open(key, sealed, hash, out))
      return false;
    mix_hash(sealed);
    return true;
  }

  /// The two transport keys: the initiator's sending key is the first.
  void split(secret<key_size>& first, secret<key_size>& second) const {
    blake2s::kdf2(chaining_key, {}, first, second);
  }
};

transcript begin(const noise_hash& responder_hash) {
  return {noise_chaining_key(initial_chaining_key()), responder_hash};
}

/// The end of a response: psk, {}.  Nothing: it was made with another key.
std::optional<session_keys>
finish_with(transcript progress, const preshared_key& psk,
            std::span<const std::byte, wire::response_size> response) {
  secret<key_size> key;
  progress.mix_psk(psk, key);
  if (!open(key, response.subspan<wire::response_empty, aead_tag_size>(),
            progress.hash, nullptr))
    return std::nullopt;
  session_keys keys;
  progress.split(keys.send, keys.receive);
  return keys;
}

public_key read_public_key(const_byte_span message, std::size_t offset) {
  public_key key;
  std::memcpy(key.bytes.data(), message.data() + offset, key_size);
  return key;
}

void write_public_key(const public_key& key, byte_span message,
                      std::size_t offset) {
  std::memcpy(message.data() + offset, key.bytes.data(), key_size);
}

void write_type(message_type type, byte_span message) {
  std::fill(message.begin(), message.end(), std::byte{0});
  message[0] = static_cast<std::byte>(type);
}

} // namespace

tai64n to_tai64n(wall_time wall) {
  constexpr std::uint64_t epoch = 0x400000000000000a;
  constexpr std::uint32_t granularity = 1u << 24;
  const auto since_epoch = wall.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  const auto nanos = static_cast<std::uint32_t>((since_epoch - seconds) / 1ns);
  tai64n label{};
  store_be(label.data(), epoch + static_cast<std::uint64_t>(seconds.count()));
  store_be(label.data() + 8, nanos / granularity * granularity);
  return label;
}

std::chrono::seconds seconds_of(const tai64n& label) {
  // What a peer sends may be any number: of two that are not negative the
  // difference does not overflow.
  constexpr std::uint64_t most = ~std::uint64_t{0} >> 1;
  return std::chrono::seconds{static_cast<std::int64_t>(
    std::min(load_be<std::uint64_t>(label.data()), most))};
}

identity::identity(const private_key& key)
  : private_(key), public_(derive_public_key(key)),
    initial_hash_(initial_hash_of(public_)) {
}

std::optional<static_pair>
static_pair::create(const identity& self, const public_key& peer) {
  static_pair pair{peer, {}, initial_hash_of(peer)};
  if (!diffie_hellman(self.private_static(), peer, pair.static_static))
    return std::nullopt;
  return pair;
}

std::optional<noise_initiator>
noise_initiator::start(const identity& self, const static_pair& peer,
                       std::uint32_t sender, const tai64n& timestamp,
                       random_source& random,
                       std::span<std::byte, wire::initiation_size> out) {
  auto state = begin(peer.peer_initial_hash);
  noise_initiator result;
  secret<key_size> key;
  write_type(message_type::initiation, out);
  store_le(out.data() + wire::initiation_sender, sender);
  // e
  result.state_.ephemeral = generate_private_key(random);
  const auto ephemeral = derive_public_key(result.state_.ephemeral);
  write_public_key(ephemeral, out, wire::initiation_ephemeral);
  state.mix_ephemeral(ephemeral);
  // es
  if (!state.mix_dh(result.state_.ephemeral, peer.peer, key))
    return std::nullopt;
  // s
  state.seal_and_mix(
    key, self.public_static().bytes,
    out.subspan<wire::initiation_static, key_size + aead_tag_size>());
  // ss
  state.mix_key(peer.static_static, key);
  // {timestamp}
  state.seal_and_mix(key, timestamp,
                     out.subspan<wire::initiation_timestamp,
                                 wire::timestamp_size + aead_tag_size>());
  result.state_.chaining_key = state.chaining_key;
  result.state_.hash = state.hash;
  return result;
}

std::optional<session_keys> noise_initiator::finish(
  const identity& self, const preshared_key& psk,
  std::span<const std::byte, wire::response_size> response,
  std::span<const preshared_key> others) const {
  transcript progress{state_.chaining_key, state_.hash};
  // e
  const auto ephemeral = read_public_key(response, wire::response_ephemeral);
  progress.mix_ephemeral(ephemeral);
  // ee, se
  if (!progress.mix_dh(state_.ephemeral, ephemeral)
      || !progress.mix_dh(self.private_static(), ephemeral))
    return std::nullopt;
  auto keys = finish_with(progress, psk, response);
  for (std::size_t i = 0; !keys && i < others.size(); ++i)
    keys = finish_with(progress, others[i], response);
  return keys;
}

std::optional<noise_claim> noise_claim::open(
  const identity& self,
  std::span<const std::byte, wire::initiation_size> initiation) {
  auto state = begin(self.initial_hash());
  noise_claim claim;
  secret<key_size> key;
  claim.sender_
    = load_le<std::uint32_t>(initiation.data() + wire::initiation_sender);
  // e
  claim.ephemeral_ = read_public_key(initiation, wire::initiation_ephemeral);
  state.mix_ephemeral(claim.ephemeral_);
  // es
  if (!state.mix_dh(self.private_static(), claim.ephemeral_, key))
    return std::nullopt;
  // s
  if (!state.open_and_mix(
        key,
        initiation.subspan<wire::initiation_static, key_size + aead_tag_size>(),
        claim.initiator_.bytes.data()))
    return std::nullopt;
  const auto sealed
    = initiation.subspan<wire::initiation_timestamp,
                         wire::timestamp_size + aead_tag_size>();
  std::copy(sealed.begin(), sealed.end(), claim.sealed_timestamp_.begin());
  claim.chaining_key_ = state.chaining_key;
  claim.hash_ = state.hash;
  return claim;
}

std::optional<noise_responder>
noise_responder::accept(const noise_claim& claim, const static_pair& peer) {
  transcript state{claim.chaining_key_, claim.hash_};
  noise_responder result;
  secret<key_size> key;
  // ss
  state.mix_key(peer.static_static, key);
  // {timestamp}
  if (!state.open_and_mix(key, claim.sealed_timestamp_,
                          result.timestamp_.data()))
    return std::nullopt;
  result.chaining_key_ = state.chaining_key;
  result.hash_ = state.hash;
  result.initiator_ = claim.initiator_;
  result.ephemeral_ = claim.ephemeral_;
  result.receiver_ = claim.sender_;
  return result;
}

std::optional<session_keys>
noise_responder::respond(const preshared_key& psk, std::uint32_t sender,
                         random_source& random,
                         std::span<std::byte, wire::response_size> out) const {
  transcript state{chaining_key_, hash_};
  secret<key_size> key;
  write_type(message_type::response, out);
  store_le(out.data() + wire::response_sender, sender);
  store_le(out.data() + wire::response_receiver, receiver_);
  // e
  const auto own = generate_private_key(random);
  const auto ephemeral = derive_public_key(own);
  write_public_key(ephemeral, out, wire::response_ephemeral);
  state.mix_ephemeral(ephemeral);
  // ee, se
  if (!state.mix_dh(own, ephemeral_) || !state.mix_dh(own, initiator_))
    return std::nullopt;
  // psk
  state.mix_psk(psk, key);
  // {}
  state.seal_and_mix(key, {},
                     out.subspan<wire::response_empty, aead_tag_size>());
  session_keys keys;
  state.split(keys.receive, keys.send);
  return keys;
}

void prepare_handshakes() {
  const identity example{private_key{}}; // whose keys are nobody's
  std::ignore = static_pair::create(example, example.public_static());
  std::ignore = blake2s::mac(example.public_static().bytes, {});
}

} // namespace weft
