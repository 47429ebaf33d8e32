// The messages of etcd's version 3 API as JSON, as its gateway speaks them:
// what is asked as text, and answers as plain types.  Numbers are text there,
// keys and values base64, and what is zero is left out.  Nothing here is I/O.
//
// https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/
#pragma once

#include "protocol/network/store.hpp"

#include <tl/expected.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::etcd {

/// Of a text that is read at all: sixteen of the largest entries, and more than
/// any page of those that directories have.
inline constexpr std::size_t largest_answer = std::size_t{12} * 1024 * 1024;

// -- requests ----------------------------------------------------------------

struct range_request {
  std::string key;
  std::string end{};     ///< empty: that key alone
  store_revision at = 0; ///< 0: now
  std::size_t most = 1;  ///< entries
};
std::string to_json(const range_request& request);

struct put_operation {
  std::string key;
  std::string value;
  std::uint64_t lease = 0; ///< 0: none
};
std::string to_json(const put_operation& request);

struct transaction_request {
  std::vector<store_condition> conditions;
  std::vector<store_write> writes;
  std::string otherwise_read; ///< the key that is read if they do not hold
};
std::string to_json(const transaction_request& request);

struct watch_request {
  std::string key;
  std::string end;
  store_revision from = 1;
};
std::string to_json(const watch_request& request);

/// Contains the password: wipe it.
std::string
authenticate_request(const std::string& name, std::string_view password);
std::string grant_request(std::uint64_t lease, std::chrono::seconds time);
std::string keep_alive_request(std::uint64_t lease);
std::string compaction_request(store_revision revision);

// -- answers -----------------------------------------------------------------

/// Some of gRPC's status codes.
enum class status : int {
  malformed = -1, ///< none of gRPC's: the text is no such answer
  cancelled = 1,
  unknown = 2,
  invalid_argument = 3,
  deadline_exceeded = 4,
  not_found = 5,
  permission_denied = 7,
  resource_exhausted = 8,
  failed_precondition = 9,
  out_of_range = 11,
  internal = 13,
  unavailable = 14,
  unauthenticated = 16,
};

struct refusal {
  status code = status::malformed;
  std::string message; ///< printable, and short
};

template <class T>
using answer = tl::expected<T, refusal>;

struct header {
  std::uint64_t cluster = 0;
  store_revision revision = 0;
};

/// Of what answers with nothing else.
answer<header> parse_done(std::string_view text);

struct range_answer {
  header head;
  std::vector<store_entry> entries;
  bool more = false;
};
answer<range_answer> parse_range(std::string_view text);

struct transaction_answer {
  header head;
  bool succeeded = false;
  std::vector<store_entry> read; ///< if not
};
answer<transaction_answer> parse_transaction(std::string_view text);

/// A token; never empty.
answer<std::string> parse_token(std::string_view text);

/// Seconds that the lease has left; 0: it is no more.
answer<std::uint64_t> parse_kept(std::string_view text);

/// One line of a watch.
struct watch_answer {
  bool created = false;
  bool cancelled = false;
  store_revision compacted = 0; ///< of one that was cancelled for it
  std::string reason;           ///< why it was cancelled; printable
  std::vector<store_event> events;
};
answer<watch_answer> parse_watch(std::string_view line);

/// What an answer that is none says.
refusal parse_refusal(std::string_view text);

} // namespace weft::etcd
