// What is done where the issuer is: tokens, removals, epochs.
#include "actors/network/member_files.hpp"
#include "platform/clock.hpp"
#include "platform/random.hpp"
#include "protocol/base/wipe.hpp"
#include "protocol/network/token.hpp"
#include "tools/issuer/client.hpp"
#include "tools/weft/commands/network_commands.hpp"
#include "tools/weft/network/exchange_files.hpp"
#include "tools/weft/network/invitations.hpp"
#include "tools/weft/network/network_text.hpp"
#include "tools/weft/network/new_node.hpp"
#include "tools/weft/network/refusals.hpp"
#include "tools/weft/view/format.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <ostream>

namespace weft {

namespace {

using json = nlohmann::ordered_json;

/// Does something with the socket of this node's issuer.
template <class Action>
int at_issuer(const network_options& options, const streams& io,
              Action&& action) {
  const auto node = find_member_node(options.place);
  if (!node)
    return report(node.error(), options.json, io);
  return action(*node, node->issuer_socket());
}

/// `done`, and a sentence for people.
int say_done(const network_options& options, const json& done,
             const std::string& sentence, const streams& io) {
  if (options.json)
    print_json(done, io);
  else
    io.out << sentence << '\n';
  return exit_fine;
}

/// A token is named by itself, or by the beginning of its public half, as
/// `weft network tokens` shows it.
outcome<verifying_key>
find_token(const std::string& socket, const std::string& text) {
  if (const auto token = parse_token(text))
    return derive_verifying_key(token->seed);
  const auto all = ask_all_tokens(socket);
  if (!all)
    return tl::unexpected(to_failure(all.error()));
  constexpr std::size_t shortest = 8;
  std::optional<verifying_key> found;
  for (const auto& each : *all) {
    if (text.size() < shortest
        || !to_hex_text(each.terms.token.bytes).starts_with(text))
      continue;
    if (found)
      return tl::unexpected(
        mistake("several tokens begin so: give more of it"));
    found = each.terms.token;
  }
  if (!found)
    return tl::unexpected(
      mistake("there is no such token; give it, or at least 8 of its digits as "
              "'weft network tokens' shows them"));
  return *found;
}

} // namespace

int invite_members(const network_options& options, const streams& io) {
  return at_issuer(options, io, [&](const auto& node, const auto& socket) {
    const auto fail
      = [&](const failure& what) { return report(what, options.json, io); };
    const auto root = read_root(node.config.network.root);
    if (!root)
      return fail(root.error());
    system_random random;
    const join_token token{node.config.network.directories, sha256({root->der}),
                           draw_signing_seed(random)};
    const auto terms = invitation_of(options, root->contents.network,
                                     derive_verifying_key(token.seed));
    if (!terms)
      return fail(terms.error());
    if (const auto mistaken = mistake_in(token))
      return fail(mistake(*mistaken));
    const auto done
      = ask_issuer_for<issuing_done>(socket, ask_invitation{*terms});
    if (!done)
      return fail(to_failure(done.error()));
    auto text = to_secret_text(token);
    const text_wiper end{text};
    if (options.json) {
      auto out = to_json(*terms);
      out["secret"] = text;
      print_json(out, io);
    } else {
      io.out << text << '\n';
    }
    return exit_fine;
  });
}

int list_tokens(const network_options& options, const streams& io) {
  return at_issuer(options, io, [&](const auto&, const auto& socket) {
    const auto all = ask_all_tokens(socket);
    if (!all)
      return report(to_failure(all.error()), options.json, io);
    print_tokens(*all, network_now(), options.json, io);
    return exit_fine;
  });
}

int revoke_token(const network_options& options, const streams& io) {
  return at_issuer(options, io, [&](const auto&, const auto& socket) {
    const auto fail
      = [&](const failure& what) { return report(what, options.json, io); };
    const auto token = find_token(socket, options.text);
    if (!token)
      return fail(token.error());
    const auto done
      = ask_issuer_for<issuing_done>(socket, ask_withdrawal{*token});
    if (!done)
      return fail(to_failure(done.error()));
    const auto name = to_hex_text(token->bytes);
    json out;
    out["token"] = name;
    out["withdrawn"] = true;
    return say_done(options, out,
                    "The token " + name.substr(0, 16)
                      + " lets nobody in any more; members that it let in stay",
                    io);
  });
}

int remove_member(const network_options& options, const streams& io) {
  return at_issuer(options, io, [&](const auto& node, const auto& socket) {
    const auto self = load_identity(node.config.network);
    if (self && self->contents().name == options.text)
      return report(mistake("'" + printable(options.text)
                            + "' is this node: 'weft network leave' ends its "
                              "membership"),
                    options.json, io);
    const auto done
      = ask_issuer_for<issuing_done>(socket, ask_removal{options.text});
    if (!done) {
      auto failed = to_failure(done.error());
      if (failed.code == ENOENT) {
        failed.exit = exit_no_peer;
        failed.message += "; 'weft network members' lists them";
      }
      return report(failed, options.json, io);
    }
    json out;
    out["removed"] = options.text;
    return say_done(options, out,
                    "'" + printable(options.text)
                      + "' is removed: members that reach a directory drop it "
                        "within seconds, others as soon as they do",
                    io);
  });
}

int begin_epoch(const network_options& options, const streams& io) {
  return at_issuer(options, io, [&](const auto&, const auto& socket) {
    const auto fail
      = [&](const failure& what) { return report(what, options.json, io); };
    const auto done = ask_issuer_for<issuing_done>(socket, ask_rekeying{});
    if (!done)
      return fail(to_failure(done.error()));
    const auto state = ask_issuer_for<state_answer>(socket, ask_state{});
    if (!state)
      return fail(to_failure(state.error()));
    json out;
    out["epoch"] = state->epoch;
    return say_done(options, out,
                    "Epoch " + std::to_string(state->epoch)
                      + " of the preshared keys has begun; the one before goes "
                        "after a day",
                    io);
  });
}

} // namespace weft
