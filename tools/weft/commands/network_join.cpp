// weft network join, issue and import: nodes become members.  Keys are on the
// disk before anybody is asked; the file of the node is written last.
#include "platform/network_join.hpp"

#include "actors/overlay/config_files.hpp"
#include "platform/accounts.hpp"
#include "platform/files.hpp"
#include "platform/network_certificates.hpp"
#include "platform/saved_file.hpp"
#include "protocol/base/wipe.hpp"
#include "tools/issuer/client.hpp"
#include "tools/weft/commands/network_commands.hpp"
#include "tools/weft/network/exchange_files.hpp"
#include "tools/weft/network/host_overlap.hpp"
#include "tools/weft/network/invitations.hpp"
#include "tools/weft/network/new_node.hpp"
#include "tools/weft/network/refusals.hpp"
#include "tools/weft/network/service.hpp"
#include "tools/weft/view/format.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <filesystem>
#include <istream>
#include <iterator>
#include <ostream>

namespace weft {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::chrono::seconds join_patience = 60s;

failure about_file(const std::string& file, failure what) {
  what.message = file + ": " + what.message;
  return what;
}

failure needs_root() {
  return {exit_forbidden, EPERM,
          "a node of a network is root's to make: run it as root"};
}

/// The argument, or standard input for `-`, so that a token need not stand in a
/// list of processes.
std::string token_text(const network_options& options, const streams& io) {
  if (options.text != "-")
    return options.text;
  std::string text;
  text.reserve(longest_token + 1);
  char c = 0;
  while (text.size() <= longest_token && io.in.get(c) && c != '\n')
    text += c;
  return text;
}

/// The file of a node that is there already.
std::optional<failure> find_node_at(const network_place& place) {
  std::error_code failed;
  if (!fs::exists(fs::symlink_status(place.config, failed)))
    return std::nullopt;
  return failure{exit_mistaken, EEXIST,
                 place.config
                   + " is there already: 'weft network leave' ends that node "
                     "(with --force if its membership has ended), and "
                     "--interface NAME makes another one"};
}

int finish(const network_options& options, const network_place& place,
           const joined_node& joined, network_config network,
           const streams& io) {
  const auto listen = tunnel_listen(options, network.endpoints);
  if (!listen)
    return report(listen.error(), options.json, io);
  node_yaml node;
  node.interface = place.interface;
  node.listen = *listen;
  node.who = joined;
  node.folder = place.folder;
  node.network = std::move(network);
  if (auto done = write_node_yaml(place, node); !done)
    return report(done.error(), options.json, io);
  const auto started = start_node(place, options.no_start);
  if (!started)
    return report(started.error(), options.json, io);
  if (options.json) {
    auto out = to_json(joined, place);
    out["started"] = *started;
    print_json(out, io);
    return exit_fine;
  }
  io.out << "This node is '" << joined.self.name << "' of the network '"
         << joined.network.name << "': " << addresses_text(joined.self) << '\n';
  say_how_to_start(place, node_unit(place.interface), *started, io);
  return exit_fine;
}

/// Nobody knows what the network is called before a directory has said it:
/// until then the keys lie in a folder that is called after the token.
std::string folder_name_of(const verifying_key& token) {
  return ".join-" + to_hex_text(std::span{token.bytes}.first(8));
}

/// In a node's folder: the public half of the token that it joined by.
std::string mark_of(const std::string& folder) {
  return folder + "/token";
}

bool joined_by(const std::string& folder, const std::string& token) {
  const auto mark = load_file(mark_of(folder), file_privacy::any);
  return mark && mark->view() == token;
}

/// The folder of a node that has joined by this token; empty: there is none.
std::string
settled_folder(const place_options& options, const std::string& token) {
  std::error_code failed;
  for (fs::directory_iterator at{state_folder_of(options), failed}, end;
       !failed && at != end; at.increment(failed)) {
    auto folder = at->path().string() + "/network";
    const auto node = at->path().filename().string();
    if ((options.interface.empty() || options.interface == node)
        && joined_by(folder, token))
      return folder;
  }
  return {};
}

/// The folder of who has asked with this token before, so that the same keys
/// are shown again; else a new one.  Of several nodes of this host each has a
/// name of its own (--interface), which may be said only when the network has
/// turned out to need it.
result<std::string>
folder_for(const place_options& options, const verifying_key& token) {
  const auto text = to_hex_text(token.bytes) + '\n';
  if (auto settled = settled_folder(options, text); !settled.empty())
    return settled;
  auto folder = state_folder_of(options) + '/' + folder_name_of(token);
  if (!options.interface.empty() && !joined_by(folder, text))
    folder += '-' + options.interface;
  if (auto made = make_private_folder(folder); !made)
    return tl::unexpected(std::move(made.error()));
  if (auto done = replace_file(mark_of(folder), text, 0600); !done)
    return tl::unexpected(std::move(done.error()));
  return folder;
}

/// What is in the way of a node whose place is known before its network is.
std::optional<failure> find_known_obstacle(const place_options& options) {
  if (options.interface.empty() && options.config.empty())
    return std::nullopt;
  constexpr auto any_name = "network";
  const auto place = place_of(
    options, options.interface.empty() ? any_name : options.interface);
  return place ? find_node_at(*place) : place.error();
}

/// Puts the folder where the node's is to be.
outcome<void> settle_folder(const std::string& from, const node_folder& to) {
  if (from == to.path)
    return {};
  std::error_code failed;
  if (auto made = make_private_folder(fs::path{to.path}.parent_path().string());
      !made)
    return tl::unexpected(to_failure(made.error()));
  fs::rename(from, to.path, failed); // refused if something is there
  if (failed)
    return tl::unexpected(
      failure{exit_failure, failed.value(),
              "Cannot move " + from + " to " + to.path + ": " + failed.message()
                + ". Move away what is there, and join again with the same "
                  "token"});
  return {};
}

failure to_failure(const join_failure& why) {
  using kind = join_failure::kind;
  const auto exit = why.what == kind::unreachable ? exit_unreachable
                    : why.what == kind::unwanted  ? exit_mistaken
                    : why.refusal ? to_failure(*why.refusal).exit
                                  : exit_failure;
  return {exit, 0, why.message};
}

/// What this host has of a network's ranges, unless that is meant to be.
std::optional<std::string>
find_overlap(const network_options& options, const root_contents& network) {
  if (options.allow_overlap)
    return std::nullopt;
  const auto& interface = options.place.interface;
  auto found = find_host_overlap(network.ranges,
                                 interface.empty() ? network.name : interface);
  if (found)
    *found += ". If nothing that this host needs is there, say the same again "
              "with --allow-overlap (nothing was used up); otherwise take that "
              "address or route away first, or have a network made with other "
              "ranges";
  return found;
}

tl::expected<join_result, join_failure>
ask_by_name(const join_token& token, const join_keys& keys,
            const network_options& options) {
  joining what{token, keys.certificate, keys.wireguard, {}, network_now(),
               {},    join_patience};
  what.objects = [&](const root_contents& network) {
    return find_overlap(options, network);
  };
  if (!options.name.empty())
    what.name = options.name;
  auto answer = ask_to_join(what);
  const bool lacks_name = !answer && options.name.empty()
                          && answer.error().refusal
                          && answer.error().refusal->why == refusal::malformed;
  if (!lacks_name)
    return answer;
  // The token says no name either: as this host is called.
  const auto own = member_name_of(options);
  if (!own)
    return answer;
  what.name = *own;
  return ask_to_join(what);
}

/// The token lets nobody in with these keys, now or later.
bool is_final(const join_failure& why) {
  if (why.what != join_failure::kind::refused)
    return false;
  switch (why.refusal->why) {
    case refusal::unknown_invitation:
    case refusal::withdrawn:
    case refusal::used_up:
    case refusal::expired:
      return true;
    default:
      return false;
  }
}

/// Of a node that never was one.
void forget_keys(const std::string& folder) {
  std::error_code ignored;
  if (fs::path{folder}.filename().string().starts_with(".join-"))
    fs::remove_all(folder, ignored);
}

int join_by(const network_options& options, const join_token& token,
            const streams& io) {
  const auto fail
    = [&](const failure& what) { return report(what, options.json, io); };
  if (const auto obstacle = find_known_obstacle(options.place))
    return fail(*obstacle);
  const auto endpoints = own_endpoints(options.endpoints);
  if (!endpoints)
    return fail(endpoints.error());
  if (const auto listen = tunnel_listen(options, *endpoints); !listen)
    return fail(listen.error());
  const auto folder
    = folder_for(options.place, derive_verifying_key(token.seed));
  if (!folder)
    return fail(to_failure(folder.error()));
  const auto keys = keep_keys({*folder}, token.seed);
  if (!keys)
    return fail(to_failure(keys.error()));
  const auto answer = ask_by_name(token, *keys, options);
  if (!answer) {
    if (is_final(answer.error()))
      forget_keys(*folder);
    return fail(to_failure(answer.error()));
  }
  const auto joined = keep_admission({*folder}, answer->root.der,
                                     answer->admission, *keys, network_now());
  if (!joined)
    return fail(to_failure(joined.error()));
  const auto place = place_of(options.place, joined->network.name);
  if (!place)
    return fail(place.error());
  if (const auto obstacle = find_node_at(*place))
    return fail(*obstacle);
  if (auto done = settle_folder(*folder, place->folder); !done)
    return fail(done.error());
  network_config network;
  network.directories = token.directories;
  network.endpoints = *endpoints;
  return finish(options, *place, *joined, std::move(network), io);
}

/// Of the two ways to join, one is expected.
std::optional<failure> find_misuse(const network_options& options) {
  const bool asks_by_file = !options.request.empty();
  if (asks_by_file && !options.text.empty())
    return mistake("a token and --request are two ways to join: one of them is "
                   "expected");
  if (asks_by_file && options.root.empty())
    return mistake(
      "--root FILE is missing: the network's root.pem, which every "
      "member has, is expected beside --request");
  if (!asks_by_file && !options.root.empty())
    return mistake("--root belongs to --request: a token knows its root");
  if (!asks_by_file && options.text.empty())
    return mistake(
      "TOKEN is missing: weft network join TOKEN, as 'weft network "
      "invite' prints it (- reads it from stdin), or --request "
      "FILE --root FILE where no directory is reached");
  return std::nullopt;
}

/// For a node that reaches no directory: it draws a token of its own, and
/// writes the request that `issue` answers.
int write_join_request(const network_options& options, const streams& io) {
  const auto fail
    = [&](const failure& what) { return report(what, options.json, io); };
  const auto root = read_root(options.root);
  if (!root)
    return fail(root.error());
  const auto name = member_name_of(options);
  if (!name)
    return fail(name.error());
  const auto place = place_of(options.place, root->contents.name);
  if (!place)
    return fail(place.error());
  if (const auto obstacle = find_node_at(*place))
    return fail(*obstacle);
  if (auto overlap = find_overlap(options, root->contents))
    return fail(mistake(std::move(*overlap)));
  const auto keys = keep_offline_keys(place->folder);
  if (!keys)
    return fail(to_failure(keys.error()));
  const auto asked = offline_admission(*keys, root->contents.network, *name);
  if (!asked)
    return fail(asked.error());
  if (auto done
      = make_secret_file(options.request, format_request(asked->request));
      !done)
    return fail(to_failure(done.error()));
  if (options.json) {
    nlohmann::ordered_json out;
    out["request"] = options.request;
    print_json(out, io);
  } else {
    io.out << "Bring " << options.request
           << " to where the issuer is, run 'weft network issue' on it there, "
              "and 'weft network import' on its answer here\n";
  }
  return exit_fine;
}

} // namespace

