#include "protocol/base/keys.hpp"

#include "platform/random.hpp"
#include "protocol/base/wipe.hpp"
#include "tools/weft/commands/commands.hpp"
#include "tools/weft/secret_output.hpp"

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

} // namespace

int generate_key(const streams& io) {
  warn_if_public(io);
  system_random random;
  io.out << to_base64(generate_private_key(random).bytes()) << '\n';
  return exit_fine;
}

int generate_preshared_key(const streams& io) {
  warn_if_public(io);
  system_random random;
  preshared_key key;
  random.fill(key.bytes());
  io.out << to_base64(key.bytes()) << '\n';
  return exit_fine;
}

int print_public_key(const streams& io) {
  auto text = read_key_text(io.in);
  const text_wiper wipes_text(text);
  if (text.empty()) {
    io.err << "weft: no private key on standard input: pipe one in, as in "
              "'weft pubkey < FILE'\n";
    return exit_failure;
  }
  if (text.size() != base64_key_length) {
    io.err << "weft: a private key has " << base64_key_length
           << " characters of base64, but standard input has " << text.size()
           << (text.size() >= 4096 ? " or more\n" : "\n");
    return exit_failure;
  }
  const auto key = from_base64(text);
  if (!key) {
    io.err << "weft: standard input is no private key: it must be "
           << base64_key_length
           << " characters of base64 (A-Z, a-z, 0-9, + and /, with one = at "
              "the end)\n";
    return exit_failure;
  }
  io.out << to_string(derive_public_key(private_key{*key})) << '\n';
  return exit_fine;
}

} // namespace weft
