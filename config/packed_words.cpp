#include "config/packed_words.hpp"

#include <algorithm>
#include <limits>

namespace weft {

namespace {

constexpr auto size_of_word = sizeof(std::uint64_t);
constexpr auto size_of_run = 1 + size_of_word;
constexpr std::size_t longest_run = std::numeric_limits<std::uint8_t>::max();

} // namespace

std::vector<std::byte> pack_words(std::span<const std::uint64_t> words) {
  const auto size = words.size_bytes();
  std::vector<std::byte> packed;
  packed.reserve(size);
  for (auto rest = words; !rest.empty();) {
    const auto first = rest.front();
    const auto most = rest.first(std::min(rest.size(), longest_run));
    const auto length = static_cast<std::size_t>(
      std::ranges::find_if(most, [first](auto word) { return word != first; })
      - most.begin());
    if (packed.size() + size_of_run >= size)
      break; // what has the full size is the words as they are
    packed.push_back(static_cast<std::byte>(length));
    packed.resize(packed.size() + size_of_word);
    store_le(&packed[packed.size() - size_of_word], first);
    rest = rest.subspan(length);
    if (rest.empty())
      return packed;
  }
  packed.resize(size);
  for (std::size_t i = 0; i < words.size(); ++i)
    store_le(&packed[i * size_of_word], words[i]);
  return packed;
}

bool unpack_words(const_byte_span packed, std::span<std::uint64_t> words) {
  if (packed.size() == words.size_bytes()) {
    for (std::size_t i = 0; i < words.size(); ++i)
      words[i] = load_le<std::uint64_t>(&packed[i * size_of_word]);
    return true;
  }
  for (; packed.size() >= size_of_run; packed = packed.subspan(size_of_run)) {
    const auto length = static_cast<std::size_t>(packed.front());
    if (length > words.size())
      return false;
    std::ranges::fill(words.first(length), load_le<std::uint64_t>(&packed[1]));
    words = words.subspan(length);
  }
  return packed.empty() && words.empty();
}

} // namespace weft
