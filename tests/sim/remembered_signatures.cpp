// Thousands of simulated members look at the same signatures, which are most of
// a run's time: libsodium looks at each once for all of them.
#include "tests/protocol/real_verifier.hpp"

#include <array>
#include <map>

namespace {

using question = std::array<unsigned char, crypto_generichash_BYTES>;

/// Of signature, key and message, in this order: the first two have one length.
question name_of(const unsigned char* signature, const unsigned char* message,
                 unsigned long long size, const unsigned char* key) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, question{}.size());
  crypto_generichash_update(&state, signature, crypto_sign_BYTES);
  crypto_generichash_update(&state, key, crypto_sign_PUBLICKEYBYTES);
  crypto_generichash_update(&state, message, size);
  question name{};
  crypto_generichash_final(&state, name.data(), name.size());
  return name;
}

} // namespace

extern "C" int
crypto_sign_verify_detached(const unsigned char* signature,
                            const unsigned char* message,
                            unsigned long long size, const unsigned char* key) {
  static const auto verify = weft::test::find_real_verifier();
  static std::map<question, int> answers;
  const auto name = name_of(signature, message, size, key);
  const auto known = answers.find(name);
  if (known != answers.end())
    return known->second;
  const auto answer = verify(signature, message, size, key);
  answers.emplace(name, answer);
  return answer;
}
