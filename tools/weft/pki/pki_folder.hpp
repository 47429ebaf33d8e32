// The folder of `weft pki`: an authority, what it issued, and what it revoked.
//
//   ca.pem, ca.key     the authority
//   crl.pem            its list of revocations
//   index              a line for each certificate: serial, role, name, end,
//                      time of revocation (in seconds since 1970)
//   NAME.pem, NAME.key the newest certificate of each name
//   unfinished         the authority is being made, or was not made to the end
//
// What the folder must never lack is written first: a certificate is in the
// index before anybody can use it.  Several programs may work at once.
#pragma once

#include "platform/certificates.hpp"
#include "platform/file_descriptor.hpp"

#include <optional>
#include <string>
#include <vector>

namespace weft {

/// A line of the index.
struct issued_entry {
  std::string serial;
  control_role role = control_role::operate;
  std::string name;
  wall_time not_after{};
  std::optional<wall_time> revoked;

  bool has_expired(wall_time now) const {
    return not_after <= now;
  }
};

/// Clocks that are slow by as much still take what was made just now.
inline constexpr auto clock_allowance = std::chrono::hours{1};

/// Names the folder's own files have.
bool is_reserved_name(const std::string& name);

/// The index alone, which needs no key.
result<std::vector<issued_entry>> read_index(const std::string& folder);

/// Makes the folder if it is missing, and an authority in it that ends after
/// ten years.  One that exists is an error; one that was not made to the end,
/// as the program was cut off, is made now.
result<certificate_info>
make_pki_folder(const std::string& folder, const std::string& name,
                wall_time now);

/// An authority at work.  Holds the folder's lock and the key while it lives.
class pki_folder {
public:
  static result<pki_folder> open(const std::string& path);

  const std::vector<issued_entry>& issued() const {
    return issued_;
  }

  /// Makes NAME.pem and NAME.key, in the place of former ones.
  result<issued_entry> issue(const certificate_request& request);

  /// What a name has: its newest certificate, unless that was revoked.
  struct possession {
    control_role role = control_role::operate;
    /// That a node's certificate is for, beside its name.  Nothing: it is not
    /// in the folder any more.
    std::optional<std::vector<std::string>> hosts;
  };
  std::optional<possession> possession_of(const std::string& name) const;

  struct outcome {
    std::vector<issued_entry> revoked; ///< by this call
    bool known = false;                ///< whether the name was ever issued
  };
  /// Revokes what was issued to `name` and has not expired at `now`, and
  /// writes the list anew, even if nothing was left to revoke.
  result<outcome> revoke(const std::string& name, wall_time now);

private:
  pki_folder(std::string path, file_descriptor lock,
             certificate_authority authority, std::vector<issued_entry> issued);

  std::string path_;
  file_descriptor lock_;
  certificate_authority authority_;
  std::vector<issued_entry> issued_;
};

} // namespace weft
