// What a member has on its disk: who it is (certificates and key, from its
// configuration), and what its network has told (a folder of its own):
//
//   marks    what never goes back: numbers of lists, generations, the floor
//            of time
//   items    certificates, records and lists that were believed last
//   secrets  of the preshared keys' epochs
//
// Each file is replaced at once: after a crash there is the old or the new one.
// All of it blocks.
#pragma once

#include "config/network_config.hpp"
#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/network_certificates.hpp"
#include "protocol/network/member_memory.hpp"

#include <memory>
#include <string>
#include <vector>

namespace weft {

/// Who a member is.
struct member_identity {
  network_certificate root;
  network_certificate issuer;
  network_certificate own;
  std::vector<byte_vector> chain; ///< its own first, then its issuer's; DER
  signing_seed seed;

  const member_contents& contents() const {
    return std::get<member_contents>(own.contents);
  }
  const network_id& network() const {
    return contents().network;
  }
};

/// What is wrong with a chain as this network's member's, or who it is. Whether
/// the times are right is not looked at; the root's is, at `now`.
accepted<member_identity>
make_identity(const network_certificate& root, std::vector<byte_vector> chain,
              const signing_seed& seed);

/// Reads the files that the configuration names.  Errors name the file and the
/// remedy.
result<member_identity> load_identity(const network_config& config);

class member_files {
public:
  /// Makes the folder (0700) if it is missing, and waits while another program
  /// uses it, ten seconds at most.
  static result<std::shared_ptr<member_files>> open(const std::string& folder);

  struct contents {
    view_marks marks;
    /// Of two with a key the later one is the newer one.
    std::vector<network_item> items;
    preshared_epochs epochs;
    std::vector<std::string> notes; ///< what was spoilt, and what follows
  };

  /// What was kept; nothing of it if there is none.  Spoilt marks are made anew
  /// from items, which have all of them but who was removed long ago; without
  /// either nobody could tell an old list from a new one, and that is an error.
  result<contents> read(const network_id& network) const;

  // Only these write, each in one thread at a time.

  /// The lists and what this node says of itself, which are to be on the disk
  /// before they take effect; small, in one file with the marks, so that none
  /// of them is ever older than its mark.
  result<void> write_marks(const byte_vector& encoded) const;
  /// What all others are and say: many, and written seldom.
  result<void> write_items(const byte_vector& encoded) const;
  result<void> write_secrets(const preshared_epochs& epochs) const;

private:
  member_files(std::string folder, file_descriptor lock)
    : folder_(std::move(folder)), lock_(std::move(lock)) {
  }
  std::string path(const char* name) const;

  std::string folder_;
  file_descriptor lock_;
};

/// The certificates of a member, in the place of those before.
result<void> write_certificates(const std::string& path,
                                const std::vector<byte_vector>& chain);

/// Puts the secret that came with a certificate where a membership finds it:
/// for who joins.  The folder is made if it is missing; other epochs there
/// stay.
result<void> keep_joining_secret(const std::string& folder,
                                 const epoch_secret& secret, network_time now);

} // namespace weft
