#include "protocol/network/preshared.hpp"
#include "protocol/network/revocations.hpp"
#include "protocol/network/time_floor.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/network_support.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

epoch_secret some_secret(std::uint64_t epoch) {
  deterministic_random random(epoch);
  epoch_secret made{epoch, {}};
  random.fill(made.secret.bytes());
  return made;
}

const auto network = some_root().network;
const auto a = some_member(1).key;
const auto b = some_member(2).key;

} // namespace

TEST_CASE("Each pair of members has a key of its own in each epoch") {
  const auto secret = some_secret(1);
  const auto key = derive_preshared_key(secret.secret, network, 1, a, b);
  CHECK(key == derive_preshared_key(secret.secret, network, 1, b, a));
  CHECK_FALSE(key.is_zero());
  CHECK_FALSE(key == derive_preshared_key(secret.secret, network, 2, a, b));
  CHECK_FALSE(key
              == derive_preshared_key(some_secret(2).secret, network, 1, a, b));
  CHECK_FALSE(
    key
    == derive_preshared_key(secret.secret, network, 1, a, some_member(3).key));
  CHECK_FALSE(key
              == derive_preshared_key(secret.secret, network_id{}, 1, a, b));
  // What the rule says, in its own words.
  byte_array<32> expected{};
  hkdf_sha256(secret.secret.bytes(), network.bytes,
              joined({bytes_of("weft psk 1"), number_bytes(1),
                      a < b ? a.bytes : b.bytes, a < b ? b.bytes : a.bytes}),
              expected);
  CHECK(hex(key.bytes()) == hex(expected));
}

TEST_CASE("A new epoch stands beside the one before it for a day") {
  preshared_epochs epochs;
  CHECK(epochs.empty());
  CHECK(epochs.to_try().empty());
  CHECK(epochs.add(some_secret(4), noon));
  CHECK_FALSE(epochs.add(some_secret(4), noon));
  CHECK_FALSE(epochs.add(some_secret(3), noon));
  CHECK(epochs.add(some_secret(5), noon));
  CHECK(epochs.newest() == 5);
  CHECK(epochs.to_try() == std::vector<std::uint64_t>{5, 4});
  CHECK(epochs.key_of(4, network, a, b)
        == derive_preshared_key(some_secret(4).secret, network, 4, b, a));
  CHECK_FALSE(epochs.key_of(3, network, a, b));
  epochs.retire(noon + 24h - 1s);
  CHECK(epochs.key_of(4, network, a, b));
  epochs.retire(noon + 24h);
  CHECK_FALSE(epochs.key_of(4, network, a, b));
  CHECK(epochs.key_of(5, network, a, b));
}

TEST_CASE("Of several epochs within a day each stands for a day after the next "
          "one came") {
  preshared_epochs epochs;
  epochs.add(some_secret(1), noon);
  epochs.add(some_secret(2), noon + 1h);
  epochs.add(some_secret(3), noon + 2h);
  CHECK(epochs.to_try() == std::vector<std::uint64_t>{3, 2, 1});
  CHECK(epochs.key_of(1, network, a, b)
        == derive_preshared_key(some_secret(1).secret, network, 1, a, b));
  epochs.retire(noon + 25h - 1s);
  CHECK(epochs.to_try().size() == 3);
  epochs.retire(noon + 25h);
  CHECK(epochs.to_try() == std::vector<std::uint64_t>{3, 2});
  epochs.retire(noon + 26h);
  CHECK(epochs.to_try() == std::vector<std::uint64_t>{3});

  for (std::uint64_t epoch = 4; epoch < 20; ++epoch)
    epochs.add(some_secret(epoch), noon + 26h);
  CHECK(epochs.to_try()
        == std::vector<std::uint64_t>{19, 18, 17, 16, 15, 14, 13, 12});
}

TEST_CASE("A secret lies in a store only sealed") {
  deterministic_random random(9);
  const auto former = some_secret(1);
  const auto next = some_secret(2);
  const auto sealed = seal_under(former, next, network, random);
  CHECK(open_under(former, sealed, network)->secret == next.secret);
  CHECK_FALSE(open_under(some_secret(3), sealed, network));
  CHECK_FALSE(open_under(former, sealed, network_id{}));
  auto renamed = sealed;
  renamed.epoch = 3;
  CHECK_FALSE(open_under(former, renamed, network));

  const auto seed = draw_signing_seed(random);
  const auto token = derive_verifying_key(seed);
  const auto for_token = seal_for_token(token, next, network, random).value();
  CHECK(open_with_token(seed, for_token, network)->secret == next.secret);
  CHECK_FALSE(open_with_token(draw_signing_seed(random), for_token, network));
  for (const auto* whole : {&sealed, &for_token}) {
    for (std::size_t i = 0; i < whole->box.size(); ++i) {
      auto changed = *whole;
      changed.box[i] ^= std::byte{1};
      CHECK_FALSE(open_under(former, changed, network));
      CHECK_FALSE(open_with_token(seed, changed, network));
      changed.box.resize(i);
      CHECK_FALSE(open_under(former, changed, network));
      CHECK_FALSE(open_with_token(seed, changed, network));
    }
  }
}

TEST_CASE("Numbers of lists rise, whatever the clock and the journal say") {
  const auto seconds
    = static_cast<std::uint64_t>(noon.time_since_epoch().count());
  CHECK(next_revocation_number(0, noon) == seconds);
  CHECK(next_revocation_number(seconds, noon) == seconds + 1);
  CHECK(next_revocation_number(seconds + 7, noon) == seconds + 8);
  CHECK(next_revocation_number(5, network_time{}) == 6);
}

TEST_CASE("A list of revocations is read as it was signed") {
  deterministic_random random(9);
  revocation_list list{network, "first", 17, noon, {}};
  CHECK(read_revocation_list(encode(list)) == list);
  for (int i = 0; i < 1000; ++i)
    list.removed.insert(member_id::draw(random));
  const auto bytes = encode(list);
  CHECK(read_revocation_list(bytes) == list);
  CHECK(bytes.size() < 17'000);
  for (std::size_t i = 0; i < 100; ++i) {
    auto cut = bytes;
    cut.resize(i);
    CHECK_FALSE(read_revocation_list(cut));
  }
  CHECK_FALSE(read_revocation_list(byte_vector(most_revocation_bytes + 1)));
}

TEST_CASE("Time never falls below what is known to have been") {
  time_floor time(noon);
  CHECK(time.at(network_time{}) == noon); // a clock in 1970
  CHECK(time.at(noon + 1h) == noon + 1h);
  CHECK_FALSE(time.raise(noon));
  CHECK_FALSE(time.raise(noon - 1s));
  CHECK(time.raise(noon + 2h));
  CHECK(time.at(noon + 1h) == noon + 2h);
  CHECK_FALSE(time.raise(latest_network_time + 1s));
  CHECK(time.floor() == noon + 2h);
}
