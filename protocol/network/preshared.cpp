#include "protocol/network/preshared.hpp"

#include "protocol/base/sodium.hpp"

#include <algorithm>

namespace weft {

namespace {

using sodium::raw;

constexpr std::string_view key_context = "weft psk 1";
constexpr std::string_view chain_context = "weft secret chain 1";
constexpr std::string_view token_context = "weft secret token 1";
constexpr std::size_t nonce_size = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t box_size
  = nonce_size + key_size + crypto_aead_xchacha20poly1305_ietf_ABYTES;

using sealing_key = secret_key<struct sealing_key_purpose>;

/// Nonce, sealed secret and tag; the network and the epoch are bound to them.
byte_vector seal(const sealing_key& key, const epoch_secret& what,
                 const network_id& network, random_source& random) {
  sodium::ensure_ready();
  byte_vector box(box_size);
  random.fill(byte_span(box).first(nonce_size));
  const auto bound = joined({network.bytes, number_bytes(what.epoch)});
  crypto_aead_xchacha20poly1305_ietf_encrypt(
    raw(box.data() + nonce_size), nullptr, raw(what.secret.data()), key_size,
    raw(bound.data()), bound.size(), nullptr, raw(box.data()), raw(key.data()));
  return box;
}

std::optional<epoch_secret>
open(const sealing_key& key, std::uint64_t epoch, const_byte_span box,
     const network_id& network) {
  sodium::ensure_ready();
  if (box.size() != box_size)
    return std::nullopt;
  epoch_secret result;
  result.epoch = epoch;
  const auto bound = joined({network.bytes, number_bytes(epoch)});
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(
        raw(result.secret.data()), nullptr, nullptr,
        raw(box.data() + nonce_size), box.size() - nonce_size,
        raw(bound.data()), bound.size(), raw(box.data()), raw(key.data()))
      != 0)
    return std::nullopt;
  return result;
}

sealing_key chain_key(const epoch_secret& former, const network_id& network) {
  sealing_key key;
  hkdf_sha256(former.secret.bytes(), network.bytes,
              joined({bytes_of(chain_context), number_bytes(former.epoch)}),
              key.bytes());
  return key;
}

/// The key of a box for `token` (its X25519 form) that begins with `ephemeral`.
std::optional<sealing_key>
token_key(const private_key& own, const public_key& other,
          const public_key& ephemeral, const public_key& token) {
  shared_secret shared;
  if (crypto_scalarmult_curve25519(raw(shared.data()), raw(own.data()),
                                   raw(other.bytes.data()))
      != 0)
    return std::nullopt;
  sealing_key key;
  hkdf_sha256(shared.bytes(), bytes_of(token_context),
              joined({ephemeral.bytes, token.bytes}), key.bytes());
  return key;
}

/// The Curve25519 key of an Ed25519 one; nothing if it is no point.
std::optional<public_key> to_curve(const verifying_key& key) {
  sodium::ensure_ready();
  public_key result;
  if (crypto_sign_ed25519_pk_to_curve25519(raw(result.bytes.data()),
                                           raw(key.bytes.data()))
      != 0)
    return std::nullopt;
  return result;
}

/// As libsodium derives it: the scalar that an Ed25519 seed stands for.
private_key to_curve(const signing_seed& seed) {
  byte_array<crypto_hash_sha512_BYTES> hash{};
  crypto_hash_sha512(raw(hash.data()), raw(seed.data()), signing_seed::size);
  private_key key{std::span(hash).first<key_size>()};
  sodium_memzero(hash.data(), hash.size());
  clamp(key);
  return key;
}

} // namespace

preshared_key
derive_preshared_key(const network_secret& secret, const network_id& network,
                     std::uint64_t epoch, const public_key& a,
                     const public_key& b) {
  preshared_key key;
  hkdf_sha256(secret.bytes(), network.bytes,
              joined({bytes_of(key_context), number_bytes(epoch),
                      std::min(a, b).bytes, std::max(a, b).bytes}),
              key.bytes());
  return key;
}

preshared_epochs::preshared_epochs(std::vector<held_secret> kept)
  : held_(std::move(kept)) {
  std::sort(held_.begin(), held_.end(), [](const auto& a, const auto& b) {
    return a.of.epoch > b.of.epoch;
  });
  const auto same
    = std::unique(held_.begin(), held_.end(), [](const auto& a, const auto& b) {
        return a.of.epoch == b.of.epoch;
      });
  held_.erase(same, held_.end());
  if (held_.size() > most)
    held_.resize(most);
  if (!held_.empty())
    held_.front().until = network_time::max();
}

bool preshared_epochs::add(epoch_secret next, network_time now) {
  if (next.epoch <= newest())
    return false;
  if (!held_.empty())
    held_.front().until = now + overlap;
  held_.insert(held_.begin(), {std::move(next)});
  if (held_.size() > most)
    held_.pop_back();
  return true;
}

void preshared_epochs::retire(network_time now) {
  std::erase_if(held_,
                [&](const held_secret& each) { return now >= each.until; });
}

std::vector<std::uint64_t> preshared_epochs::to_try() const {
  std::vector<std::uint64_t> epochs;
  for (const auto& each : held_)
    epochs.push_back(each.of.epoch);
  return epochs;
}

std::optional<preshared_key>
preshared_epochs::key_of(std::uint64_t epoch, const network_id& network,
                         const public_key& self, const public_key& peer) const {
  for (const auto& each : held_) {
    if (each.of.epoch == epoch)
      return derive_preshared_key(each.of.secret, network, epoch, self, peer);
  }
  return std::nullopt;
}

sealed_secret seal_under(const epoch_secret& former, const epoch_secret& next,
                         const network_id& network, random_source& random) {
  return {next.epoch, seal(chain_key(former, network), next, network, random)};
}

std::optional<epoch_secret>
open_under(const epoch_secret& former, const sealed_secret& sealed,
           const network_id& network) {
  return open(chain_key(former, network), sealed.epoch, sealed.box, network);
}

std::optional<sealed_secret>
seal_for_token(const verifying_key& token, const epoch_secret& secret,
               const network_id& network, random_source& random) {
  const auto curve = to_curve(token);
  if (!curve)
    return std::nullopt;
  const auto own = generate_private_key(random);
  const auto ephemeral = derive_public_key(own);
  const auto key = token_key(own, *curve, ephemeral, *curve);
  if (!key)
    return std::nullopt;
  const auto box = seal(*key, secret, network, random);
  return sealed_secret{secret.epoch, joined({ephemeral.bytes, box})};
}

std::optional<epoch_secret>
open_with_token(const signing_seed& seed, const sealed_secret& sealed,
                const network_id& network) {
  if (sealed.box.size() != key_size + box_size)
    return std::nullopt;
  const auto own = to_curve(seed);
  public_key ephemeral;
  std::copy_n(sealed.box.begin(), key_size, ephemeral.bytes.begin());
  const auto key = token_key(own, ephemeral, ephemeral, derive_public_key(own));
  if (!key)
    return std::nullopt;
  return open(*key, sealed.epoch, const_byte_span(sealed.box).subspan(key_size),
              network);
}

} // namespace weft
