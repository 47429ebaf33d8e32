#include "config/strings.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <fstream>
#include <system_error>

namespace weft {

namespace {

namespace fs = std::filesystem;

/// More than a key and the blanks around it: reading stops here.
constexpr std::streamsize longest_file = 4096;

/// As long as a key, give or take a few characters, and made like one.
bool looks_like_a_key(std::string_view name) {
  const auto is_base64 = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
  };
  return name.size() >= 40 && name.size() <= 46
         && std::all_of(name.begin(), name.end(), is_base64);
}

/// What is wrong with the file itself, or nothing.
std::string check_key_file(const fs::path& path) {
  std::error_code error;
  const auto status = fs::status(path, error);
  const auto shown = "'" + path.string() + "'";
  if (status.type() == fs::file_type::not_found)
    return "the file " + shown
           + " does not exist; relative names start at the folder of the "
             "configuration";
  if (error)
    return "the file " + shown + " cannot be examined: " + error.message();
  if (status.type() != fs::file_type::regular)
    return shown
           + " is no regular file; a file that holds the key alone is "
             "expected";
  const auto others = fs::perms::group_all | fs::perms::others_all;
  if ((status.permissions() & others) != fs::perms::none)
    return "others can read the key in " + shown + "; run: chmod 600 "
           + path.string();
  return {};
}

} // namespace

value_or_message<secret<32>>
read_key_file(std::string_view name, const fs::path& folder) {
  if (looks_like_a_key(name))
    return tl::unexpected<std::string>{
      "the name of a file is expected, and this looks like a key itself"};
  if (name.empty() || strings::has_control_characters(name)
      || strings::find_invalid_utf8(name) != std::string_view::npos)
    return tl::unexpected<std::string>{"the name of a file is expected"};
  const auto path = folder / name;
  if (auto message = check_key_file(path); !message.empty())
    return tl::unexpected{message};
  std::ifstream file;
  // Unbuffered, so that no second copy of the key stays behind.
  file.rdbuf()->pubsetbuf(nullptr, 0);
  file.open(path, std::ios::binary);
  if (!file)
    return tl::unexpected{"the file '" + path.string()
                          + "' cannot be read; weft must run as its owner"};
  std::string text(longest_file, '\0');
  const strings::wiper end{text};
  const auto count = file.rdbuf()->sgetn(text.data(), longest_file);
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(count, 0)));
  auto key = read_key(strings::trim(text));
  if (!key)
    return tl::unexpected{"in '" + path.string() + "': " + key.error()};
  return key;
}

} // namespace weft
