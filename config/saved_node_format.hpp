// What a node leaves to its successor, as bytes: they hold keys, so they are
// only ever in memory that is wiped, and on the way to the successor.
//
// Fields have names.  One that the reader does not know is ignored, and one
// that is missing is as in a new node, so that a program can be replaced by an
// older one as well.  Only the windows of sessions must be there.
#pragma once

#include "config/saved_node.hpp"
#include "protocol/base/secret_bytes.hpp"

#include <tl/expected.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace weft {

/// It rises with a release that adds something which must not be ignored.  A
/// reader takes its own, the one before and the one after.
extern const std::uint32_t saved_node_version;

/// Nothing larger is read.
inline constexpr std::size_t max_saved_size = std::size_t{256} << 20;

/// Calls `next` with one part after the other of what parse_saved_node() takes.
/// The parts are wiped.  `version`: for tests.
void write_saved_node(const saved_node& node,
                      const std::function<void(const_byte_span)>& next,
                      std::uint32_t version = saved_node_version);

/// All parts together.
secret_bytes format_saved_node(const saved_node& node,
                               std::uint32_t version = saved_node_version);

/// The node, or why it cannot be gone on with at `now`: a sentence.
tl::expected<saved_node, std::string>
parse_saved_node(const_byte_span bytes, time_point now);

} // namespace weft
