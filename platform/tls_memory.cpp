// What of lists of revocations outlives the process: their numbers.
#include "platform/accounts.hpp"
#include "platform/files.hpp"
#include "platform/tls_credentials.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <sstream>

namespace weft::tls {

namespace {

constexpr unsigned private_mode = 0600;
constexpr std::size_t fingerprint_digits = 64;
constexpr std::size_t most_digits = 40; // RFC 5280 section 5.2.3: 20 bytes

bool is_hexadecimal(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<list_numbers> parse(std::string_view text) {
  std::istringstream lines{std::string{text}};
  list_numbers numbers;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#'))
      continue;
    std::istringstream words{line};
    std::string authority;
    std::string number;
    std::string surplus;
    if (!(words >> authority >> number) || words >> surplus
        || authority.size() != fingerprint_digits || number.size() > most_digits
        || number.front() == '0' || !is_hexadecimal(authority)
        || !is_hexadecimal(number) || numbers.size() == most_authorities)
      return {};
    numbers[authority] = number;
  }
  return numbers;
}

} // namespace

result<list_numbers>
recall_numbers(const std::string& file, std::vector<std::string>& warnings) {
  if (file.empty())
    return list_numbers{};
  const auto text = load_file(file, file_privacy::any);
  if (!text && text.error().code == ENOENT)
    return list_numbers{}; // the first start
  if (!text)
    return tl::unexpected(make_system_error(
      text.error().code,
      "Cannot tell whether the list of revocations is the newest one, from "
        + file,
      "It and its folder have to be there for user "
        + std::to_string(own_user()) + " (chown), or STATE_DIRECTORY has to "
        + "name another folder"));
  auto numbers = parse(text->view());
  if (numbers)
    return std::move(*numbers);
  warnings.push_back(file
                     + " is damaged, and ignored: an older list of revocations "
                       "would not be noticed");
  return list_numbers{};
}

void add_numbers(list_numbers& known, const list_numbers& present) {
  for (const auto& [authority, number] : present)
    known[authority] = number;
  for (auto it = known.begin();
       known.size() > most_authorities && it != known.end();)
    it = present.contains(it->first) ? std::next(it) : known.erase(it);
}

result<void>
keep_numbers(const std::string& file, const list_numbers& numbers) {
  if (auto made
      = make_private_folder(std::filesystem::path{file}.parent_path().string());
      !made)
    return made;
  std::string text
    = "# The newest lists of revocations: authority, number.  weft keeps it.\n";
  std::size_t room = most_authorities;
  for (const auto& [authority, number] : numbers) {
    if (room-- == 0)
      break;
    if (!number.empty() && number.size() <= most_digits)
      text.append(authority).append(1, ' ').append(number).append(1, '\n');
  }
  return replace_file(file, text, private_mode);
}

} // namespace weft::tls
