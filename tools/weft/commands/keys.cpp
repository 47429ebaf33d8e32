#include "protocol/base/keys.hpp"

#include "platform/random.hpp"
#include "protocol/base/wipe.hpp"
#include "tools/weft/commands/commands.hpp"
#include "tools/weft/failure.hpp"
#include "tools/weft/secret_output.hpp"
#include "tools/weft/view/json_text.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <istream>
#include <ostream>

namespace weft {

namespace {

/// Standard input up to the end, or up to more than any key can be.
std::string read_key_text(std::istream& in) {
  std::string text;
  char c = 0;
  while (text.size() < 4096 && in.get(c))
    text += c;
  const auto end = text.find_last_not_of(" \t\r\n");
  text.erase(end == std::string::npos ? 0 : end + 1);
  text.erase(0, text.find_first_not_of(" \t\r\n"));
  return text;
}

/// The text of a key alone, or an object that calls it by name.
int print_key(const std::string& name, const std::string& key, bool json,
              const streams& io) {
  if (json) {
    nlohmann::ordered_json out;
    out[name] = key;
    io.out << to_line(out);
  } else {
    io.out << key << '\n';
  }
  return exit_fine;
}

/// Standard input is no key.
int refuse(std::string message, bool json, const streams& io) {
  return report({exit_failure, EINVAL, std::move(message)}, json, io);
}

} // namespace

int generate_key(bool json, const streams& io) {
  warn_if_public(io);
  system_random random;
  return print_key("private_key",
                   to_base64(generate_private_key(random).bytes()), json, io);
}

int generate_preshared_key(bool json, const streams& io) {
  warn_if_public(io);
  system_random random;
  preshared_key key;
  random.fill(key.bytes());
  return print_key("preshared_key", to_base64(key.bytes()), json, io);
}

int print_public_key(bool json, const streams& io) {
  auto text = read_key_text(io.in);
  const text_wiper wipes_text(text);
  if (text.empty())
    return refuse("no private key on standard input: pipe one in, as in 'weft "
                  "pubkey < FILE'",
                  json, io);
  const auto expected = std::to_string(base64_key_length);
  if (text.size() != base64_key_length)
    return refuse("a private key has " + expected
                    + " characters of base64, but standard input has "
                    + std::to_string(text.size())
                    + (text.size() >= 4096 ? " or more" : ""),
                  json, io);
  const auto key = from_base64(text);
  if (!key)
    return refuse("standard input is no private key: it must be " + expected
                    + " characters of base64 (A-Z, a-z, 0-9, + and /, with "
                      "one = at the end)",
                  json, io);
  return print_key("public_key",
                   to_string(derive_public_key(private_key{*key})), json, io);
}

} // namespace weft
