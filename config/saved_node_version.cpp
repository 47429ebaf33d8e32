// A file of its own: a test links a program of the version after this one,
// which has its own in the place of this file.
#include "config/saved_node_format.hpp"

#ifndef WEFT_SAVED_NODE_VERSION
#  define WEFT_SAVED_NODE_VERSION 1
#endif

namespace weft {

const std::uint32_t saved_node_version = WEFT_SAVED_NODE_VERSION;

} // namespace weft
