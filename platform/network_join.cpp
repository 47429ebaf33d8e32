#include "platform/network_join.hpp"

#include "platform/clock.hpp"
#include "platform/connect.hpp"
#include "platform/network_tls.hpp"
#include "platform/random.hpp"
#include "platform/resolve.hpp"
#include "platform/stream.hpp"
#include "protocol/network/framing.hpp"

#include <algorithm>
#include <thread>
#include <utility>

namespace weft {

namespace {

using kind = join_failure::kind;

/// Why one directory has not let the node in: a clause.
struct obstacle {
  kind what{};
  std::string why;
  std::optional<refused> refusal{};
  bool may_pass = false; ///< the directory may only have had too much to do
};

template <class T>
using attempt = tl::expected<T, obstacle>;

tl::unexpected<obstacle> failed(kind what, std::string why) {
  return tl::unexpected(obstacle{what, std::move(why)});
}

bool is_untimely(refusal why) {
  return why == refusal::not_yet_valid || why == refusal::expired;
}

/// What a certificate lacks, behind `says`; another kind than `otherwise` if it
/// is nothing but the time.
tl::unexpected<obstacle>
objected(const refused& to, kind otherwise, const std::string& says) {
  return tl::unexpected(
    obstacle{is_untimely(to.why) ? kind::untimely : otherwise, says + to.what,
             is_untimely(to.why) ? std::optional{to} : std::nullopt});
}

tl::unexpected<obstacle> broken_off(std::string why) {
  return tl::unexpected(
    obstacle{kind::unreachable, std::move(why), std::nullopt, true});
}

// -- bytes --------------------------------------------------------------------

/// A TLS session that is waited for.
class session {
public:
  session(network_stream stream, time_point until)
    : stream_(std::move(stream)), until_(until) {
  }

  attempt<void> shake_hands() {
    const auto done = run([&] { return stream_.handshake(); });
    if (!done && stream_.objection())
      return objected(*stream_.objection(), kind::other_network, {});
    return done.map([](std::size_t) {});
  }

  attempt<void> write_frame(const_byte_span body) {
    const auto frame = with_length(body);
    for (const_byte_span left = frame; !left.empty();) {
      const auto done = run([&] { return stream_.write(left); });
      if (!done)
        return tl::unexpected(done.error());
      left = left.subspan(*done);
    }
    return {};
  }

  attempt<byte_vector> read_frame() {
    byte_array<frame_length_bytes> length{};
    if (auto done = read_all(length); !done)
      return tl::unexpected(std::move(done.error()));
    const auto size = read_frame_length(length);
    if (size > most_join_answer_bytes)
      return failed(kind::bad_answer, "it answers with " + std::to_string(size)
                                        + " bytes, which are too many");
    byte_vector body(size);
    return read_all(body).map([&] { return std::move(body); });
  }

  tls_exporter exporter() const {
    return stream_.exporter(join_exporter_label);
  }

private:
  attempt<void> read_all(byte_span into) {
    while (!into.empty()) {
      const auto done = run([&] { return stream_.read(into); });
      if (!done)
        return tl::unexpected(done.error());
      into = into.subspan(*done);
    }
    return {};
  }

  /// Until the operation is done; its bytes.
  template <class Operation>
  attempt<std::size_t> run(Operation operation) {
    for (;;) {
      const tls_result result = operation();
      switch (result.status) {
        case tls_status::done:
          return result.bytes;
        case tls_status::failed:
          return broken_off(stream_.failure());
        case tls_status::closed:
          return broken_off("it ended the connection without an answer");
        case tls_status::wants_read:
          if (!wait_readable(stream_.descriptor(), until_))
            return no_answer();
          break;
        case tls_status::wants_write:
          if (!wait_writable(stream_.descriptor(), until_))
            return no_answer();
          break;
      }
    }
  }
  static tl::unexpected<obstacle> no_answer() {
    return failed(kind::unreachable, "it did not answer in time");
  }

