// What the tests of config/ share.
#pragma once

#include "actors/overlay/config_files.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

namespace weft::test {

/// Bytes that may be a key of any kind.
struct any_key : secret<key_size> {
  using secret::secret;
  operator private_key() const {
    return private_key{bytes()};
  }
  operator preshared_key() const {
    return preshared_key{bytes()};
  }
};

/// 32 bytes that begin with `n`; clamped, so that it may be a private key.
inline any_key key(unsigned n) {
  byte_array<32> bytes{};
  for (std::size_t i = 0; i < 4; ++i)
    bytes[i] = static_cast<std::byte>(n >> (8 * i));
  bytes[16] = std::byte{0x5a};
  private_key made{bytes};
  clamp(made);
  return any_key{made.bytes()};
}

inline std::string base64(const secret<32>& bytes) {
  return to_base64(bytes.bytes());
}

inline public_key public_of(unsigned n) {
  return derive_public_key(key(8 * n + (1U << 20U)));
}

inline std::string public_text(unsigned n) {
  return to_string(public_of(n));
}

inline ip_prefix prefix(std::string_view text) {
  return parse_ip_prefix(text).value();
}

/// A folder of its own, removed at the end.
class temporary_folder {
public:
  temporary_folder() {
    static std::atomic<int> count{0};
    path_ = std::filesystem::temp_directory_path()
            / ("weft-config-test-" + std::to_string(::getpid()) + "-"
               + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string write(const std::string& name, const std::string& text,
                    unsigned mode = 0600) const {
    const auto file = path_ / name;
    std::ofstream{file, std::ios::binary} << text;
    std::filesystem::permissions(file,
                                 static_cast<std::filesystem::perms>(mode));
    return file.string();
  }
  std::string path(const std::string& name) const {
    return (path_ / name).string();
  }

private:
  std::filesystem::path path_;
};

/// The errors as people see them, one a line.
inline std::string text_of(const config_errors& errors) {
  std::string text;
  for (const auto& error : errors)
    text += to_string(error) + "\n";
  return text;
}

/// Errors of a YAML text; empty if it is good.
inline std::string
yaml_errors(const std::string& text, const std::string& path = "a.yaml") {
  const auto read = parse_yaml(text, path);
  return read ? std::string{} : text_of(read.error());
}

/// A line to stand for the interface section, with a good key.
inline std::string interface_text(const std::string& more = {}) {
  return "interface:\n  private_key: " + base64(key(1000)) + "\n" + more;
}

/// A peers section with one peer.
inline std::string peer_text(unsigned n, const std::string& more = {}) {
  return "  - public_key: " + public_text(n) + "\n" + more;
}

/// Breaks a text the way that fingers, disks and attackers do.
inline std::string mutate(std::string text, std::mt19937& random) {
  static const std::vector<std::string> pieces{"[",    "]",
                                               "{",    "}",
                                               ":",    ": ",
                                               "- ",   "\n",
                                               "\n\n", "#",
                                               "\"",   "'",
                                               "&a ",  "*a",
                                               "|",    ">",
                                               "%",    "!",
                                               "?",    "---\n",
                                               "=",    "\t",
                                               "  ",   ",",
                                               "/",    "-",
                                               "true", "~",
                                               "0x",   std::string(1, '\0'),
                                               "\xff", "\xc2",
                                               "off",  "99999999999999999999"};
  const auto pick = [&](std::size_t below) {
    return std::uniform_int_distribution<std::size_t>{
      0, below == 0 ? 0 : below - 1}(random);
  };
  for (auto left = pick(3) + 1; left > 0; --left) {
    const auto at = pick(text.size() + 1);
    const auto length = pick(std::min<std::size_t>(text.size() - at, 40) + 1);
    switch (pick(5)) {
      case 0:
        text.insert(at, pieces[pick(pieces.size())]);
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        if (at < text.size())
          text[at] = static_cast<char>(pick(256));
        break;
      case 3:
        text.insert(pick(text.size() + 1), text.substr(at, length));
        break;
      default:
        text.resize(at);
    }
  }
  return text;
}

} // namespace weft::test
