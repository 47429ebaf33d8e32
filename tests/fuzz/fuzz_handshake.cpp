// Handshakes as somebody sends them who knows the public keys, so that MAC1 is
// right: genuine messages are taken, and whatever is changed in them is
// noticed by the part that has to notice it.
//
// The input: which message, then pairs of a place and a change; what is left
// replaces the message from its beginning.
#include "protocol/tunnel/cookie.hpp"
#include "protocol/tunnel/noise.hpp"
#include "tests/fuzz/support.hpp"
#include "tests/protocol/support.hpp"

namespace {

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

constexpr time_point start{10h};
const endpoint source{{ip_family::v4, {std::byte{192}}}, 51820, 0};

/// Both sides, with keys that are the same in every run.
struct parties {
  deterministic_random random{7};
  identity alice{generate_private_key(random)};
  identity bob{generate_private_key(random)};
  static_pair to_bob = static_pair::create(alice, bob.public_static()).value();
  static_pair to_alice
    = static_pair::create(bob, alice.public_static()).value();
  cookie_checker checker{bob.public_static(), random};
  cookie_stamper stamper{bob.public_static()};
  initiation_message initiation{};
  noise_initiator pending
    = noise_initiator::start(alice, to_bob, 17, to_tai64n(wall_time{1h}),
                             random, initiation)
        .value();
};

class input {
public:
  input(const unsigned char* data, std::size_t size)
    : data_(data), size_(size) {
  }
  bool empty() const {
    return at_ >= size_;
  }
  unsigned next() {
    return empty() ? 0U : data_[at_++];
  }
  /// Changes up to 15 bytes of `message`, or all of it.
  void damage(byte_span message) {
    const auto how = next();
    for (auto count = how % 16; count > 0; --count) {
      const auto place = next() % message.size();
      message[place] ^= static_cast<std::byte>(next());
    }
    if (how < 128)
      return;
    for (auto& byte : message) {
      if (empty())
        return;
      byte = static_cast<std::byte>(next());
    }
  }

private:
  const unsigned char* data_;
  std::size_t size_;
  std::size_t at_ = 0;
};

/// Whether they agree outside of the index of the sender, which only the MACs
/// protect, and of the MACs themselves.
bool same_content(const_byte_span a, const_byte_span b) {
  const auto end = a.size() - 2 * wire::mac_size;
  return std::equal(a.begin(), a.begin() + wire::initiation_sender, b.begin())
         && std::equal(a.begin() + wire::initiation_ephemeral,
                       a.begin() + static_cast<std::ptrdiff_t>(end),
                       b.begin() + wire::initiation_ephemeral);
}

void initiation(input& from) {
  parties both;
  auto message = both.initiation;
  from.damage(message);
  both.stamper.stamp(message, start);
  require(both.checker.check(message, source, start)
          == cookie_checker::verdict::valid_mac1);
  const auto claim = noise_claim::open(both.bob, message);
  if (!claim)
    return require(message != both.initiation);
  if (claim->initiator() != both.alice.public_static())
    return;
  const auto accepted = noise_responder::accept(*claim, both.to_alice);
  // The type is classify()'s to look at.
  auto typed = both.initiation;
  std::copy_n(message.begin(), wire::initiation_ephemeral, typed.begin());
  require(accepted.has_value() == same_content(message, typed));
}

void response(input& from) {
  parties both;
  const auto claim = noise_claim::open(both.bob, both.initiation);
  const auto accepted = noise_responder::accept(*claim, both.to_alice);
  response_message genuine{};
  const auto theirs = accepted->respond({}, 23, both.random, genuine);
  auto message = genuine;
  from.damage(message);
  const auto ours = both.pending.finish(both.alice, {}, message);
  const auto authentic = [](const response_message& bytes) {
    return const_byte_span{bytes}.subspan(
      wire::response_ephemeral,
      wire::response_size - wire::response_ephemeral - 2 * wire::mac_size);
  };
  const auto whole = std::ranges::equal(authentic(message), authentic(genuine));
  require(ours.has_value() == whole);
  require(!ours || ours->send == theirs->receive);
  // A wrong one does not spoil it for the right one.
  require(both.pending.finish(both.alice, {}, genuine).has_value());
}

void cookie(input& from) {
  parties both;
  auto first = both.initiation;
  both.stamper.stamp(first, start);
  const auto genuine = both.checker.make_reply(first, source, start);
  auto reply = genuine;
  from.damage(reply);
  const auto taken = both.stamper.consume_reply(reply, start);
  const auto sealed = [](const cookie_reply_message& bytes) {
    return const_byte_span{bytes}.subspan(wire::cookie_reply_nonce);
  };
  require(taken == std::ranges::equal(sealed(reply), sealed(genuine)));
  auto second = both.initiation;
  both.stamper.stamp(second, start);
  require(both.checker.check(second, source, start)
          == (taken ? cookie_checker::verdict::valid_mac2
                    : cookie_checker::verdict::valid_mac1));
  auto other = second;
  from.damage(other);
  const auto verdict = both.checker.check(other, source, start);
  require(other == second || verdict != cookie_checker::verdict::valid_mac2);
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  input from{data, size};
  switch (from.next() % 3) {
    case 0:
      initiation(from);
      break;
    case 1:
      response(from);
      break;
    default:
      cookie(from);
  }
  return 0;
}
