// Preshared keys between all members (rule of the design: a secret of the whole
// network and an epoch give every pair a key of its own).
//
// They protect recorded traffic against outsiders who break elliptic curves
// later; not members from each other, for all have the secret.
#pragma once

#include "protocol/base/keys.hpp"
#include "protocol/network/refusal.hpp"
#include "protocol/network/signing.hpp"

#include <optional>
#include <vector>

namespace weft {

/// Of one epoch, drawn by the issuer.
using network_secret = secret_key<struct network_secret_purpose>;

/// HKDF-SHA256(secret; salt: network id; info: "weft psk 1", epoch, the lesser
/// key, the greater key).  The same from both sides.
preshared_key
derive_preshared_key(const network_secret& secret, const network_id& network,
                     std::uint64_t epoch, const public_key& a,
                     const public_key& b);

struct epoch_secret {
  std::uint64_t epoch = 0;
  network_secret secret;
};

/// The secrets that a member has: the newest one and, for a day after the next
/// one came, each before it, so that an epoch reaches everybody without a lost
/// packet, however soon another one follows.
///
/// The responder uses the epoch that the initiator's record names; the
/// initiator tries all.
class preshared_epochs {
public:
  static constexpr std::chrono::hours overlap{24};
  /// Of more within a day the oldest ones go before their time.
  static constexpr std::size_t most = 8;

  struct held_secret {
    epoch_secret of;
    network_time until = network_time::max(); ///< the newest one's
  };

  preshared_epochs() = default;
  /// What held() gave another one; more than `most` are left out.
  explicit preshared_epochs(std::vector<held_secret> kept);

  /// Takes over a newer one.  False: it is not newer.
  bool add(epoch_secret next, network_time now);
  /// Wipes what has had its day.
  void retire(network_time now);

  bool empty() const {
    return held_.empty();
  }
  /// 0: none.
  std::uint64_t newest() const {
    return held_.empty() ? 0 : held_.front().of.epoch;
  }
  /// Newest first, to be kept on disk.
  const std::vector<held_secret>& held() const {
    return held_;
  }
  /// In the order in which an initiator tries them.
  std::vector<std::uint64_t> to_try() const;
  /// Nothing: that epoch is not here.
  std::optional<preshared_key>
  key_of(std::uint64_t epoch, const network_id& network, const public_key& self,
         const public_key& peer) const;

private:
  std::vector<held_secret> held_; ///< newest first
};

/// Of its box, as others send it.
inline constexpr std::size_t most_sealed_bytes = 256;

/// An epoch's secret as it may lie in a store.
struct sealed_secret {
  std::uint64_t epoch = 0;
  byte_vector box;

  bool operator==(const sealed_secret&) const = default;
};

/// For the members, under the secret before it.
sealed_secret seal_under(const epoch_secret& former, const epoch_secret& next,
                         const network_id& network, random_source& random);
std::optional<epoch_secret>
open_under(const epoch_secret& former, const sealed_secret& sealed,
           const network_id& network);

/// For who will join with a token, of whom the issuer knows the public half
/// only.
std::optional<sealed_secret>
seal_for_token(const verifying_key& token, const epoch_secret& secret,
               const network_id& network, random_source& random);
std::optional<epoch_secret>
open_with_token(const signing_seed& seed, const sealed_secret& sealed,
                const network_id& network);

} // namespace weft
