// Step by step:
// 1. the node's status, and the peer's (look);
// 2. a handshake, and whether it is answered (try_handshake);
// 3. the status once more, the node at the other end, and this host; with a
//    session, packets through it;
// 4. what all that comes to (judge), and its text.
#include "tools/weft/commands/explain.hpp"

#include "platform/clock.hpp"
#include "protocol/base/unix_time.hpp"
#include "protocol/base/wireguard.hpp"
#include "tools/weft/explain/host.hpp"
#include "tools/weft/places/find_peer.hpp"
#include "tools/weft/places/requests.hpp"
#include "tools/weft/view/explain_text.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <ostream>

namespace weft {

namespace {

using namespace std::chrono_literals;

constexpr int look_interval = 200; // milliseconds

/// Takes the peer out of a status, and the others away.
std::optional<peer_status>
take_peer(device_status& from, const public_key& key) {
  auto peers = std::move(from.peers);
  from.peers.clear();
  const auto found
    = std::find_if(peers.begin(), peers.end(), [&](const peer_status& one) {
        return one.public_key == key;
      });
  if (found == peers.end())
    return std::nullopt;
  return std::move(*found);
}

/// What the node says of itself and of the peer, into `facts`.
outcome<void>
look(const node_connection& link, const public_key& key, peer_facts& facts) {
  auto status = ask_status(link);
  if (!status)
    return tl::unexpected(std::move(status.error()));
  auto peer = take_peer(*status, key);
  if (!peer)
    return tl::unexpected(failure{
      exit_no_peer, ENOENT, "there is no peer " + to_string(key), "peer"});
  facts.node = std::move(*status);
  facts.peer = std::move(*peer);
  facts.now = wall_now();
  return {};
}

/// Whether a handshake that is begun now is answered.  Who may only look does
/// not begin one.
outcome<void> try_handshake(const explain_options& options,
                            const node_connection& link, peer_facts& facts) {
  const auto& peer = facts.peer;
  if (!peer.endpoint || peer.state.word == peer_word::disabled)
    return {};
  const auto begun = ask<void>(link, begin_handshake{peer.public_key});
  if (!begun && begun.error().code == EPERM)
    return {};
  if (!begun)
    return tl::unexpected(begun.error());
  facts.tried = true;
  // Within 5 s of the last one it is begun once they are over.
  const auto later
    = peer.session_age ? limits::rekey_timeout - *peer.session_age : 0s;
  const auto since = peer.last_handshake
                       ? seconds_since_epoch(*peer.last_handshake) + 1
                       : std::int64_t{0};
  const auto until = std::chrono::steady_clock::now() + options.patience
                     + std::max<duration>(later, 0s);
  while (!facts.answered && std::chrono::steady_clock::now() < until) {
    ::poll(nullptr, 0, look_interval);
    const auto is = ask<bool>(link, check_handshake{peer.public_key, since});
    if (!is)
      return tl::unexpected(is.error());
    facts.answered = *is;
  }
  return {};
}

void look_at_other(const explain_options& options, peer_facts& facts) {
  if (!options.other)
    return;
  auto status = options.other(facts.peer);
  if (!status)
    return;
  if (!*status) {
    facts.other_trouble = status->error().message;
    return;
  }
  other_facts other;
  other.about = take_peer(**status, facts.node.public_key);
  other.node = std::move(**status);
  facts.other = std::move(other);
}

/// With a session, packets through it as well.
void look_at_this_side(peer_facts& facts) {
  facts.host = look_at_host(facts.node, facts.peer);
  if (!facts.host || !facts.answered)
    return;
  const auto to
    = address_of(facts.peer, facts.other ? facts.other->node.addresses
                                         : std::vector<ip_prefix>{});
  if (to)
    facts.host->echo = try_echo(*to, facts.node.mtu);
}

outcome<peer_facts>
gather(const explain_options& options, const node_connection& link) {
  const auto key = find_peer(options.peer, link);
  if (!key)
    return tl::unexpected(key.error());
  peer_facts facts;
  auto done = look(link, *key, facts);
  if (done)
    done = try_handshake(options, link, facts);
  if (done)
    done = look(link, *key, facts);
  if (!done)
    return tl::unexpected(done.error());
  look_at_other(options, facts);
  if (options.is_here)
    look_at_this_side(facts);
  return facts;
}

} // namespace

int explain_peer(const explain_options& options, const node_connection& link,
                 const streams& io) {
  const auto facts = gather(options, link);
  if (!facts)
    return report(facts.error(), link.json, io);
  const auto found = judge(*facts);
  io.out << (link.json ? format_explanation_json(*facts, found)
                       : format_explanation(*facts, found));
  return is_well(found) ? exit_fine : exit_failure;
}

} // namespace weft
