#include "tools/weft/network/network_text.hpp"

#include "protocol/base/unix_time.hpp"
#include "protocol/network/time_text.hpp"
#include "tools/weft/view/format.hpp"
#include "tools/weft/view/json_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <ostream>

namespace weft {

namespace {

using json = nlohmann::ordered_json;

/// Digits of a token that tell it from others.
constexpr std::size_t shown_digits = 16;

std::int64_t seconds_of(network_time when) {
  return when.time_since_epoch().count();
}

template <class List>
std::string joined_texts(const List& values) {
  std::string text;
  for (const auto& each : values) {
    if constexpr (std::is_same_v<std::decay_t<decltype(each)>, std::string>)
      text += (text.empty() ? "" : ", ") + each;
    else
      text += (text.empty() ? "" : ", ") + to_string(each);
  }
  return text;
}

template <class List>
json texts_of(const List& values) {
  auto all = json::array();
  for (const auto& each : values) {
    if constexpr (std::is_same_v<std::decay_t<decltype(each)>, std::string>)
      all.push_back(each);
    else
      all.push_back(to_string(each));
  }
  return all;
}

/// Lines under a head, in columns of equal width.
template <std::size_t Columns>
void print_columns(const std::vector<std::array<std::string, Columns>>& rows,
                   std::ostream& out) {
  std::array<std::size_t, Columns> widths{};
  for (const auto& row : rows)
    for (std::size_t i = 0; i < Columns; ++i)
      widths[i] = std::max(widths[i], display_width(row[i]));
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < Columns; ++i)
      line += row[i] + std::string(widths[i] + 2 - display_width(row[i]), ' ');
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  }
}

std::string state_of(const tokens_answer::token& token, network_time now) {
  if (token.withdrawn)
    return "revoked";
  if (token.used >= token.terms.uses)
    return "used up";
  return token.terms.until <= now ? "ended" : "open";
}

std::string state_of(const listed_member& member, network_time now) {
  if (member.removed)
    return "removed";
  if (member.ends <= now)
    return "ended";
  if (member.connected)
    return *member.connected ? "connected" : "away";
  return "member";
}

json to_json(const listed_member& member) {
  json out;
  out["name"] = member.contents.name;
  out["id"] = to_string(member.contents.id);
  out["public_key"] = to_string(member.contents.key);
  out["prefixes"] = texts_of(member.contents.prefixes);
  out["groups"] = texts_of(member.contents.groups);
  out["generation"] = member.contents.generation;
  out["certificate_ends"] = seconds_of(member.ends);
  out["removed"] = member.removed;
  out["connected"] = member.connected ? json(*member.connected) : json();
  return out;
}

json to_json(const network_status& status) {
  json out;
  out["directory"] = null_if_empty(status.directory);
  out["trouble"] = null_if_empty(status.trouble);
  out["since"] = seconds_since_epoch(status.since);
  out["members"] = status.members;
  out["peers"] = status.peers;
  out["list_issued"] = status.list_issued
                         ? json(seconds_since_epoch(*status.list_issued))
                         : json();
  out["clock_suspect"] = status.clock_suspect;
  out["epoch"] = status.epoch;
  auto refused = json::object();
  for (const auto& each : status.refused)
    refused[each.reason] = each.count;
  out["refused"] = std::move(refused);
  return out;
}

json to_json(const directory_state& state) {
  json out;
  out["name"] = state.name;
  out["listen"] = state.listen ? json(to_string(*state.listen)) : json();
  out["store"] = to_hex_text(state.store);
  out["revision"] = state.revision;
  out["loaded"] = state.loaded;
  out["recovering"] = state.recovering;
  out["why_recovering"] = null_if_empty(state.why_recovering);
  out["has_issuer"] = state.has_issuer;
  out["connected"] = state.connected;
  out["admitted"] = state.admitted;
  out["turned_away"] = state.turned_away;
  json trouble;
  trouble["store"] = null_if_empty(state.trouble.store);
  trouble["issuer"] = null_if_empty(state.trouble.issuer);
  trouble["listen"] = null_if_empty(state.trouble.listen);
  out["trouble"] = std::move(trouble);
  out["certificate_ends"] = seconds_of(state.ends);
  return out;
}

json to_json(const state_answer& state) {
  json out;
  out["name"] = state.issuer.name;
  out["journal"] = state.journal;
  out["members"] = state.members;
  out["epoch"] = state.epoch;
  out["list"] = state.list;
  out["recovering"] = state.recovering;
  out["certificate_ends"] = seconds_of(state.ends);
  return out;
}

void print_running(const network_status& status, std::ostream& out) {
  if (status.directory.empty())
    out << "  connected: to no directory ("
        << printable(status.trouble.empty() ? "not yet" : status.trouble)
        << ")\n";
  else
    out << "  connected: to the directory " << printable(status.directory)
        << '\n';
  out << "  members: " << status.members << " (peers: " << status.peers
      << ")\n  preshared keys: "
      << (status.epoch == 0 ? std::string{"none"}
                            : "epoch " + std::to_string(status.epoch))
      << '\n';
  const auto is_said = status.directory.empty()
                       && status.trouble.find("clock") != std::string::npos;
  if (status.clock_suspect && !is_said)
    out << "  the clock of this host is suspected of being wrong\n";
}

