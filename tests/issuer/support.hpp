// What the tests of the issuer share: an authority in a folder of its own, and
// nodes that join.
#pragma once

#include "platform/random.hpp"
#include "tests/catch.hpp"
#include "tests/must.hpp"
#include "tests/platform/support.hpp"
#include "tests/protocol/network_support.hpp"
#include "tools/issuer/issuer_service.hpp"

#include <string>

namespace weft::test {

/// The answer that must be of this kind.
template <class Answer>
Answer as(issuing_answer answer) {
  if (const auto* no = std::get_if<issuing_refused>(&answer))
    if (!std::is_same_v<Answer, issuing_refused>)
      FAIL(no->why.what);
  REQUIRE(std::holds_alternative<Answer>(answer));
  return std::get<Answer>(std::move(answer));
}

inline system_random& real_random() {
  static system_random random;
  return random;
}

/// A node that joins, with what is on its disk.
struct joiner {
  join_keys keys;
  std::string name;

  /// With a token of its own.
  explicit joiner(std::string called)
    : keys{draw_signing_seed(real_random()), draw_signing_seed(real_random()),
           generate_private_key(real_random())},
      name(std::move(called)) {
  }
  joiner(std::string called, const signing_seed& token)
    : joiner(std::move(called)) {
    keys.token = token;
  }

  invitation token(network_time until, std::uint64_t uses = 1) const {
    invitation terms;
    terms.network = some_root().network;
    terms.token = derive_verifying_key(keys.token);
    terms.uses = uses;
    terms.until = until;
    return terms;
  }
  /// With a proof for a session of its own, as a directory passes it on.
  ask_admission admission() const {
    ask_admission question;
    real_random().fill(question.exporter);
    const auto ephemeral = generate_private_key(real_random());
    question.request = prove(keys, some_root().network, name, question.exporter,
                             {derive_public_key(ephemeral)})
                         .value();
    return question;
  }
};

inline member_contents contents_of(const byte_vector& certificate) {
  return std::get<member_contents>(
    must(read_network_certificate(certificate)).contents);
}

} // namespace weft::test
