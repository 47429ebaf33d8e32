#include "config/error_list.hpp"
#include "config/fields.hpp"
#include "config/peer_checks.hpp"
#include "config/prefix_cover.hpp"
#include "config/strings.hpp"
#include "config/validate.hpp"
#include "config/values.hpp"
#include "config/wg_quick.hpp"
#include "config/wg_quick_values.hpp"
#include "protocol/base/text.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <sstream>

namespace weft {

namespace {

using strings::equal_ignoring_case;
using strings::trim;

/// Commands of wg-quick, which a shell runs as root.  They came with somebody
/// else's file, and so they are not taken over.
constexpr std::array<std::string_view, 4> command_keys{"PreUp", "PostUp",
                                                       "PreDown", "PostDown"};

/// The name in a comment of the form `Name = beta` or `beta`.
std::string_view name_in(std::string_view comment) {
  const auto equals = comment.find('=');
  if (equals != comment.npos
      && equal_ignoring_case(trim(comment.substr(0, equals)), "Name"))
    return trim(comment.substr(equals + 1));
  return strings::is_short_word(comment) ? comment : std::string_view{};
}

/// One line of the form `Key = Value`.
struct assignment {
  std::string_view value;
  text_place place;
  std::string path; ///< `Peer[2].Endpoint`
};

class wg_quick_reader {
public:
  wg_quick_reader(const std::string& file, const std::string& name,
                  const service_port& find_port)
    : file_(file), find_port_(find_port) {
    result_.config.interface.name = name;
    // Without ListenPort the kernel chooses the port.
    result_.config.interface.listen.port = 0;
    if (auto problem = check_interface_name(name))
      complain({}, "", *problem);
  }

  tl::expected<imported_config, config_errors> read(std::string_view text);

private:
  enum class section { none, interface, peer };

  struct known_key {
    std::string_view name;
    void (*read)(wg_quick_reader& self, const assignment& from);
  };
  static std::vector<known_key> interface_keys();
  static std::vector<known_key> peer_keys();
  const std::vector<known_key>& keys_here() const;
  template <class Section>
  static void add_keys(std::vector<known_key>& keys);

  void read_line(std::string_view line);
  void read_comment(std::string_view comment);
  void settle_comment();
  void read_section(std::string_view name, std::string_view comment);
  void read_assignment(std::string_view line, std::size_t column);
  void read_key(std::string_view key, const assignment& from);
  void note_key(std::string_view name, text_place place);
  void unknown_key(std::string_view key, const assignment& from);
  void read_routing_table(const assignment& from);
  void read_dns(const assignment& from);
  void leave_command_out(std::string_view key, const assignment& from);
  void read_save_config(const assignment& from);
  void name_peer(std::string_view name);
  void finish_peer();
  void finish_interface();
  void route_allowed_ips();

  template <class Target, class Read>
  void read_value(const assignment& from, Read convert, Target& target) {
    if (auto value = convert(from.value))
      target = *value;
    else
      complain(from.place, from.path, value.error());
  }
  template <class Section, class Value>
  void read_row(const field<Section, Value>& row, const assignment& from,
                Section& into);
  void note_place(const field<interface_config, prefix_list>&, text_place) {
  }
  void
  note_place(const field<peer_config, prefix_list>& row, text_place place) {
    if (row.member == &peer_config::allowed_ips)
      places_.back().allowed_ips.push_back(place);
  }
  std::set<ip_prefix>& seen_prefixes() {
    return section_ == section::peer ? peer_prefixes_ : own_prefixes_;
  }
  template <class Section>
  Section& here() {
    if constexpr (std::is_same_v<Section, peer_config>)
      return peer();
    else
      return interface();
  }
  template <class Each>
  void read_prefixes(const assignment& from, Each each) {
    for (const auto& part : split_wg_prefixes(from.value)) {
      if (const auto prefix = read_prefix(part))
        each(*prefix);
      else
        complain(from.place, from.path, prefix.error());
    }
  }

  void complain(text_place place, std::string path, std::string message) {
    errors_.add(
      {file_, place.line, place.column, std::move(path), std::move(message)});
  }
  void ignore(text_place place, std::string path, std::string message) {
    result_.ignored.push_back(
      {file_, place.line, place.column, std::move(path), std::move(message)});
  }
  interface_config& interface() {
    return result_.config.interface;
  }
  peer_config& peer() {
    return result_.config.peers.back();
  }

