#include "config/strings.hpp"
#include "config/values.hpp"
#include "protocol/base/text.hpp"
#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <filesystem>

namespace weft {

namespace {

/// More than a key and the blanks around it: the rest is not looked at.
constexpr std::size_t longest_file = 4096;

/// As long as a key, give or take a few characters, and made like one.
bool looks_like_a_key(std::string_view name) {
  const auto is_base64 = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
  };
  return name.size() >= 40 && name.size() <= 46
         && std::all_of(name.begin(), name.end(), is_base64);
}

} // namespace

value_or_message<secret<key_size>>
read_key_file(std::string_view name, const std::filesystem::path& folder,
              const file_source& files) {
  if (looks_like_a_key(name))
    return tl::unexpected<std::string>{
      "the name of a file is expected, and this looks like a key itself"};
  if (name.empty() || has_control_characters(name)
      || find_invalid_utf8(name) != std::string_view::npos)
    return tl::unexpected<std::string>{"the name of a file is expected"};
  const auto path = folder / name;
  auto read = files(path.string(), file_use::secret);
  if (!read && read.error().is_missing)
    return tl::unexpected{"the file '" + path.string()
                          + "' does not exist; relative names start at the "
                            "folder of the configuration"};
  if (!read)
    return tl::unexpected{std::move(read.error().message)};
  const text_wiper end{read->text};
  const auto text = std::string_view{read->text}.substr(0, longest_file);
  auto key = read_key(strings::trim(text));
  if (!key)
    return tl::unexpected{"in '" + path.string() + "': " + key.error()};
  return key;
}

} // namespace weft