  network_stream stream_;
  time_point until_;
};

// -- one directory ------------------------------------------------------------

/// The root behind a directory's chain, if it is the one that the token pins
/// and the directory is one under it.
accepted<network_certificate>
check_directory(std::span<const byte_vector> chain, const joining& what) {
  if (chain.size() != 3)
    return refuse(refusal::malformed, "it does not show its network's root");
  if (const auto shown = sha256({chain[2]}); shown != what.token.root)
    return refuse(refusal::wrong_network,
                  "it is of another network than the token: its root has the "
                  "fingerprint "
                    + to_hex_text(shown) + ", and the token is for "
                    + to_hex_text(what.token.root));
  auto root = read_network_certificate(chain[2]);
  if (!root)
    return root;
  const auto leaf = verify_chain(*root, chain.first(2), what.now);
  if (!leaf)
    return tl::unexpected(leaf.error());
  if (!std::holds_alternative<directory_contents>(leaf->contents))
    return refuse(refusal::wrong_role,
                  "it is no directory, but of the role "
                    + std::string{role_of(leaf->contents)});
  return root;
}

attempt<file_descriptor> connect_to(const endpoint& where, time_point until) {
  auto begun = start_connect_tcp(where);
  if (!begun)
    return failed(kind::unreachable, begun.error().message);
  if (!wait_writable(begun->get(), until))
    return failed(kind::unreachable, "it did not answer in time");
  if (const int code = connect_error(begun->get()); code != 0)
    return failed(kind::unreachable,
                  make_system_error(code, "no connection").message);
  return std::move(*begun);
}

/// The certificate that was given, if it is this node's and under the root.
attempt<network_certificate>
check_admission(const join_admission& admission,
                const network_certificate& root, const joining& what) {
  auto member = verify_chain(root, admission.certificates, what.now);
  if (!member)
    return objected(member.error(), kind::bad_answer,
                    "the certificate that it gave does not hold: ");
  const auto* contents = std::get_if<member_contents>(&member->contents);
  if (contents == nullptr
      || member->key != derive_verifying_key(what.certificate_key)
      || contents->key != derive_public_key(what.wireguard_key)
      || (what.name && contents->name != *what.name))
    return failed(kind::bad_answer,
                  "the certificate that it gave is not for this node");
  return std::move(*member);
}

attempt<join_result>
take_answer(const join_answer& answer, network_certificate root,
            const joining& what) {
  if (!answer)
    return tl::unexpected(obstacle{kind::refused, answer.error().what,
                                   answer.error(),
                                   answer.error().why == refusal::unavailable});
  return check_admission(*answer, root, what)
    .map([&](network_certificate&& member) {
      return join_result{std::move(root), std::move(member), *answer};
    });
}

/// What to prove for a challenge.
attempt<proven_request>
answer_challenge(const_byte_span challenge, const tls_exporter& exporter,
                 const network_certificate& root, const joining& what) {
  join_challenge given;
  if (challenge.size() != given.ephemeral.bytes.size())
    return failed(kind::bad_answer, "it does not begin as a directory does");
  std::copy(challenge.begin(), challenge.end(), given.ephemeral.bytes.begin());
  auto proven = prove(
    join_keys{what.token.seed, what.certificate_key, what.wireguard_key},
    std::get<root_contents>(root.contents).network, what.name, exporter, given);
  if (!proven)
    return failed(kind::bad_answer, "its key is one that no directory has");
  return std::move(*proven);
}

attempt<join_result>
ask(session with, const network_certificate& root, const joining& what) {
  const auto first = with.read_frame();
  if (!first)
    return tl::unexpected(first.error());
  if (const auto refusal = read_join_answer(*first); refusal && !*refusal)
    return take_answer(*refusal, root, what);
  const auto proven = answer_challenge(*first, with.exporter(), root, what);
  if (!proven)
    return tl::unexpected(proven.error());
  if (auto sent = with.write_frame(encode(*proven)); !sent)
    return tl::unexpected(std::move(sent.error()));
  const auto last = with.read_frame();
  if (!last)
    return tl::unexpected(last.error());
  const auto answer = read_join_answer(*last);
  if (!answer)
    return failed(kind::bad_answer,
                  "its answer cannot be read: " + answer.error().what);
  return take_answer(*answer, root, what);
}

attempt<join_result>
ask_at(const endpoint& where, const joining& what, time_point until) {
  auto socket
    = connect_to(where, std::min(until, boot_now() + join_connect_patience));
  if (!socket)
    return tl::unexpected(std::move(socket.error()));
  std::optional<network_certificate> root;
  const auto tls = network_tls::joiner(
    [&](network_purpose,
        std::span<const byte_vector> chain) -> std::optional<refused> {
      auto found = check_directory(chain, what);
      if (!found)
        return std::move(found.error());
      root = std::move(*found);
      return std::nullopt;
    });
  if (!tls)
    return failed(kind::unreachable, tls.error().message);
  auto stream = tls->connect(std::move(*socket));
  if (!stream)
    return failed(kind::unreachable, stream.error().message);
  session with(std::move(*stream),
               std::min(until, boot_now() + join_exchange_patience));
  if (auto shaken = with.shake_hands(); !shaken)
    return tl::unexpected(std::move(shaken.error()));
  if (what.objects)
    if (auto why = what.objects(std::get<root_contents>(root.value().contents)))
      return failed(kind::unwanted, std::move(*why));
  return ask(std::move(with), root.value(), what);
}

// -- all of them --------------------------------------------------------------

/// Why nobody has let the node in.
class obstacles {
public:
  void add(const std::string& where, const obstacle& met) {
    may_pass_ = may_pass_ || met.may_pass;
    is_final_ = is_final_ || met.what == kind::unwanted
                || (met.what == kind::refused && !met.may_pass);
    if (met.what >= worst_.what) {
      worst_.what = met.what;
      if (met.refusal)
        worst_.refusal = met.refusal;
    }
    text_ += (text_.empty() ? "" : "; ") + where + ": " + met.why;
  }
  /// Whether it may be otherwise in a moment.
  bool may_pass() const {
    return may_pass_ && !is_final_;
  }
  join_failure take() {
    if (text_.empty())
      text_ = "there was no time to ask a directory";
    worst_.message = "Cannot join the network: " + text_ + remedy();
    return std::move(worst_);
  }

private:
  std::string remedy() const {
    switch (worst_.what) {
      case kind::unreachable:
        return ". A directory's address must be one that this host can reach "
               "by TCP";
      case kind::other_network:
        return ". Ask for a new token where the network is managed, and see "
               "that nobody stands between";
      case kind::untimely:
        return worst_.refusal->why == refusal::not_yet_valid
                 ? ". The clock of this host is slow: set it, and join again "
                   "with the same token"
                 : ". Either the clock of this host is fast: set it, and join "
                   "again with the same token; or the certificate has ended: "
                   "'weft network renew --directory' (or --issuer) where the "
                   "issuer is gives another one";
      default:
        return "";
    }
  }

