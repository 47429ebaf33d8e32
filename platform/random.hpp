// Random numbers from the system.
#pragma once

#include "protocol/base/random.hpp"

namespace weft {

/// libsodium's generator, which the kernel seeds.  For any number of threads.
class system_random final : public random_source {
public:
  void fill(byte_span out) override;
};

} // namespace weft
