// What a directory shows of itself, and whom it lets in as a member.
#pragma once

#include "actors/network/start_directory.hpp"
#include "platform/network_tls.hpp"
#include "protocol/network/directory.hpp"

#include <functional>
#include <span>
#include <string>

namespace weft {

struct directory_identity {
  network_certificate root;
  network_certificate own;
  network_certificate issuer; ///< that signed `own`
  network_identity tls;

  const root_contents& network() const;
  const std::string& name() const;
  const std::string& issuer_name() const;
};

/// Reads root, certificate and key, and checks that they belong together.
/// Errors name the file and the remedy.
result<directory_identity>
load_directory_identity(const directory_options& options);

/// A member of the network at that time, by the chain that it shows.
accepted<verified_certificate>
verify_member(const network_certificate& root,
              std::span<const byte_vector> chain, network_time now);

/// What X.509 says of items for the core; times are not judged, but for the
/// root's.
item_judge
judge_of(network_certificate root, std::function<network_time()> now);

} // namespace weft
