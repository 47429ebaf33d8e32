// For test programs that have a crypto_sign_verify_detached() of their own,
// which stands before libsodium's.
#pragma once

#include <dlfcn.h>
#include <sodium.h>

#include <cstring>
#include <stdexcept>

namespace weft::test {

using verifier = decltype(&crypto_sign_verify_detached);

/// libsodium's.
inline verifier find_real_verifier() {
  auto* found = ::dlsym(RTLD_NEXT, "crypto_sign_verify_detached");
  if (found == nullptr)
    throw std::runtime_error("libsodium has no crypto_sign_verify_detached");
  verifier result = nullptr;
  std::memcpy(&result, &found, sizeof(result));
  return result;
}

} // namespace weft::test