int join_network(const network_options& options, const streams& io) {
  if (const auto wrong = find_misuse(options))
    return report(*wrong, options.json, io);
  if (own_user() != 0)
    return report(needs_root(), options.json, io);
  if (!options.request.empty())
    return write_join_request(options, io);
  auto text = token_text(options, io);
  const text_wiper end{text};
  if (text.empty())
    return report(mistake("standard input has no token"), options.json, io);
  const auto token = parse_token(text);
  if (!token)
    return report(mistake(token.error().what), options.json, io);
  if (const auto name = member_name_of(options); !name && !options.name.empty())
    return report(name.error(), options.json, io);
  return join_by(options, *token, io);
}

int issue_membership(const network_options& options, const streams& io) {
  const auto fail
    = [&](const failure& what) { return report(what, options.json, io); };
  const auto node = find_member_node(options.place);
  if (!node)
    return fail(node.error());
  const auto text = load_named(options.text);
  if (!text)
    return fail(text.error());
  const auto proven = read_request(text->view());
  if (!proven)
    return fail(about_file(options.text, proven.error()));
  const auto request = check_signatures(*proven, offline_exporter());
  if (!request)
    return fail(to_failure(request.error()));
  const auto root = read_root(node->config.network.root);
  if (!root)
    return fail(root.error());
  auto terms = invitation_of(options, root->contents.network, request->token);
  if (!terms)
    return fail(terms.error());
  terms->uses = 1;
  terms->until = network_now() + 1h;
  terms->name = options.name.empty() ? request->name : options.name;
  const auto socket = node->issuer_socket();
  // Who asks again gets the same answer, as its token is known then.
  const auto invited = ask_issuer(socket, ask_invitation{*terms});
  if (!invited)
    return fail(to_failure(invited.error()));
  const auto given = ask_issuer_for<join_answer_given>(
    socket, ask_admission{*proven, offline_exporter()});
  if (!given)
    return fail(to_failure(given.error()));
  io.out << format_answer(
    {root->der, given->admission, node->config.network.directories});
  return exit_fine;
}