void print_directory(const directory_state& state, std::ostream& out) {
  out << "directory: " << printable(state.name) << " at "
      << (state.listen ? to_string(*state.listen) : "no address") << ", "
      << format_count(state.connected, "member")
      << " connected, certificate until " << format_time(state.ends) << '\n';
  if (state.recovering)
    out << "  gives nothing new out: " << printable(state.why_recovering)
        << " ('weft network recover' ends that)\n";
  for (const auto* each :
       {&state.trouble.store, &state.trouble.issuer, &state.trouble.listen})
    if (!each->empty())
      out << "  " << printable(*each) << '\n';
}

void print_issuer(const state_answer& state, std::ostream& out) {
  out << "issuer: " << format_count(state.members, "member") << ", epoch "
      << state.epoch << ", certificate until " << format_time(state.ends)
      << '\n';
  if (state.recovering)
    out << "  gives nothing out: its journal was restored from a backup ('weft "
           "network recover' ends that)\n";
}

} // namespace

json to_json(const invitation& terms) {
  json out;
  out["token"] = to_hex_text(terms.token.bytes);
  out["uses"] = terms.uses;
  out["until"] = seconds_of(terms.until);
  out["groups"] = texts_of(terms.groups);
  out["name"] = terms.name ? json(*terms.name) : json();
  out["prefixes"] = texts_of(terms.prefixes);
  return out;
}

void print_tokens(const std::vector<tokens_answer::token>& tokens,
                  network_time now, bool json_wanted, const streams& io) {
  if (json_wanted) {
    auto all = json::array();
    for (const auto& each : tokens) {
      auto out = to_json(each.terms);
      out["used"] = each.used;
      out["state"] = state_of(each, now);
      all.push_back(std::move(out));
    }
    io.out << to_text(all);
    return;
  }
  std::vector<std::array<std::string, 6>> rows{
    {"TOKEN", "STATE", "USES", "UNTIL", "NAME", "GROUPS"}};
  for (const auto& each : tokens)
    rows.push_back(
      {to_hex_text(each.terms.token.bytes).substr(0, shown_digits),
       state_of(each, now),
       std::to_string(each.used) + "/" + std::to_string(each.terms.uses),
       format_time(each.terms.until), each.terms.name.value_or(""),
       joined_texts(each.terms.groups)});
  print_columns(rows, io.out);
}

void print_members(std::vector<listed_member> members, network_time now,
                   bool json_wanted, const streams& io) {
  std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) {
    return a.contents.name < b.contents.name;
  });
  if (json_wanted) {
    auto all = json::array();
    for (const auto& each : members)
      all.push_back(to_json(each));
    io.out << to_text(all);
    return;
  }
  std::vector<std::array<std::string, 6>> rows{
    {"NAME", "STATE", "PREFIXES", "GROUPS", "UNTIL", "ID"}};
  for (const auto& each : members) {
    rows.push_back({each.contents.name, state_of(each, now),
                    joined_texts(each.contents.prefixes),
                    joined_texts(each.contents.groups), format_time(each.ends),
                    to_string(each.contents.id)});
  }
  print_columns(rows, io.out);
}

void print_network(const network_view& view, bool json_wanted,
                   const streams& io) {
  if (json_wanted) {
    json out;
    out["network"] = view.root.name;
    out["network_id"] = to_string(view.root.network);
    out["root"] = view.fingerprint;
    out["ranges"] = texts_of(view.root.ranges);
    out["name"] = view.self.name;
    out["id"] = to_string(view.self.id);
    out["prefixes"] = texts_of(view.self.prefixes);
    out["certificate_ends"] = seconds_of(view.ends);
    out["directories"] = texts_of(view.directories);
    out["config"] = view.config;
    out["node"] = view.running ? to_json(*view.running) : json();
    out["directory"] = view.directory ? to_json(*view.directory) : json();
    out["issuer"] = view.issuer ? to_json(*view.issuer) : json();
    io.out << to_text(out);
    return;
  }
  io.out << "network: " << printable(view.root.name) << ", "
         << joined_texts(view.root.ranges) << "\n  root: " << view.fingerprint
         << "\nnode: " << printable(view.self.name) << ", "
         << joined_texts(view.self.prefixes) << "\n  certificate: until "
         << format_time(view.ends) << '\n';
  if (view.running)
    print_running(*view.running, io.out);
  if (view.directory)
    print_directory(*view.directory, io.out);
  if (view.issuer)
    print_issuer(*view.issuer, io.out);
  for (const auto& note : view.notes)
    io.out << printable(note) << '\n';
}

} // namespace weft
