#include "tools/weft/view/state_text.hpp"

#include "tools/weft/view/format.hpp"

#include <algorithm>

namespace weft {

namespace {

bool is_known(wall_time since) {
  return since > wall_time{};
}

std::string age_of(wall_time since, wall_time now) {
  return format_age(std::chrono::duration_cast<std::chrono::seconds>(
    now - std::min(since, now)));
}

} // namespace

std::string state_age(const peer_state& state, wall_time now) {
  return is_known(state.since) ? age_of(state.since, now) : "-";
}

std::string trouble_text(const peer_state& state) {
  if (!state.reason.empty() || state.tries == 0)
    return printable(state.reason); // which counts them where they matter
  return std::to_string(state.tries) + (state.tries == 1 ? " try" : " tries");
}

std::string state_sentence(const peer_state& state, wall_time now) {
  std::string text{to_string(state.word)};
  if (is_known(state.since))
    text += " for " + age_of(state.since, now);
  if (const auto trouble = trouble_text(state); !trouble.empty())
    text += ": " + trouble;
  return text;
}

bool needs_words(const peer_state& state) {
  return !trouble_text(state).empty();
}

} // namespace weft
