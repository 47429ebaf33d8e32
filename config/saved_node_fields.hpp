// The records of a saved node's format, said once for writing and reading.
//
// A record is a sequence of fields: the length of the name in one byte, the
// name, the length of the value in four, the value.  A value is a number in
// eight bytes, bytes, or a record; several of one name are a list, and of
// something optional there may be none.  Numbers are little-endian.
//
// `fields(a, x)` calls `a(name, value)` for each field of `x`, where `a` is a
// writer, or a reader, which sets the value (`A::reads`).
#pragma once

#include "config/fields.hpp"
#include "config/packed_words.hpp"
#include "config/saved_node.hpp"

#include <array>
#include <concepts>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weft::saved {

/// In front of the version and the record.
inline constexpr std::string_view magic = "weft saved node\n";
/// Behind those of the node.
inline constexpr std::string_view last_field = "complete";

template <class T, class Wanted>
concept is = std::same_as<std::remove_const_t<T>, Wanted>;

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_optional<boxed<T>> = true;
template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = !std::same_as<T, std::byte>;
template <class T>
inline constexpr bool is_time = false;
template <class Rep, class Period>
inline constexpr bool is_time<std::chrono::duration<Rep, Period>> = true;
template <class Clock, class Duration>
inline constexpr bool is_time<std::chrono::time_point<Clock, Duration>> = true;

/// Values of one size that are copied as they are.
template <class T>
inline constexpr bool is_fixed_bytes = false;
template <std::size_t N>
inline constexpr bool is_fixed_bytes<byte_array<N>> = true;
template <>
inline constexpr bool is_fixed_bytes<public_key> = true;
template <std::size_t N>
inline constexpr bool is_fixed_bytes<secret<N>> = true;
template <class Purpose>
inline constexpr bool is_fixed_bytes<secret_key<Purpose>> = true;

template <class T>
auto span_of(T& value) {
  if constexpr (requires { value.bytes(); })
    return value.bytes();
  else if constexpr (std::same_as<std::remove_const_t<T>, public_key>)
    return std::span{value.bytes};
  else
    return std::span{value};
}

/// What is copied out, so that it can be written and read alike, and put back
/// when it was read.
template <class A, class T, class Put>
void copied(A& a, std::string_view name, T value, Put put) {
  a(name, value);
  if constexpr (A::reads)
    put(value);
}

// -- the records -------------------------------------------------------------

