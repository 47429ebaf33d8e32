// What was found out about a peer, for people and for programs.
#pragma once

#include "tools/weft/explain/judge.hpp"

#include <string>
#include <vector>

namespace weft {

/// What there is to know in a line each, then each finding, and last the
/// sentence that it comes to.
std::string
format_explanation(const peer_facts& facts, const std::vector<finding>& found);

std::string format_explanation_json(const peer_facts& facts,
                                    const std::vector<finding>& found);

/// `on this side: ...`, of the finding that counts most; or that all is well.
std::string
conclusion(const peer_facts& facts, const std::vector<finding>& found);

/// Whether nothing was found but hints.
bool is_well(const std::vector<finding>& found);

} // namespace weft
