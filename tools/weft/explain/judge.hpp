// From what is known of a peer to what is wrong with it.
#pragma once

#include "tools/weft/explain/facts.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// Where something is to be done.
enum class side : std::uint8_t { here, there, between, both };

/// `on this side`
std::string_view to_string(side where);
/// For programs: `here`
std::string_view name_of(side where);

/// Something that is wrong, or may be.
struct finding {
  side where = side::here;
  std::string text;  ///< what is wrong and what to do, without a full stop
  bool hint = false; ///< it need not be in the way

  bool operator==(const finding&) const = default;
};

/// All that is found, what explains most first.  Empty: all is well.
std::vector<finding> judge(const peer_facts& facts);

/// Where the trouble of a peer with this name
/// (protocol/tunnel/trouble_words.hpp) is to be looked for.
side side_of(std::string_view trouble);

} // namespace weft
