// What an issuer is asked over its Unix sockets, and answers: frames as in
// members.hpp, of these messages, one question after the other on a connection.
// Unlike a directory and its members both ends are of one installation: a
// question that is not known is an error.
//
// Of two sockets one is the directory's, which may ask for admissions, for what
// members want for themselves, and for items; the other one is root's, who may
// ask for everything.
#pragma once

#include "protocol/network/issuer.hpp"
#include "protocol/network/join_answer.hpp"
#include "protocol/network/members.hpp"
#include "protocol/network/renewal.hpp"

namespace weft {

inline constexpr std::size_t most_issuing_frame_bytes = std::size_t{4} << 20;
/// Of tokens, members or items in one message.
inline constexpr std::size_t most_issuing_list = 4096;
/// Where a page of them ends.
inline constexpr std::size_t most_issuing_page = 1024;
/// How long ask_items may wait.
inline constexpr std::chrono::seconds longest_patience{60};

// -- from a directory --------------------------------------------------------

/// Somebody wants to join; answered with join_answer_given.
struct ask_admission {
  proven_request request;
  tls_exporter exporter{};
};
/// A renewal or a leave (renewal.hpp); answered with certified_answer or done.
struct ask_for_itself {
  byte_vector request;
};
/// What has changed since a place in the journal (0, or one before it was
/// restored: everything); answered once there is something, or after
/// `patience`, with issued_items.  A directory
/// puts it into its store together with `through`, and so misses nothing.
struct ask_items {
  std::uint64_t after = 0;
  std::chrono::seconds patience{0};
};

// -- from root ---------------------------------------------------------------

struct ask_invitation {
  invitation terms;
};
struct ask_withdrawal {
  verifying_key token;
};
/// By name; its token is withdrawn, a list is signed, an epoch begins.
struct ask_removal {
  std::string name;
};
struct ask_rekeying {};
/// A certificate for a directory's key; answered with certified_answer.
struct ask_directory_certificate {
  std::string name;
  verifying_key key;
};
/// A page of what is known, in the order of keys, behind `after`.
struct ask_tokens {
  std::optional<verifying_key> after{};
};
/// A page of all that were ever let in, in the order of ids, behind `after`.
struct ask_members {
  std::optional<member_id> after{};
};
struct ask_state {};
/// Shows an issuer whose journal was restored from a backup what it has signed
/// since: certificates of members, and lists, from a directory's store.  What
/// it finds signed with its own key and lacks, it takes over.  Until the last
/// of them came it lets nobody in and renews nothing.  Answered with done.
struct ask_adoption {
  std::vector<network_item> items; ///< of kinds that are not its own: ignored
  bool last = false;
};
/// Writes a copy of the journal, marked as a backup and as secret as itself, to
/// a path that the issuer's user can make: in its folder, when it is sandboxed.
struct ask_backup {
  std::string path;
};

using issuing_question
  = std::variant<ask_admission, ask_for_itself, ask_items, ask_invitation,
                 ask_withdrawal, ask_removal, ask_rekeying,
                 ask_directory_certificate, ask_tokens, ask_members, ask_state,
                 ask_adoption, ask_backup>;

// -- answers -----------------------------------------------------------------

struct join_answer_given {
  join_admission admission;
};
struct certified_answer {
  std::vector<byte_vector> certificates; ///< its own first, as DER
  /// After a renewal: the newest preshared secret, sealed for the certificate's
  /// key as if it were a token, for who cannot open the chain any more.
  std::optional<sealed_secret> secret{};
};
struct issued_items {
  std::vector<network_item> items; ///< as in members.hpp
  std::vector<byte_vector> gone;   ///< keys of those that are no more
  std::uint64_t through = 0;       ///< the place to ask for next
  bool more = false;               ///< ask again at once
};
struct tokens_answer {
  struct token {
    invitation terms;
    std::uint64_t used = 0;
    bool withdrawn = false;
  };
  std::vector<token> tokens;
  bool more = false; ///< ask again, behind the last one
};
struct members_answer {
  struct member {
    certificate_terms terms;
    bool removed = false;
  };
  std::vector<member> members;
  bool more = false; ///< ask again, behind the last one
};
struct state_answer {
  root_contents root;
  issuer_contents issuer;
  std::uint64_t journal = 0; ///< its length
  sha256_digest head{};      ///< of its chain
  std::uint64_t members = 0; ///< that were not removed
  std::uint64_t epoch = 0;
  std::uint64_t list = 0;  ///< the number of the last one
  network_time ends{};     ///< the issuer's certificate
  bool recovering = false; ///< waits for the last ask_adoption
};
struct issuing_done {};
struct issuing_refused {
  refused why;
};

using issuing_answer
  = std::variant<join_answer_given, certified_answer, issued_items,
                 tokens_answer, members_answer, state_answer, issuing_done,
                 issuing_refused>;

/// With the length in front.
byte_vector encode_frame(const issuing_question& question);
byte_vector encode_frame(const issuing_answer& answer);
/// Of a frame without its length.
accepted<issuing_question> read_issuing_question(const_byte_span frame);
accepted<issuing_answer> read_issuing_answer(const_byte_span frame);

} // namespace weft
