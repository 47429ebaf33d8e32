// The commands of networks that run themselves.  Each returns the exit code of
// the program.
#pragma once

#include "tools/weft/commands/commands.hpp"
#include "tools/weft/network/node_place.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace weft {

/// For all commands of `weft network`.
struct network_options {
  place_options place;
  std::string text; ///< the argument of its own: NAME, TOKEN, FILE ...
  std::string name; ///< of a member; empty: as the host is called
  std::vector<std::string> ranges;
  std::vector<std::string> prefixes;
  std::vector<std::string> groups;
  std::vector<std::string> endpoints; ///< of this node
  std::string listen;                 ///< of the tunnel
  std::string directory;              ///< where it is reached
  std::string request;                ///< a file to be written
  std::string root;                   ///< a file
  std::string key;                    ///< of a directory, 64 digits
  std::string store;                  ///< the file of a backup of a directory's
  std::uint64_t uses = 1;
  std::chrono::seconds expires{3600};
  unsigned slice_v4 = 28;
  unsigned slice_v6 = 64;
  bool of_issuer = false;
  bool of_directory = false;
  bool no_start = false;
  bool force = false;
  bool allow_overlap = false; ///< of ranges with what the host has and reaches
  bool json = false;
};

// -- nodes that are made or end -----------------------------------------------

/// Makes a network, with this node as its first member and directory.
int init_network(const network_options& options, const streams& io);
/// Makes this node a member, by a token; or writes the request for one.
int join_network(const network_options& options, const streams& io);
/// Makes this node a member by what issue_membership() wrote.
int import_membership(const network_options& options, const streams& io);
/// Ends this node's membership, and the node.
int leave_network_here(const network_options& options, const streams& io);

// -- where the issuer is -----------------------------------------------------

/// Prints a token.
int invite_members(const network_options& options, const streams& io);
int list_tokens(const network_options& options, const streams& io);
int revoke_token(const network_options& options, const streams& io);
/// Lets a node in that cannot reach a directory, by its request's file.
int issue_membership(const network_options& options, const streams& io);
/// Prints a certificate for the key of a member that is to be a directory; on
/// that member, without a name: makes the key, and says what is to be done.
int make_directory_of_member(const network_options& options, const streams& io);
int remove_member(const network_options& options, const streams& io);
int begin_epoch(const network_options& options, const streams& io);
/// Copies what an issuer and a directory have that nobody else has.
int back_up_network(const network_options& options, const streams& io);
/// Has both go on after a backup was put back; or puts back that of a
/// directory, which does not run.
int recover_network(const network_options& options, const streams& io);

// -- anywhere ----------------------------------------------------------------

/// All, where the issuer is; elsewhere those that this node knows.
int list_members(const network_options& options, const streams& io);
int show_network(const network_options& options, const streams& io);
/// Gets a new certificate now.
int renew_membership(const network_options& options, const streams& io);

} // namespace weft
