#include "config/strings.hpp"

#include "protocol/base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>

namespace weft::strings {

namespace {

constexpr std::string_view spaces = " \t\r\n\v\f";
constexpr std::size_t longest_quote = 64;
/// A run of base64 characters of this length may be (part of) a key.
constexpr std::size_t key_like_run = 40;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_base64(char c) {
  return is_letter_or_digit(c) || c == '+' || c == '/' || c == '=';
}

bool may_hold_a_key(std::string_view text) {
  std::size_t run = 0;
  for (char c : text) {
    run = is_base64(c) ? run + 1 : 0;
    if (run >= key_like_run)
      return true;
  }
  return false;
}

constexpr std::size_t longest_word = 64;

/// Levenshtein's distance without regard to case.  Both words have at most
/// `longest_word` bytes.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::array<std::size_t, longest_word + 1> row{};
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const auto substituted = diagonal + (lower(a[i]) == lower(b[j]) ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

} // namespace

std::string_view trim(std::string_view text) {
  const auto begin = text.find_first_not_of(spaces);
  if (begin == std::string_view::npos)
    return {};
  return text.substr(begin, text.find_last_not_of(spaces) - begin + 1);
}

std::vector<std::string_view> split_commas(std::string_view text) {
  std::vector<std::string_view> parts;
  if (trim(text).empty())
    return parts;
  for (;;) {
    const auto comma = text.find(',');
    parts.push_back(trim(text.substr(0, comma)));
    if (comma == std::string_view::npos)
      return parts;
    text.remove_prefix(comma + 1);
  }
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<std::uint64_t>
parse_decimal(std::string_view text, std::uint64_t max) {
  std::uint64_t value = 0;
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != end
      || value > max)
    return std::nullopt;
  return value;
}

bool is_short_word(std::string_view text) {
  const auto is_good = [](char c) {
    return is_letter_or_digit(c) || c == '_' || c == '-' || c == '.';
  };
  return !text.empty() && text.size() <= 32
         && std::all_of(text.begin(), text.end(), is_good);
}

std::string quote(std::string_view text) {
  if (may_hold_a_key(text))
    return "'...' (not shown: it may hold a key)";
  const bool is_cut = text.size() > longest_quote;
  auto shown = std::string{text.substr(0, longest_quote)};
  const bool ascii_only = is_cut || has_control_characters(shown)
                          || find_invalid_utf8(shown) != std::string::npos;
  if (ascii_only)
    std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; },
      '?');
  return "'" + shown + (is_cut ? "...'" : "'");
}

std::optional<std::string_view>
nearest(std::string_view word, std::span<const std::string_view> candidates) {
  if (word.size() > longest_word)
    return std::nullopt;
  std::optional<std::string_view> best;
  auto best_distance = std::string_view::npos;
  for (auto candidate : candidates) {
    if (candidate.size() > longest_word)
      continue;
    const auto distance = edit_distance(word, candidate);
    const auto enough = std::max(word.size(), candidate.size()) / 2;
    if (distance <= enough && distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string suggestion(std::string_view word,
                       std::span<const std::string_view> candidates) {
  if (auto meant = nearest(word, candidates))
    return "did you mean '" + std::string{*meant} + "'?";
  std::string list;
  for (auto candidate : candidates)
    list += (list.empty() ? "" : ", ") + std::string{candidate};
  return "known are " + list;
}

} // namespace weft::strings
