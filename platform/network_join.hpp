// How a node with a token asks a directory to be let in: the client's half of
// protocol/network/join.hpp, over TCP and TLS.
//
// Frames, each a length of four bytes in network order and
//   directory -> node   32 bytes: the ephemeral key
//   node -> directory   encode(proven_request)
//   directory -> node   encode(join_answer), which also comes first if the
//                       directory does not want to hear the request
#pragma once

#include "platform/network_certificates.hpp"
#include "protocol/network/join.hpp"
#include "protocol/network/join_answer.hpp"
#include "protocol/network/token.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace weft {

/// How long a connection to one address may take.
inline constexpr std::chrono::seconds join_connect_patience{5};
/// How long TLS, request and answer may take with one directory: more than it
/// gives the node (5 s) and the issuer (10 s), so that it can say what
/// happened.
inline constexpr std::chrono::seconds join_exchange_patience{20};

struct joining {
  const join_token& token;
  // Made by this node, and on its disk before it asks: the same token and keys
  // get the same answer again.
  const signing_seed& certificate_key;
  const private_key& wireguard_key;
  std::optional<std::string> name{}; ///< unless the invitation says it
  network_time now{};                ///< certificates are judged at it
  /// What this host has against a network, before the token is used: a clause
  /// with the remedy; nothing: it may be joined.
  std::function<std::optional<std::string>(const root_contents&)> objects{};
  std::chrono::milliseconds patience = std::chrono::seconds{60}; ///< in all
  /// So long directories that break off or have too much to do are asked again.
  std::chrono::milliseconds persistence = std::chrono::seconds{20};
};

struct join_result {
  network_certificate root; ///< which the token pins
  /// This node's, under the root, with its keys.
  network_certificate member;
  join_admission admission;
};

struct join_failure {
  /// In the order in which they are told of if directories differ.
  enum class kind : std::uint8_t {
    unreachable,   ///< no connection, or it was lost
    other_network, ///< what answers is no directory under the token's root
    untimely,      ///< it is one, but not at this time: some clock is wrong
    bad_answer,    ///< it is one, and its answer is none
    refused,       ///< by the issuer or the directory, in their words
    unwanted,      ///< by this host, as joining::objects says
  };
  kind what{};
  std::optional<refused> refusal{}; ///< if it was refused, or untimely
  std::string message; ///< a sentence with all addresses that were tried
};

/// Asks the token's directories in turn until one has let the node in, and, for
/// `persistence`, once more those that may only be busy.  Blocks,
/// for `patience` and what the resolver takes for names: never call it on an
/// I/O loop.
tl::expected<join_result, join_failure> ask_to_join(const joining& what);

} // namespace weft
