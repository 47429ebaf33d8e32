// The folder of an issuer: the authority of a network, what the issuer signs
// with, and its journal.
//
//   root.pem     the root's certificate, which every token pins
//   root.key     its key (PKCS #8); may be moved off-line once this is made
//   issuer.pem   the issuer's certificate, signed by the root
//   issuer.key   its key
//   journal/     journal_file's (platform/store/)
//   journal.begun  there was a journal: one that is lost is not begun anew
//
// The folder and what is secret in it are for their owner alone.
#pragma once

#include "platform/network_certificates.hpp"

#include <string>

namespace weft {

inline constexpr std::chrono::hours root_lifetime{24 * 365 * 5};
inline constexpr std::chrono::hours issuer_lifetime{24 * 365 * 2};
/// Of a directory's certificate; it never outlives its issuer's.
inline constexpr std::chrono::hours directory_lifetime{24 * 365 * 2};

/// What an issuer has, its journal apart.
struct authority {
  network_certificate root;
  network_signer issuer;
};

/// Where an authority's files are.
std::string root_certificate_file(const std::string& folder);
std::string root_key_file(const std::string& folder);
std::string issuer_certificate_file(const std::string& folder);
std::string issuer_key_file(const std::string& folder);
std::string journal_folder(const std::string& folder);

/// Makes the folder (0700) with all of it.  `issuer` lies within `root`.  After
/// a crash there is a whole authority or none, and what is there already is
/// left alone, which is an error.
result<authority>
make_authority(const std::string& folder, const root_contents& root,
               const issuer_contents& issuer, network_time now,
               random_source& random);

/// Reads what an issuer needs: the root's key need not be there.
result<authority> read_authority(const std::string& folder);

/// Signs another certificate for the issuer's key, with the root's key, which
/// may be the caller's or the folder's owner's, as whom it is written.  It
/// counts from the next start of the issuer on.
result<network_certificate>
renew_issuer(const std::string& folder, network_time now,
             random_source& random);

} // namespace weft
