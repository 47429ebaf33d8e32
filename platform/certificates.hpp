// Certificates for remote control: an authority, what it issues, and the list
// of what it revoked (RFC 5280), with Ed25519 keys (RFC 8410).  Everything
// goes in and out as PEM text (RFC 7468); nothing here touches a file or reads
// the clock.
#pragma once

#include "platform/error.hpp"
#include "platform/secret_text.hpp"
#include "protocol/base/control_role.hpp"
#include "protocol/base/time.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// What a certificate says of its owner and itself.  The role stands in its
/// subject as the organizational unit `weft ROLE`.
struct certificate_info {
  std::string name;                 ///< common name, without control characters
  std::optional<control_role> role; ///< none: no unit of weft's, or several
  std::string serial;               ///< lower-case hexadecimal digits
  std::string fingerprint;          ///< SHA-256 of it, 64 hexadecimal digits
  wall_time not_before{};
  wall_time not_after{};
  /// DNS names and IP addresses among its subject's alternative names.
  std::vector<std::string> hosts{};
};

/// What the first certificate of a PEM text says.
result<certificate_info> read_certificate(std::string_view text);

/// Before a certificate ends, there is this long to renew it.
inline constexpr std::chrono::hours renewal_notice{24 * 30};

/// `ends in 12 days`, `ends within a day` or `has expired`, from the time of
/// the notice on; before: nothing.
std::optional<std::string> ends_soon(wall_time not_after, wall_time now);

/// When a certificate holds, in whole seconds.
struct validity {
  wall_time from{};
  wall_time until{}; ///< has expired by then
};

struct certificate_request {
  std::string name;
  control_role role = control_role::operate;
  /// DNS names and IP addresses that a node is reached at, beside its name.
  std::vector<std::string> hosts;
  validity valid;
};

/// 1-64 of `A-Z a-z 0-9 . _ -`, the first of them no dot.
bool is_certificate_name(std::string_view name);

/// What is wrong with a request, with the remedy; or nothing.
std::optional<std::string> mistake_in(const certificate_request& request);

struct issued_certificate {
  std::string certificate; ///< PEM
  secret_text key;         ///< PEM (PKCS #8), without a passphrase
  certificate_info info;
};

struct revocation {
  std::string serial; ///< hexadecimal digits
  wall_time when{};
};

/// A certificate that signs others, with its key.
class certificate_authority {
public:
  /// A new one.  `name` is what its certificate is called.
  static result<certificate_authority>
  make(const std::string& name, const validity& valid);
  /// The one behind two PEM texts.
  static result<certificate_authority>
  load(std::string_view certificate, std::string_view key);

  certificate_authority(certificate_authority&&) noexcept;
  certificate_authority& operator=(certificate_authority&&) noexcept;
  ~certificate_authority();

  std::string certificate() const; ///< PEM
  result<secret_text> key() const; ///< PEM
  certificate_info info() const;

  /// Makes a key and a certificate for it, under a serial number of 126 random
  /// bits: for servers if the role is `node`, else for clients.  It ends when
  /// the authority does, if that is earlier.
  result<issued_certificate> issue(const certificate_request& request) const;

  /// The list, as PEM.  It holds from `from` until the authority ends: a new
  /// list is put in place when something is revoked, not fetched in time.  Its
  /// number is higher than that of the `former` one (PEM; empty: none),
  /// whatever the clock says.
  result<std::string>
  revoke(std::span<const revocation> revoked, wall_time from,
         std::string_view former = {}) const;

private:
  struct parts;
  explicit certificate_authority(std::unique_ptr<parts> made);
  std::unique_ptr<parts> parts_;
};

} // namespace weft