int import_membership(const network_options& options, const streams& io) {
  const auto fail
    = [&](const failure& what) { return report(what, options.json, io); };
  if (own_user() != 0)
    return fail(needs_root());
  const auto text = load_named(options.text);
  if (!text)
    return fail(text.error());
  const auto answer = read_answer(text->view());
  if (!answer)
    return fail(about_file(options.text, answer.error()));
  const auto root = read_network_certificate(answer->root);
  if (!root || !std::holds_alternative<root_contents>(root->contents))
    return fail(mistake(options.text + " has no root of a network"));
  const auto& network_root = std::get<root_contents>(root->contents);
  const auto place = place_of(options.place, network_root.name);
  if (!place)
    return fail(place.error());
  if (const auto obstacle = find_node_at(*place))
    return fail(*obstacle);
  if (auto overlap = find_overlap(options, network_root))
    return fail(mistake(std::move(*overlap)));
  const auto endpoints = own_endpoints(options.endpoints);
  if (!endpoints)
    return fail(endpoints.error());
  const auto keys = keep_offline_keys(place->folder);
  if (!keys)
    return fail(to_failure(keys.error()));
  const auto joined = keep_admission(place->folder, answer->root,
                                     answer->admission, *keys, network_now());
  if (!joined)
    return fail(to_failure(joined.error()));
  forget_offline_token(place->folder);
  network_config network;
  network.directories = answer->directories;
  network.endpoints = *endpoints;
  return finish(options, *place, *joined, std::move(network), io);
}

} // namespace weft
