// The commands of weft.  Each takes its streams as arguments, and returns the
// exit code of the program.
#pragma once

#include "tools/exit_codes.hpp"

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// A command's input and output.
struct streams {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  /// Whether `out` is a regular file that others than its owner's group may
  /// use, which is no place for keys.
  bool out_is_public = false;
  /// Of the terminal that `out` is; nothing: it is none.
  std::optional<std::size_t> columns{};
};

/// Prints a new private key.
int generate_key(bool json, const streams& io);
/// Prints a new preshared key.
int generate_preshared_key(bool json, const streams& io);
/// Reads a private key and prints its public key.
int print_public_key(bool json, const streams& io);

struct check_options {
  bool strict = false; ///< warnings are mistakes
  bool json = false;
};

/// Prints all mistakes in a YAML file and what should be looked at, or one line
/// that sums it up.
int check_config(const std::string& path, const check_options& options,
                 const streams& io);

struct import_options {
  std::string output;  ///< a new file, for its owner only; empty: printed
  bool strict = false; ///< to leave anything out is a mistake
  bool json = false;
};

/// Converts a wg-quick file to YAML.  No file is overwritten.
int import_config(const std::string& path, const import_options& options,
                  const streams& io);

/// Prints a YAML file in wg-quick's format.
int export_config(const std::string& path, bool json, const streams& io);

/// For the commands that deal with the certificates of remote control.
struct pki_options {
  std::string folder; ///< empty: default_pki_folder()
  std::string name;   ///< whose certificate; of init: the authority's name
  std::string role;   ///< empty: operator, unless the name has another one
  std::vector<std::string> hosts;
  int days = 365;
  bool json = false;
};

/// $WEFT_PKI, else /etc/weft/pki for root and ~/.config/weft/pki for others.
std::string default_pki_folder();

/// Makes an authority.
int make_authority(const pki_options& options, const streams& io);
/// Makes a certificate and its key.
int issue_certificate(const pki_options& options, const streams& io);
/// Makes another one with the role and the hosts of the name's newest one.
int renew_pki_certificate(const pki_options& options, const streams& io);
/// Revokes the certificates of a name.
int revoke_certificates(const pki_options& options, const streams& io);
/// Prints what was issued.
int list_certificates(const pki_options& options, const streams& io);

} // namespace weft
