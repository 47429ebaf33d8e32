#include "tools/weft/successor.hpp"

#include <cstdlib>

namespace weft {

found_option find_option(const std::vector<std::string>& words,
                         const std::string& name, char letter) {
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto& word = words[i];
    if (word.starts_with(name + '='))
      return {i, 1, word.substr(name.size() + 1)};
    const bool is_short = letter != '\0' && word.size() >= 2 && word[0] == '-'
                          && word[1] == letter;
    if (is_short && word.size() > 2)
      return {i, 1, word.substr(word[2] == '=' ? 3 : 2)};
    if ((word == name || is_short) && i + 1 < words.size())
      return {i, 2, words[i + 1]};
  }
  return {};
}

std::vector<std::string>
words_of_successor(std::vector<std::string> words, const std::string& program,
                   const std::string& file, const std::string& interface) {
  words.front() = program;
  // A name that begins in a folder may lead elsewhere once that has changed.
  if (const auto given = find_option(words, "--config", 'c'); given.count > 0) {
    const auto first = words.begin() + static_cast<std::ptrdiff_t>(given.first);
    const auto next
      = words.erase(first, first + static_cast<std::ptrdiff_t>(given.count));
    words.insert(next, {"--config", file});
  }
  // It may be a successor itself.
  for (auto old = find_option(words, "--replace"); old.count > 0;
       old = find_option(words, "--replace")) {
    const auto first = words.begin() + static_cast<std::ptrdiff_t>(old.first);
    words.erase(first, first + static_cast<std::ptrdiff_t>(old.count));
  }
  words.insert(words.begin() + 1, {"--replace", interface});
  return words;
}

std::string replacement_socket(const std::string& socket_folder,
                               const std::string& interface) {
  return socket_folder + '/' + interface + ".replace";
}

std::string
upgrade_socket(const std::string& socket_folder, const std::string& interface) {
  return socket_folder + '/' + interface + ".upgrade";
}

bool is_started_as_successor() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
  return std::getenv("WEFT_SUCCESSOR") != nullptr;
}

} // namespace weft
