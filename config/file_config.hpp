// A configuration, and which text it was read from.
#pragma once

#include "config/node_config.hpp"

#include <string>

namespace weft {

struct file_config {
  node_config config;
  std::string digest; ///< of config/file_digest.hpp; empty: it has none
};

} // namespace weft
