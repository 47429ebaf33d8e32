// What any node of a network is asked for: who is there, how it stands, another
// certificate, its end.
#include "actors/network/member_files.hpp"
#include "config/network_checks.hpp"
#include "platform/clock.hpp"
#include "platform/files.hpp"
#include "platform/network_certificates.hpp"
#include "platform/random.hpp"
#include "protocol/network/member_memory.hpp"
#include "protocol/network/time_text.hpp"
#include "tools/issuer/authority.hpp"
#include "tools/issuer/client.hpp"
#include "tools/weft/commands/network_commands.hpp"
#include "tools/weft/network/member_call.hpp"
#include "tools/weft/network/network_text.hpp"
#include "tools/weft/network/new_node.hpp"
#include "tools/weft/network/refusals.hpp"
#include "tools/weft/network/service.hpp"
#include "tools/weft/network/steering_call.hpp"
#include "tools/weft/places/connection.hpp"
#include "tools/weft/places/requests.hpp"
#include "tools/weft/view/format.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <ostream>
#include <set>
#include <tuple>

namespace weft {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using json = nlohmann::ordered_json;

constexpr std::chrono::milliseconds directory_patience{30'000};

/// What it asks directories with.
network_config member_part(const member_node& node) {
  auto part = node.config.network;
  part.directories = directories_of(node.config);
  return part;
}

/// Ids of those who are connected to the directory of this host; nothing: it
/// cannot be asked.
std::optional<std::set<member_id>> connected_here(const member_node& node) {
  if (!node.is_directory())
    return std::nullopt;
  const auto all = ask_directory_for<connected_members>(
    node.directory_socket(), ask_connected_members{}, 5s);
  if (!all)
    return std::nullopt;
  std::set<member_id> ids;
  for (const auto& each : all->members)
    ids.insert(each.id);
  return ids;
}

std::vector<listed_member>
members_of_issuer(const std::vector<members_answer::member>& all,
                  const std::optional<std::set<member_id>>& connected) {
  std::vector<listed_member> listed;
  for (const auto& each : all) {
    listed_member one{each.terms.contents, each.terms.until, each.removed, {}};
    if (connected)
      one.connected = connected->contains(one.contents.id);
    listed.push_back(std::move(one));
  }
  return listed;
}

/// Whom the lists that the node has seen have named.
std::set<member_id>
removed_members(const member_node& node, const network_id& network) {
  std::set<member_id> removed;
  const auto text
    = load_any_file(node.folder().path + "/marks", most_kept_bytes);
  if (!text)
    return removed; // no list yet
  const auto view = text->text.view();
  const auto marks = read_marks(network, std::as_bytes(std::span{view}));
  if (!marks)
    return removed;
  for (const auto& [issuer, members] : marks->removed)
    for (const auto& each : members)
      removed.insert(each.first);
  return removed;
}

/// What the node's membership keeps, which is what it believes.
result<std::vector<listed_member>> members_known(const member_node& node) {
  const auto identity = load_identity(node.config.network);
  if (!identity)
    return tl::unexpected(identity.error());
  const auto text
    = load_any_file(node.folder().path + "/items", most_kept_bytes);
  if (!text)
    return tl::unexpected(
      make_system_error(text.error().code, "This node knows no members yet",
                        "It has to run, and to reach a directory once"));
  const auto view = text->text.view();
  const auto items
    = read_items(identity->network(), std::as_bytes(std::span{view}));
  if (!items)
    return tl::unexpected(to_error(items.error()));
  const auto removed = removed_members(node, identity->network());
  std::vector<listed_member> known;
  for (const auto& each : *items) {
    if (kind_of(each.key) != item_kind::certificate)
      continue;
    const auto read = read_network_certificate(each.content);
    const auto* member
      = read ? std::get_if<member_contents>(&read->contents) : nullptr;
    if (member != nullptr)
      known.push_back({*member, read->until, removed.contains(member->id), {}});
  }
  const auto own = identity->contents();
  const bool has_own
    = std::any_of(known.begin(), known.end(),
                  [&](const auto& each) { return each.contents.id == own.id; });
  if (!has_own)
    known.push_back({own, identity->own.until, removed.contains(own.id), {}});
  return known;
}

/// How the running node says that it stands in its network.
std::optional<network_status>
ask_running(const member_node& node, std::string& note) {
  connection_options options;
  options.interface = node.config.interface.name;
  options.socket_folder = node.config.control.socket_folder;
  const auto place = find_node(options);
  if (place) {
    connections all;
    auto status = ask_status(all.prepare(*place, options));
    if (status)
      return status->network;
  }
  note = "the node does not run, or may not be asked";
  return std::nullopt;
}

int say_renewed(network_time until, bool is_new, const std::string& sentence,
                const network_options& options, const streams& io) {
  if (options.json) {
    json out;
    out["renewed"] = is_new;
    out["certificate_ends"] = until.time_since_epoch().count();
    print_json(out, io);
  } else {
    io.out << sentence << '\n';
  }
  return exit_fine;
}

int renew_own_issuer(const member_node& node, const network_options& options,
                     const streams& io) {
  if (!identify_file(root_certificate_file(node.issuer_folder())))
    return report(
      mistake("the issuer is not on this host: " + node.issuer_folder()
              + " has no root.pem; run it where the issuer is"),
      options.json, io);
  system_random random;
  const auto renewed
    = renew_issuer(node.issuer_folder(), network_now(), random);
  if (!renewed)
    return report(to_failure(renewed.error()), options.json, io);
  return say_renewed(renewed->until, true,
                     "The issuer's certificate is renewed, until "
                       + format_time(renewed->until)
                       + "; restart it: systemctl restart "
                       + issuer_unit(node.config.network.name),
                     options, io);
}

int renew_own_directory(const member_node& node, const network_options& options,
                        const streams& io) {
  const auto fail = [&](const system_error& error) {
    return report(to_failure(error), options.json, io);
  };
  const auto& directory = node.config.directory;
  if (!has_directory(node.config))
    return report(mistake("this node is no directory: " + node.file
                          + " has no section 'directory' ('weft network "
                            "directory' says how it becomes one)"),
                  options.json, io);
  const auto text = load_file(directory.certificate, file_privacy::any);
  if (!text)
    return fail(text.error());
  const auto chain = read_pem_certificates(text->view());
  if (!chain || chain->empty())
    return fail(system_error{
      EINVAL, directory.certificate + " holds no certificate of a directory"});
  const auto present = read_network_certificate(chain->front());
  if (!present)
    return fail(to_error(present.error()));
  const auto* contents = std::get_if<directory_contents>(&present->contents);
  if (contents == nullptr)
    return fail(system_error{EINVAL, directory.certificate
                                       + " is not a directory's certificate"});
  const auto given = ask_issuer_for<certified_answer>(
    node.issuer_socket(),
    ask_directory_certificate{contents->name, present->key});
  if (!given)
    return fail(given.error());
  const auto renewed = read_network_certificate(given->certificates.front());
  if (!renewed)
    return fail(to_error(renewed.error()));
  if (auto done
      = write_certificates(directory.certificate, given->certificates);
      !done)
    return fail(done.error());
  return say_renewed(renewed->until, true,
                     "The directory's certificate is renewed, until "
                       + format_time(renewed->until)
                       + "; restart the node: systemctl restart "
                       + node_unit(node.config.interface.name),
                     options, io);
}

/// By its unit, or else by its control socket, if it runs; and the issuer's
/// unit, which nobody asks any more.
void stop_node(const member_node& node) {
  const auto& interface = node.config.interface.name;
  if (systemd_is_there() && node.file == "/etc/weft/" + interface + ".yaml") {
    std::ignore = run_systemctl({"disable", "--now", node_unit(interface)});
    if (!node.config.directory.issuer.empty())
      std::ignore = run_systemctl(
        {"disable", "--now", issuer_unit(node.config.network.name)});
  }
  connection_options options;
  options.interface = interface;
  options.socket_folder = node.config.control.socket_folder;
  const auto running = find_node(options);
  if (!running)
    return;
  connections all;
  std::ignore = ask<void>(all.prepare(*running, options), shut_down{});
}

} // namespace

int list_members(const network_options& options, const streams& io) {
  const auto fail
    = [&](const failure& what) { return report(what, options.json, io); };
  const auto node = find_member_node(options.place);
  if (!node)
    return fail(node.error());
  if (identify_file(node->issuer_socket())) {
    const auto all = ask_all_members(node->issuer_socket());
    if (!all)
      return fail(to_failure(all.error()));
    print_members(members_of_issuer(*all, connected_here(*node)), network_now(),
                  options.json, io);
    return exit_fine;
  }
  auto known = members_known(*node);
  if (!known)
    return fail(to_failure(known.error()));
  print_members(std::move(*known), network_now(), options.json, io);
  return exit_fine;
}

int show_network(const network_options& options, const streams& io) {
  const auto fail
    = [&](const failure& what) { return report(what, options.json, io); };
  const auto node = find_member_node(options.place);
  if (!node)
    return fail(node.error());
  const auto identity = load_identity(node->config.network);
  if (!identity)
    return fail(to_failure(identity.error()));
  network_view view;
  view.root = std::get<root_contents>(identity->root.contents);
  view.fingerprint = to_hex_text(fingerprint_of(identity->root));
  view.self = identity->contents();
  view.ends = identity->own.until;
  view.config = node->file;
  for (const auto& each : node->config.network.directories)
    view.directories.push_back(to_string(each));
  std::string note;
  view.running = ask_running(*node, note);
  if (!note.empty())
    view.notes.push_back(note);
  if (node->is_directory()) {
    auto state = ask_directory_for<directory_state>(node->directory_socket(),
                                                    ask_directory_state{}, 5s);
    if (state)
      view.directory = std::move(*state);
    else
      view.notes.push_back(state.error().message);
  }
  if (identify_file(node->issuer_socket())) {
    auto state
      = ask_issuer_for<state_answer>(node->issuer_socket(), ask_state{}, 5s);
    if (state)
      view.issuer = std::move(*state);
    else
      view.notes.push_back(state.error().message);
  }
  print_network(view, options.json, io);
  return exit_fine;
}

int renew_membership(const network_options& options, const streams& io) {
  const auto fail
    = [&](const failure& what) { return report(what, options.json, io); };
  const auto node = find_member_node(options.place);
  if (!node)
    return fail(node.error());
  if (options.of_issuer)
    return renew_own_issuer(*node, options, io);
  if (options.of_directory)
    return renew_own_directory(*node, options, io);
  const auto identity = load_identity(node->config.network);
  if (!identity)
    return fail(to_failure(identity.error()));
  const auto& self = identity->contents();
  const auto certificates = ask_for_renewal(
    member_part(*node),
    {self.network, self.id, self.generation, self.key, identity->own.key},
    directory_patience);
  if (!certificates)
    return fail(to_failure(certificates.error()));
  const auto renewed
    = make_identity(identity->root, *certificates, identity->seed);
  if (!renewed)
    return fail(to_failure(renewed.error()));
  const bool is_new = renewed->contents().generation != self.generation;
  if (is_new)
    if (auto done
        = write_certificates(node->config.network.certificate, *certificates);
        !done)
      return fail(to_failure(done.error()));
  const auto ends = format_time(renewed->own.until);
  return say_renewed(
    renewed->own.until, is_new,
    is_new ? "The certificate is renewed, until " + ends
               + "; the node uses it from its next start on"
           : "The certificate holds until " + ends
               + "; there is another one from two thirds of its time on",
    options, io);
}

int leave_network_here(const network_options& options, const streams& io) {
  const auto fail
    = [&](const failure& what) { return report(what, options.json, io); };
  const auto node = find_member_node(options.place);
  if (!node)
    return fail(node.error());
  if (node->is_directory() && !options.force)
    return fail(mistake(
      "this node is a directory of the network, which others need to join and "
      "to be told of changes: --force has it leave all the same"));
  const auto asked = ask_to_leave(member_part(*node), directory_patience);
  if (!asked && !options.force)
    return fail({to_failure(asked.error()).exit, asked.error().code,
                 asked.error().message
                   + "; or have 'weft network remove' run where the issuer is, "
                     "and --force here, which only forgets (and is all that a "
                     "node whose certificate has ended can do)"});
  stop_node(*node);
  std::error_code failed;
  fs::remove(node->file, failed);
  if (failed)
    return fail({exit_failure, failed.value(),
                 "Cannot remove " + node->file + ": " + failed.message()});
  forget_membership(node->folder());
  json out;
  out["left"] = node->config.network.name;
  out["told"] = asked == leave_outcome::left;
  const auto& issuer = node->config.directory.issuer;
  const auto kept = issuer.empty() ? std::string{} : node->issuer_folder();
  out["issuer"] = kept.empty() ? json() : json(kept);
  if (options.json)
    print_json(out, io);
  else
    io.out << "This node has left the network '"
           << printable(node->config.network.name) << "'"
           << (!asked ? "; the others were not told"
               : *asked == leave_outcome::was_removed
                 ? ", which had removed it before"
                 : "")
           << (kept.empty() ? ""
                            : "; the issuer's keys and journal stay in " + kept)
           << '\n';
  return exit_fine;
}

} // namespace weft