template <class A, is<ip_address> T>
void fields(A& a, T& x) {
  copied(a, "v6", x.family == ip_family::v6,
         [&](auto v6) { x.family = v6 ? ip_family::v6 : ip_family::v4; });
  a("bytes", x.bytes);
}
template <class A, is<ip_prefix> T>
void fields(A& a, T& x) {
  a("address", x.address);
  a("length", x.length);
}
template <class A, is<endpoint> T>
void fields(A& a, T& x) {
  a("address", x.address);
  a("port", x.port);
  a("scope", x.scope_id);
}
template <class A, is<host_endpoint> T>
void fields(A& a, T& x) {
  a("host", x.host);
  a("port", x.port);
}
template <class A, is<endpoint_config> T>
void fields(A& a, T& x) {
  std::optional<endpoint> numeric;
  std::optional<host_endpoint> name;
  if constexpr (!A::reads) {
    if (const auto* where = std::get_if<endpoint>(&x))
      numeric = *where;
    else
      name = std::get<host_endpoint>(x);
  }
  a("numeric", numeric);
  a("name", name);
  if constexpr (A::reads) {
    if (name)
      x = *name;
    else
      x = numeric.value_or(endpoint{});
  }
}
template <class A, is<source_address> T>
void fields(A& a, T& x) {
  a("address", x.address);
  a("interface", x.interface_index);
}
template <class A, is<network_path> T>
void fields(A& a, T& x) {
  a("remote", x.remote);
  a("local", x.local);
}
template <class A, is<interface_config> T>
void fields(A& a, T& x) {
  for_each_field<interface_config>(
    [&](const auto& row, auto) { a(row.name, x.*row.member); });
}
template <class A, is<peer_config> T>
void fields(A& a, T& x) {
  for_each_field<peer_config>(
    [&](const auto& row, auto) { a(row.name, x.*row.member); });
}
template <class A, is<log_config> T>
void fields(A& a, T& x) {
  a("level", x.level);
  a("format", x.format);
}
template <class A, is<offload_config> T>
void fields(A& a, T& x) {
  for (const auto& key : all_offloads)
    a(key.name, x.*key.mode);
}
template <class A, is<cookie_checker::state> T>
void fields(A& a, T& x) {
  a("secret", x.cookie_secret);
  a("made", x.made);
}
template <class A, is<cookie_stamper::state> T>
void fields(A& a, T& x) {
  a("mac1", x.last_mac1);
  a("cookie", x.cookie);
  a("received", x.cookie_received);
}
template <class A, is<loop_guard::state> T>
void fields(A& a, T& x) {
  a("left", x.left);
  a("earned", x.earned);
  a("probed", x.probed);
  a("in_tunnel", x.in_tunnel);
}
template <class A, is<replay_window::state> T>
void fields(A& a, T& x) {
  a("next", x.next);
  std::vector<std::byte> seen;
  if constexpr (!A::reads)
    seen = pack_words(x.seen);
  a("seen", seen);
  if constexpr (A::reads) {
    if (!unpack_words(seen, x.seen))
      a.refuse("seen");
  }
}
template <class A, is<keypair_state> T>
void fields(A& a, T& x) {
  a("send", x.send);
  a("receive", x.receive);
  a("local", x.local_index);
  a("remote", x.remote_index);
  a("initiator", x.initiator);
  a("created", x.created);
  a("counter", x.send_counter);
  std::optional<replay_window::state> window;
  if constexpr (!A::reads)
    window = x.window.save();
  a("window", window);
  if constexpr (A::reads) {
    if (window)
      x.window = replay_window{*window};
    else
      a.refuse("window"); // a new one would take what was taken before
  }
}
template <class A, is<keypairs::state> T>
void fields(A& a, T& x) {
  a("current", x.current);
  a("previous", x.previous);
  a("next", x.next);
  a("next_is_final", x.next_is_final);
}
template <class A, is<noise_initiator::state> T>
void fields(A& a, T& x) {
  a("chaining_key", x.chaining_key);
  a("hash", x.hash);
  a("ephemeral", x.ephemeral);
}
/// All but the initiator's state, without which there is none to read into.
template <class A, is<pending_initiation> T>
void more_fields(A& a, T& x) {
  a("index", x.index);
  a("sent", x.sent);
  a("crossed", x.crossed);
}
template <class A, is<session_traffic> T>
void fields(A& a, T& x) {
  a("bytes", x.bytes);
  a("packets", x.packets);
}
template <class A, is<drop_counters> T>
void fields(A& a, T& x) {
  for (const auto& row : drop_rows()) {
    std::optional<std::uint64_t> packets;
    if (!A::reads && x[row.reason] != 0) // most are zero
      packets = x[row.reason];
    copied(a, row.name, packets, [&](const auto& counted) {
      x.dropped(row.reason, counted.value_or(0));
    });
  }
}
template <class A, is<deadline_table> T>
void fields(A& a, T& x) {
  constexpr std::array<std::pair<std::string_view, deadline>,
                       deadline_table::count>
    all{{{"retransmit_handshake", deadline::retransmit_handshake},
         {"passive_keepalive", deadline::passive_keepalive},
         {"new_handshake", deadline::new_handshake},
         {"zero_keys", deadline::zero_keys},
         {"persistent_keepalive", deadline::persistent_keepalive}}};
  for (const auto& [name, which] : all)
    copied(a, name, x.find(which), [&, due = which](const auto& when) {
      if (when)
        x.set(due, *when);
    });
}
template <class A, is<session_values> T>
void fields(A& a, T& x) {
  a("peer", x.peer);
  a("slot", x.slot);
  a("psk", x.psk);
  a("other_psks", x.other_psks);
  a("keepalive", x.keepalive_interval);
  a("path", x.path);
  a("heard_by", x.heard_by);
  a("proven", x.proven);
  a("generation", x.generation);
  a("pending", x.pending);
  a("last_handshake_sent", x.last_handshake_sent);
  a("last_accepted", x.last_accepted);
  a("newest_timestamp", x.newest_timestamp);
  a("last_timestamp", x.last_timestamp);
  a("attempts", x.attempts);
  a("has_reason", x.has_reason);
  a("unanswered", x.unanswered);
  a("given_up", x.given_up);
  a("unused_answers", x.unused_answers);
  a("older_stamps", x.older_stamps);
  a("final_rekey_sent", x.final_rekey_sent);
  a("last_handshake", x.last_handshake);
  a("round_trip", x.round_trip);
  a("deadlines", x.deadlines);
  a("silence_jitter", x.silence_jitter);
  a("outbox", x.outbox);
  a("staged_sendable", x.staged_sendable);
  a("keepalive_due", x.keepalive_due);
  a("sent", x.sent);
  a("received", x.received);
  a("drops", x.drops);
}
template <class A, is<session_state> T>
void fields(A& a, T& x) {
  a("values", x.values);
  a("keys", x.keys);
  a("cookies", x.cookies);
  a("loops", x.loops);
  a("staged", x.staged);
}
template <class A, is<saved_session> T>
void fields(A& a, T& x) {
  a("session", x.session);
  a("up_until", x.up_until);
  a("too_big", x.too_big);
  a("path_mtu", x.path_mtu);
  a("path_mtu_told", x.path_mtu_told);
}
template <class A, is<session_memory> T>
void fields(A& a, T& x) {
  a("remote", x.remote);
  a("proven", x.proven);
  a("newest_initiation", x.newest_initiation);
  a("last_stamp", x.last_stamp);
  a("generation", x.generation);
  a("session_lost", x.session_lost);
}
template <class A, is<saved_peer> T>
void fields(A& a, T& x) {
  a("slot", x.slot);
  a("origin", x.origin);
  a("config", x.config);
  a("other_psks", x.other_preshared_keys);
  a("address", x.address);
  a("restarts", x.restarts);
  a("session", x.session);
  a("lost", x.lost);
}
template <class A, is<saved_node> T>
void fields(A& a, T& x) {
  a("taken", x.taken);
  a("interface", x.interface);
  a("port", x.port);
  a("fwmark", x.fwmark);
  a("log", x.log);
  a("offloads", x.offloads);
  a("file_digest", x.file_digest);
  a("index_key", x.indices.key);
  a("cookies", x.cookies);
  a("generations", x.generations);
  a("peers", x.peers);
  a("deprived", x.deprived);
}

} // namespace weft::saved
