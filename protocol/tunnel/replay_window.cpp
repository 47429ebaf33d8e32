#include "protocol/tunnel/replay_window.hpp"

#include <algorithm>

namespace weft {

// The bits form a ring of words.  The words from the newest counter's back to
// the one 127 words earlier are in use; a word is cleared when the newest
// counter enters it or skips it.  127 whole words are the width.

namespace {

constexpr std::uint64_t word_bits = 64;
constexpr std::uint64_t word_count = replay_window::bits / word_bits;
static_assert(replay_window::width == (word_count - 1) * word_bits);

constexpr std::size_t ring_index(std::uint64_t counter) {
  return (counter / word_bits) % word_count;
}

constexpr std::uint64_t bit_of(std::uint64_t counter) {
  return std::uint64_t{1} << (counter % word_bits);
}

} // namespace

bool replay_window::would_accept(std::uint64_t counter) const {
  if (counter >= limits::reject_after_messages)
    return false;
  if (counter >= state_.next)
    return true;
  const auto behind = state_.next - 1 - counter;
  return behind <= width
         && (state_.seen[ring_index(counter)] & bit_of(counter)) == 0;
}

bool replay_window::accept(std::uint64_t counter) {
  if (!would_accept(counter))
    return false;
  if (counter >= state_.next) {
    // Before the first counter the whole ring is clear.
    const auto newest_word
      = state_.next == 0 ? 0 : (state_.next - 1) / word_bits;
    const auto skipped
      = std::min(counter / word_bits - newest_word, word_count);
    for (std::uint64_t i = 1; i <= skipped; ++i)
      state_.seen[(newest_word + i) % word_count] = 0;
    state_.next = counter + 1;
  }
  state_.seen[ring_index(counter)] |= bit_of(counter);
  return true;
}

} // namespace weft
