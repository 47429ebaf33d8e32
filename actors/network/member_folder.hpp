// What a node that joins a network has on its disk, in a folder of its own:
//
//   wireguard.key    the private key of its interface, as `weft genkey` has it
//   member.key       the key of its certificate (PKCS #8)
//   root.pem         the network's root
//   member.pem       its certificate, and then its issuer's
//   secrets, marks, items    what its membership keeps (member_files.hpp)
//
// Keys are there before anybody is asked, so that who asks again with the same
// token gets the same answer; the certificate comes last.  All of it blocks.
#pragma once

#include "platform/error.hpp"
#include "protocol/network/certificate.hpp"
#include "protocol/network/join.hpp"
#include "protocol/network/join_answer.hpp"

#include <string>

namespace weft {

/// Names of files in such a folder.
struct node_folder {
  std::string path;

  std::string wireguard_key() const {
    return path + "/wireguard.key";
  }
  std::string member_key() const {
    return path + "/member.key";
  }
  std::string root() const {
    return path + "/root.pem";
  }
  std::string member() const {
    return path + "/member.pem";
  }
  std::string directory_key() const {
    return path + "/directory.key";
  }
  std::string directory() const {
    return path + "/directory.pem";
  }
};

/// The keys that lie there, or new ones, which lie there when this returns; the
/// folder is made (0700) if it is missing.  The token's seed is the caller's.
result<join_keys> keep_keys(const node_folder& folder, signing_seed token);

/// Who the node has become.
struct joined_node {
  root_contents network;
  member_contents self;
  network_time ends{}; ///< its certificate
};

/// What came of joining, put where weftd and join_network() find it: all of it
/// is looked at again, up to the root.
result<joined_node>
keep_admission(const node_folder& folder, const byte_vector& root,
               const join_admission& admission, const join_keys& keys,
               network_time now);

/// The seed that lies there, or a new one, which lies there when this returns.
result<signing_seed> keep_seed(const std::string& path);
/// A seed as PEM, for its owner alone, in the place of one before.
result<void> write_seed(const std::string& path, const signing_seed& seed);

} // namespace weft
