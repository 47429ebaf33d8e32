// What root asks of a running directory over its Unix socket
// (/run/weft/NETWORK.directory), and hears: frames as in members.hpp, one
// question after the other on a connection.
#pragma once

#include "protocol/base/ip.hpp"
#include "protocol/network/ids.hpp"
#include "protocol/network/members.hpp"
#include "protocol/network/refusal.hpp"
#include "protocol/network/store.hpp"

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace weft {

/// Of a frame without its length, in both directions.
inline constexpr std::size_t most_steering_frame_bytes = std::size_t{2} << 20;
/// Of the items in an answer; one that is larger stands alone in its own.
inline constexpr std::size_t most_steering_page_bytes = std::size_t{512} << 10;
inline constexpr std::size_t most_steering_items = 4096;
inline constexpr std::size_t longest_backup_path = 4096;
/// Of the connected members that an answer names.
inline constexpr std::size_t most_connected_members = 4096;

/// How it stands; answered with directory_state.
struct ask_directory_state {};
/// What was taken over from members counts from here on, under a new id of the
/// store: the directory gives out new things again.  Answered with
/// directory_state, or steering_failed.
struct ask_recovery {};
/// Writes what the store has to a new file; SQLite's only (etcd has its own).
/// Answered with steering_done, or steering_failed.
struct ask_store_backup {
  std::string path; ///< absolute
};
/// Answered with connected_members.
struct ask_connected_members {};

/// A page of what it holds, behind the item of that key (empty: from the
/// first), such as for an issuer that was restored.  Answered with known_items.
struct ask_known_items {
  byte_vector after;
};

using steering_question
  = std::variant<ask_directory_state, ask_recovery, ask_store_backup,
                 ask_connected_members, ask_known_items>;

/// A part that a directory needs and does not have; it goes on without.
struct directory_trouble {
  std::string store;  ///< empty: it works
  std::string issuer; ///< empty: it works, or there is none
  std::string listen; ///< empty: connections can come in

  bool operator==(const directory_trouble&) const = default;
};

struct directory_state {
  std::string name;               ///< of its certificate
  std::string network;            ///< the root's name
  std::optional<endpoint> listen; ///< nothing: not yet
  store_id store{};
  store_revision revision = 0; ///< all up to it is known here
  bool loaded = false;         ///< the store was read once
  bool recovering = false;     ///< gives nothing new out
  std::string why_recovering;
  bool has_issuer = false; ///< one is configured
  std::uint64_t items = 0;
  std::uint64_t connected = 0; ///< members
  std::uint64_t joining = 0;   ///< under way
  std::uint64_t unknown = 0;   ///< connections that have not proven themselves
  std::uint64_t admitted = 0;  ///< since the start
  std::uint64_t turned_away = 0; ///< connections that did not come in
  directory_trouble trouble;
  std::vector<store_presence> directories; ///< at this store, this one included
  network_time ends{};                     ///< its certificate

  bool operator==(const directory_state&) const = default;
};

struct connected_members {
  struct one {
    member_id id;
    std::string name;
    endpoint from; ///< of its TLS connection

    bool operator==(const one&) const = default;
  };
  std::vector<one> members;
  std::uint64_t all = 0; ///< there may be more than were named

  bool operator==(const connected_members&) const = default;
};

struct known_items {
  std::vector<network_item> items; ///< certificates, records, lists, secrets
  bool more = false;               ///< ask again, behind the last one

  bool operator==(const known_items&) const = default;
};

struct steering_done {
  bool operator==(const steering_done&) const = default;
};
struct steering_failed {
  std::string why; ///< a sentence with the remedy

  bool operator==(const steering_failed&) const = default;
};

using steering_answer
  = std::variant<directory_state, connected_members, known_items, steering_done,
                 steering_failed>;

/// With the length in front.
byte_vector encode_frame(const steering_question& question);
byte_vector encode_frame(const steering_answer& answer);
accepted<steering_question> read_steering_question(const_byte_span frame);
accepted<steering_answer> read_steering_answer(const_byte_span frame);

} // namespace weft