  join_failure worst_{kind::unreachable, std::nullopt, ""};
  std::string text_;
  bool may_pass_ = false;
  bool is_final_ = false;
};

result<std::vector<endpoint>> find_endpoints(const directory_address& where) {
  if (const auto address = parse_ip_address(where.host))
    return std::vector{endpoint{*address, where.port}};
  return resolve_host(where.host, where.port);
}

/// `HOST:PORT`, and the address behind it if it has one of its own.
std::string describe(const directory_address& called, const endpoint& at) {
  auto text = to_string(called);
  if (const auto address = to_string(at); address != text)
    text.append(" (").append(address).append(")");
  return text;
}

/// Of each of them, once.
std::optional<join_result>
ask_all(const joining& what, time_point until, obstacles& met) {
  for (const auto& directory : what.token.directories) {
    if (boot_now() >= until)
      break;
    const auto endpoints = find_endpoints(directory);
    if (!endpoints) {
      met.add(to_string(directory),
              {kind::unreachable, endpoints.error().message});
      continue;
    }
    for (const auto& each : *endpoints) {
      auto asked = ask_at(each, what, until);
      if (asked)
        return std::move(*asked);
      met.add(describe(directory, each), asked.error());
    }
  }
  return std::nullopt;
}

/// Until all are asked again; many may have been turned away together.
duration draw_pause() {
  constexpr std::uint32_t shortest = 500; // milliseconds, as below
  constexpr std::uint32_t spread = 1000;
  system_random random;
  return std::chrono::milliseconds{shortest + random.next_u32() % spread};
}

} // namespace

tl::expected<join_result, join_failure> ask_to_join(const joining& what) {
  const auto begun = boot_now();
  const auto until = begun + what.patience;
  for (;;) {
    obstacles met;
    if (auto joined = ask_all(what, until, met))
      return std::move(*joined);
    const auto next = boot_now() + draw_pause();
    if (!met.may_pass() || next >= std::min(until, begun + what.persistence))
      return tl::unexpected(met.take());
    std::this_thread::sleep_for(next - boot_now());
  }
}

} // namespace weft
