#include "protocol/network/join.hpp"
#include "protocol/network/join_answer.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/network_support.hpp"

using namespace weft;
using namespace weft::test;

namespace {

/// A node that joins and the directory that it does so at.
struct meeting {
  deterministic_random random{5};
  join_keys keys{draw_signing_seed(random), draw_signing_seed(random),
                 generate_private_key(random)};
  private_key ephemeral = generate_private_key(random);
  tls_exporter exporter = some_exporter();

  tls_exporter some_exporter() {
    tls_exporter drawn{};
    random.fill(drawn);
    return drawn;
  }
  proven_request ask(const std::optional<std::string>& name = "beta") const {
    return prove(keys, some_root().network, name, exporter,
                 {derive_public_key(ephemeral)})
      .value();
  }
  std::string answer(const proven_request& asked) const {
    const auto checked = check_proof(asked, exporter, ephemeral);
    return checked ? "accepted" : std::string{to_string(checked.error().why)};
  }
};

} // namespace

TEST_CASE("Who joins proves its token and both of its keys in this session") {
  const meeting here;
  const auto asked = here.ask();
  const auto sent = read_proven_request(encode(asked)).value();
  CHECK(sent.request == asked.request);
  CHECK(sent.proof == asked.proof);
  const auto request = check_proof(sent, here.exporter, here.ephemeral).value();
  CHECK(request.network == some_root().network);
  CHECK(request.token == derive_verifying_key(here.keys.token));
  CHECK(request.key == derive_public_key(here.keys.wireguard));
  CHECK(request.certificate == derive_verifying_key(here.keys.certificate));
  CHECK(request.name == "beta");
  CHECK(check_signatures(sent, here.exporter) == request);
  CHECK_FALSE(check_proof(here.ask({}), here.exporter, here.ephemeral)->name);
}

TEST_CASE("What was proven in one session is nothing in another") {
  meeting here;
  const auto asked = here.ask();
  here.exporter = here.some_exporter();
  CHECK(here.answer(asked) == "bad_signature");
  meeting there;
  there.ephemeral = generate_private_key(there.random);
  CHECK(there.answer(asked) == "unproven_key");
}

TEST_CASE("Who passes a request on cannot put other keys into it") {
  meeting here;
  const auto asked = here.ask();
  const auto other = generate_private_key(here.random);
  const auto swap = [&](auto change) {
    auto request = read_join_request(asked.request).value();
    change(request);
    auto changed = asked;
    changed.request = encode(request);
    return here.answer(changed);
  };
  CHECK(swap([](auto&) {}) == "accepted");
  CHECK(swap([&](auto& each) { each.key = derive_public_key(other); })
        == "bad_signature");
  CHECK(swap([&](auto& each) { each.name = "gamma"; }) == "bad_signature");
  CHECK(swap([&](auto& each) { each.network.bytes[0] ^= std::byte{1}; })
        == "bad_signature");
  CHECK(swap([&](auto& each) { each.token = each.certificate; })
        == "bad_signature");

  // Who has a token but not the key that it names:
  meeting thief; // the same in all but this:
  const auto victim = here.keys.wireguard;
  thief.keys.wireguard = other;
  auto forged = thief.ask();
  auto request = read_join_request(forged.request).value();
  request.key = derive_public_key(victim);
  forged.request = encode(request);
  const auto message
    = joined({bytes_of("weft join 1"), request.network.bytes,
              sha256({forged.request}), request.key.bytes, here.exporter});
  forged.proof.by_token = sign(thief.keys.token, message);
  CHECK(here.answer(forged) == "unproven_key"); // the certificate's key
  forged.proof.by_certificate = sign(thief.keys.certificate, message);
  CHECK(check_signatures(forged, here.exporter));
  CHECK(here.answer(forged) == "unproven_key"); // WireGuard's
}

TEST_CASE("No changed request is let in") {
  const meeting here;
  const auto bytes = encode(here.ask());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto changed = bytes;
    changed[i] ^= std::byte{1};
    const auto read = read_proven_request(changed);
    CHECK((!read || here.answer(*read) != "accepted"));
    changed.resize(i);
    CHECK_FALSE(read_proven_request(changed));
  }
}

TEST_CASE("Keys of low order prove nothing") {
  meeting here;
  for (const auto& key : low_order_public_keys()) {
    CHECK_FALSE(
      prove(here.keys, some_root().network, {}, here.exporter, {key}));
    auto request = read_join_request(here.ask().request).value();
    request.key = key;
    proven_request forged{encode(request), {}};
    const auto message
      = joined({bytes_of("weft join 1"), request.network.bytes,
                sha256({forged.request}), request.key.bytes, here.exporter});
    forged.proof.by_token = sign(here.keys.token, message);
    forged.proof.by_certificate = sign(here.keys.certificate, message);
    CHECK(here.answer(forged) == "unproven_key");
  }
}

TEST_CASE("Who asked hears its certificate, or why there is none") {
  const auto travels = [](const join_answer& answer) {
    const auto read = read_join_answer(encode(answer));
    return read && *read == answer;
  };
  join_admission admission;
  admission.certificates = {byte_vector(700, std::byte{1}), byte_vector(500)};
  CHECK(travels(admission));
  admission.secret = sealed_secret{3, byte_vector(104)};
  CHECK(travels(admission));
  CHECK(travels(refuse(refusal::used_up, "the token is used up")));

  const auto is_none = [](const join_answer& answer) {
    return !read_join_answer(encode(answer));
  };
  CHECK(is_none(join_admission{}));
  admission.certificates.assign(5, byte_vector(1));
  CHECK(is_none(admission));
  admission.certificates.assign(1, byte_vector(most_certificate_bytes + 1));
  CHECK(is_none(admission));
  admission.certificates.assign(1, {});
  CHECK(is_none(admission));
  CHECK_FALSE(read_join_answer({}));
  // A reason is cut where it may be.
  const std::string letters(511, 'a');
  const auto cut = read_join_answer(encode(
    join_answer(tl::unexpected(refused{refusal::taken, letters + "\u00e9"}))));
  CHECK(cut.value().error().what == letters);
  // {"refused": "moon", "reason": "x"}, as a newer issuer might say.
  const auto read
    = read_join_answer(unhex("a26772656675736564646d6f6f6e66726561736f6e6178"));
  CHECK(read.value().error() == refused{refusal::not_allowed, "x"});
}
