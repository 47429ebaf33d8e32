// The commands of weft.  Each takes its streams as arguments, and returns the
// exit code of the program.
#pragma once

#include <iosfwd>
#include <string>

namespace weft {

inline constexpr int exit_fine = 0;
inline constexpr int exit_failure = 1;  ///< at run time
inline constexpr int exit_mistaken = 2; ///< usage or configuration

/// A command's input and output.
struct streams {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  /// Whether `out` is a regular file that others than its owner's group may
  /// use, which is no place for keys.
  bool out_is_public = false;
};

/// Prints a new private key.
int generate_key(const streams& io);
/// Prints a new preshared key.
int generate_preshared_key(const streams& io);
/// Reads a private key and prints its public key.
int print_public_key(const streams& io);

/// Prints all mistakes in a YAML file, or one line that sums it up.
int check_config(const std::string& path, const streams& io);

/// Converts a wg-quick file to YAML, into `output` (made for its owner only,
/// never overwritten), or printed if that is empty.
int import_config(const std::string& path, const std::string& output,
                  const streams& io);

/// Prints a YAML file in wg-quick's format.
int export_config(const std::string& path, const streams& io);

struct status_options {
  std::string interface; ///< empty: all
  std::string socket_folder = "/var/run/wireguard";
  bool json = false;
};

/// Prints the status of running interfaces, of whatever implementation.
int show_status(const status_options& options, const streams& io);

} // namespace weft
