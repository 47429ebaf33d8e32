// The issuer's journal: everything that it decided, each entry with the SHA-256
// of the one before, so that none can be changed, left out or put in between.
// Where it is kept is others' business; an entry is bytes.
#pragma once

#include "protocol/network/certificate.hpp"
#include "protocol/network/invitation.hpp"

#include <variant>

namespace weft {

/// What a member's certificate is made of.
struct certificate_terms {
  member_contents contents;
  verifying_key key;    ///< which is certified
  network_time from{};  ///< when it begins to hold
  network_time until{}; ///< and ends

  bool operator==(const certificate_terms&) const = default;
};

/// The first entry: whose journal it is.
struct journal_begun {
  root_contents root;
  issuer_contents issuer;

  bool operator==(const journal_begun&) const = default;
};

struct token_invited {
  invitation terms;

  bool operator==(const token_invited&) const = default;
};

struct token_withdrawn {
  verifying_key token;

  bool operator==(const token_withdrawn&) const = default;
};

struct member_admitted {
  verifying_key token; ///< that let it in
  certificate_terms terms;

  bool operator==(const member_admitted&) const = default;
};

struct member_renewed {
  certificate_terms terms;

  bool operator==(const member_renewed&) const = default;
};

struct member_removed {
  member_id id;

  bool operator==(const member_removed&) const = default;
};

/// A list of revocations was signed.
struct list_issued {
  std::uint64_t number = 0;

  bool operator==(const list_issued&) const = default;
};

/// The preshared secret was renewed.
struct epoch_begun {
  std::uint64_t epoch = 0;

  bool operator==(const epoch_begun&) const = default;
};

// After a journal was restored from a backup, what was signed behind it is
// found again by the issuer's own signature, and taken over.

/// A member's certificate of which the journal does not know.
struct member_adopted {
  certificate_terms terms;

  bool operator==(const member_adopted&) const = default;
};

/// A removal of which the journal does not know, perhaps of a member of which
/// it does not know either.
struct removal_adopted {
  member_id id;

  bool operator==(const removal_adopted&) const = default;
};

/// The end of it: numbers of allocations go on above this one.
struct journal_recovered {
  std::uint64_t allocation = 0;

  bool operator==(const journal_recovered&) const = default;
};

using journal_event
  = std::variant<journal_begun, token_invited, token_withdrawn, member_admitted,
                 member_renewed, member_removed, list_issued, epoch_begun,
                 member_adopted, removal_adopted, journal_recovered>;

struct journal_entry {
  network_time at{};
  journal_event event;

  bool operator==(const journal_entry&) const = default;
};

inline constexpr std::size_t most_journal_entry_bytes = std::size_t{16} * 1024;

/// The end of the chain, to which the next entry is fastened.
class journal_chain {
public:
  /// The next entry's bytes; they count when they are taken over.
  byte_vector write(const journal_entry& entry) const;
  /// What the bytes say, if they are the next entry of this chain.
  accepted<journal_entry> read(const_byte_span bytes) const;
  /// Fastens what read() has read.
  void append(const_byte_span bytes);

  std::uint64_t length() const {
    return length_;
  }
  /// Of the last entry; zeros: there is none.
  const sha256_digest& head() const {
    return head_;
  }

private:
  std::uint64_t length_ = 0;
  sha256_digest head_{};
};

} // namespace weft