  const std::string& file_;
  const service_port& find_port_;
  imported_config result_;
  error_list errors_;
  std::vector<peer_places> places_;
  std::set<ip_prefix> own_prefixes_;
  std::set<ip_prefix> peer_prefixes_;
  std::set<std::string> names_;
  section section_ = section::none;
  int line_ = 0;
  text_place section_place_;
  text_place interface_place_;
  std::string_view comment_above_;
  bool may_name_peer_ = false; ///< nothing but comments since [Peer]
  bool has_public_key_ = false;
  bool has_private_key_ = false;
  bool routes_wanted_ = true;
  bool has_mtu_ = false;
};

template <class Section, class Value>
void wg_quick_reader::read_row(const field<Section, Value>& row,
                               const assignment& from, Section& into) {
  auto& target = into.*row.member;
  if constexpr (std::is_same_v<Value, prefix_list>) {
    read_prefixes(from, [&](const ip_prefix& prefix) {
      const auto kept = row.keeps_host_bits ? prefix : prefix.network();
      if (!seen_prefixes().insert(kept).second)
        return;
      target.push_back(kept);
      note_place(row, from.place);
    });
  } else if constexpr (std::is_same_v<Value, text_list>) {
    for (const auto part : strings::split_commas(from.value))
      target.emplace_back(part);
  } else if constexpr (std::is_same_v<Value, endpoint>) {
    read_value(from, read_port, target.port);
  } else if constexpr (std::is_same_v<Value, std::optional<endpoint_config>>) {
    const auto read = [this](std::string_view text) {
      return read_wg_endpoint(text, find_port_);
    };
    read_value(from, read, target);
  } else {
    read_value(from, row.read, target);
  }
}

template <class Section>
void wg_quick_reader::add_keys(std::vector<known_key>& keys) {
  for_each_field<Section>([&](const auto& row, auto number) {
    if (row.wg_quick.empty())
      return;
    keys.push_back(
      {row.wg_quick, [](wg_quick_reader& me, const assignment& from) {
         const auto& own
           = std::get<decltype(number)::value>(fields_of<Section>());
         me.read_row(own, from, me.here<Section>());
       }});
  });
}

std::vector<wg_quick_reader::known_key> wg_quick_reader::interface_keys() {
  std::vector<known_key> keys;
  add_keys<interface_config>(keys);
  using self = wg_quick_reader;
  keys.push_back({"Table", [](self& me, const assignment& from) {
                    me.read_routing_table(from);
                  }});
  keys.push_back(
    {"DNS", [](self& me, const assignment& from) { me.read_dns(from); }});
  keys.push_back({"SaveConfig", [](self& me, const assignment& from) {
                    me.read_save_config(from);
                  }});
  return keys;
}

std::vector<wg_quick_reader::known_key> wg_quick_reader::peer_keys() {
  std::vector<known_key> keys;
  add_keys<peer_config>(keys);
  return keys;
}

const std::vector<wg_quick_reader::known_key>&
wg_quick_reader::keys_here() const {
  static const auto of_interface = interface_keys();
  static const auto of_peer = peer_keys();
  return section_ == section::peer ? of_peer : of_interface;
}

tl::expected<imported_config, config_errors>
wg_quick_reader::read(std::string_view text) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    ++line_;
    read_line(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  settle_comment();
  finish_peer();
  finish_interface();
  const auto label
    = [](std::size_t peer) { return "Peer[" + std::to_string(peer) + "]"; };
  check_peers(result_.config, places_, label,
              [&](std::size_t peer, peer_part part, text_place place,
                  std::string message) {
                constexpr std::array<std::string_view, 4> keys{
                  ".PublicKey", ".Name", ".AllowedIPs", ".AllowedIPs"};
                auto path = label(peer);
                path += keys.at(static_cast<std::size_t>(part));
                complain(place, std::move(path), std::move(message));
              });
  route_allowed_ips();
  if (errors_.empty()) {
    if (auto wrong = validate(result_.config))
      complain({}, std::move(wrong->field), std::move(wrong->message));
  }
  if (!errors_.empty())
    return tl::unexpected{errors_.take()};
  return std::move(result_);
}

void wg_quick_reader::read_line(std::string_view line) {
  const auto hash = line.find('#');
  const auto comment
    = hash == line.npos ? std::string_view{} : trim(line.substr(hash + 1));
  const auto code = trim(line.substr(0, hash));
  if (code.empty()) {
    if (hash != line.npos)
      read_comment(comment);
    else
      settle_comment();
    return;
  }
  if (code.front() == '[')
    read_section(code, comment);
  else
    read_assignment(code, static_cast<std::size_t>(code.data() - line.data()));
}

/// A comment names the peer whose [Peer] it stands above, or else the one that
/// it stands in.
void wg_quick_reader::read_comment(std::string_view comment) {
  settle_comment();
  if (may_name_peer_ && !name_in(comment).empty())
    name_peer(name_in(comment));
  else
    comment_above_ = comment;
}

void wg_quick_reader::settle_comment() {
  const bool is_word = strings::is_short_word(comment_above_);
  if (section_ == section::peer && !is_word)
    name_peer(name_in(comment_above_));
  comment_above_ = {};
}

void wg_quick_reader::read_section(std::string_view name,
                                   std::string_view comment) {
  finish_peer();
  section_place_ = {line_, 1};
  section_ = section::none;
  may_name_peer_ = false;
  const bool closed = name.ends_with(']');
  const auto word
    = closed ? trim(name.substr(1, name.size() - 2)) : std::string_view{};
  if (equal_ignoring_case(word, "Interface")) {
    section_ = section::interface;
    interface_place_ = section_place_;
  } else if (equal_ignoring_case(word, "Peer")) {
    section_ = section::peer;
    result_.config.peers.emplace_back();
    places_.push_back({section_place_, section_place_, {}});
    peer_prefixes_.clear();
    has_public_key_ = false;
    may_name_peer_ = true;
    if (strings::is_short_word(comment))
      name_peer(comment);
    name_peer(name_in(comment_above_));
  } else {
    complain(section_place_, "",
             "unknown section " + strings::quote(name)
               + "; [Interface] or [Peer] is expected");
  }
  comment_above_ = {};
}

void wg_quick_reader::read_assignment(std::string_view line,
                                      std::size_t column) {
  settle_comment();
  may_name_peer_ = false;
  assignment from;
  from.place = {line_, static_cast<int>(column) + 1};
  const auto equals = line.find('=');
  if (equals == line.npos)
    return complain(from.place, "",
                    "the line is no assignment; 'Key = Value' is expected");
  const auto key = trim(line.substr(0, equals));
  from.value = trim(line.substr(equals + 1));
  if (!from.value.empty())
    from.place.column += static_cast<int>(from.value.data() - line.data());
  if (section_ == section::interface)
    from.path = "Interface";
  else if (section_ == section::peer)
    from.path = "Peer[" + std::to_string(places_.size() - 1) + "]";
  else if (section_place_.line == 0)
    return complain(from.place, "",
                    "the line stands before any section; [Interface] or "
                    "[Peer] is expected first");
  else
    return; // The section was complained of already.
  if (strings::is_short_word(key))
    from.path += "." + std::string{key};
  read_key(key, from);
}

void wg_quick_reader::read_key(std::string_view key, const assignment& from) {
  for (const auto& known : keys_here()) {
    if (!equal_ignoring_case(known.name, key))
      continue;
    note_key(known.name, from.place);
    return known.read(*this, from);
  }
  if (section_ == section::interface)
    for (const auto& command : command_keys)
      if (equal_ignoring_case(command, key))
        return leave_command_out(command, from);
  unknown_key(key, from);
}

/// Keys that must not be missing.
void wg_quick_reader::note_key(std::string_view name, text_place place) {
  if (section_ == section::interface) {
    if (name == row_of<&interface_config::private_key>().wg_quick)
      has_private_key_ = true;
    else if (name == row_of<&interface_config::mtu>().wg_quick)
      has_mtu_ = true;
  } else if (name == row_of<&peer_config::public_key>().wg_quick) {
    has_public_key_ = true;
    places_.back().public_key = place;
  }
}

void wg_quick_reader::unknown_key(std::string_view key,
                                  const assignment& from) {
  if (errors_.is_full())
    return complain(from.place, "", "unknown key");
  std::vector<std::string_view> names;
  for (const auto& known : keys_here())
    names.push_back(known.name);
  complain(from.place, from.path,
           "unknown key " + strings::quote(key) + "; "
             + strings::suggestion(key, names));
}

void wg_quick_reader::read_routing_table(const assignment& from) {
  if (equal_ignoring_case(from.value, "off")) {
    routes_wanted_ = false;
    return;
  }
  if (equal_ignoring_case(from.value, "auto"))
    return;
  if (const auto table = weft::read_table(from.value)) {
    interface().table = *table;
    return;
  }
  routes_wanted_ = false;
  ignore(from.place, from.path,
         strings::quote(from.value)
           + " is no number of a routing table, and weft knows no other names "
             "but main; no routes are made of the allowed IPs");
}

/// Servers and domains, parted by commas and blanks.
void wg_quick_reader::read_dns(const assignment& from) {
  std::string list{from.value};
  std::replace(list.begin(), list.end(), ',', ' ');
  std::istringstream words{list};
  for (std::string word; words >> word;) {
    const auto is_known = [&](const std::string& one) {
      return std::find(interface().dns.begin(), interface().dns.end(), one)
             != interface().dns.end();
    };
    if (!parse_ip_address(word) && !is_host_name(word))
      complain(from.place, from.path,
               strings::quote(word)
                 + " is neither a server nor a domain; an IP address, or a "
                   "domain to search, is expected");
    else if (!is_known(word))
      interface().dns.push_back(std::move(word));
  }
}

void wg_quick_reader::leave_command_out(std::string_view key,
                                        const assignment& from) {
  // A file that is no UTF-8 otherwise would be no YAML.
  std::string command{from.value};
  if (find_invalid_utf8(command) != std::string::npos)
    std::replace_if(
      command.begin(), command.end(),
      [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
  result_.commands.push_back(std::string{key} + " = " + printable(command));
  ignore(from.place, from.path,
         "the command is left out: weft runs none that came with somebody "
         "else's file; what is needed of it goes into interface.on_up or "
         "on_down");
}

void wg_quick_reader::read_save_config(const assignment& from) {
  if (!equal_ignoring_case(from.value, "false"))
    ignore(from.place, from.path,
           "weft writes its file only when it is told to: 'weft save'");
}

void wg_quick_reader::name_peer(std::string_view name) {
  auto good = read_peer_name(name);
  if (good && peer().name.empty() && names_.insert(*good).second) {
    peer().name = *good;
    places_.back().name = {line_, 1};
  }
}

void wg_quick_reader::finish_peer() {
  if (section_ == section::peer && !has_public_key_)
    complain(section_place_,
             "Peer[" + std::to_string(places_.size() - 1) + "].PublicKey",
             "the key is missing; the public key of the peer is expected");
}

void wg_quick_reader::finish_interface() {
  if (!has_private_key_)
    complain(interface_place_, "Interface.PrivateKey",
             "the key is missing; 'weft genkey' makes one");
  if (!has_mtu_)
    interface().mtu = automatic_mtu; // as wg-quick finds it out
}

/// wg-quick makes a route for each allowed IP that the interface's own
/// addresses do not lead to; one of length 0 takes rules and a table of its
/// own, and all of them are in a table that the file names.
void wg_quick_reader::route_allowed_ips() {
  if (!routes_wanted_)
    return;
  const prefix_cover own{interface().addresses};
  std::vector<ip_prefix> wanted;
  bool takes_everything = false;
  for (const auto& peer : result_.config.peers) {
    for (const auto& prefix : peer.allowed_ips) {
      takes_everything = takes_everything || prefix.length == 0;
      if (!own.covers(prefix))
        wanted.push_back(prefix);
    }
  }
  if (takes_everything || interface().table != 0)
    interface().routes = route_mode::automatic;
  else
    interface().cluster_networks = prefix_cover{std::move(wanted)}.prefixes();
}

} // namespace

tl::expected<imported_config, config_errors>
import_wg_quick(std::string_view text, const std::string& path,
                const std::string& interface_name,
                const service_port& find_port) {
  if (text.size() > max_config_size)
    return tl::unexpected{config_errors{
      {path, 0, 0, "",
       "the file is larger than 64 MiB; a configuration is expected"}}};
  // Editors of other systems begin a file so.
  if (text.starts_with("\xef\xbb\xbf"))
    text.remove_prefix(3);
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff"))
    return tl::unexpected{
      config_errors{{path, 1, 1, "", "the file is UTF-16; save it as UTF-8"}}};
  return wg_quick_reader{path, interface_name, find_port}.read(text);
}

std::string comment_on_commands(const imported_config& imported) {
  if (imported.commands.empty())
    return {};
  std::string text
    = "# These commands of the imported file are left out: a shell would have "
      "run\n"
      "# them as root, and they came with somebody else's file.  What you need "
      "of\n"
      "# them goes into interface.on_up and on_down: absolute paths, no shell "
      "unless\n"
      "# it is named, the interface's name in $WEFT_INTERFACE.  What keeps "
      "packets\n"
      "# from leaving beside the tunnel is kill_switch: true.\n";
  for (const auto& command : imported.commands)
    text += "#   " + command + '\n';
  return text;
}

} // namespace weft
