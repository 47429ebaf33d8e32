#include "tools/weft/host/host_helper.hpp"

#include "actors/host/host_keeper.hpp"
#include "config/command_words.hpp"
#include "config/full_tunnel.hpp"
#include "config/host_needs.hpp"
#include "platform/files.hpp"
#include "platform/links.hpp"
#include "platform/program.hpp"
#include "platform/source_marks.hpp"
#include "tools/weft/host/dns_calls.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>

namespace weft {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// One command, and all of a list together: a service manager waits for them.
constexpr std::chrono::milliseconds patience_for_one = 30s;
constexpr std::chrono::milliseconds patience_for_all = 60s;

bool is_empty(const host_note& note) {
  return note.marked.empty() && !note.accepts_marks && note.commands.empty()
         && note.dns.what == dns_manager::kind::none;
}

bool accepts_marks(const host_note& note) {
  return note.accepts_marks;
}

/// What of a file up() deals with, in a form that can be compared.
std::string asked_by(const node_config& config) {
  const auto& interface = config.interface;
  const auto tunnel = full_tunnel_of(config);
  std::string all = std::string{tunnel.v4 ? "4" : ""} + (tunnel.v6 ? "6" : "");
  for (const auto* list :
       {&interface.dns, &interface.on_up, &interface.on_down}) {
    all += '\n';
    for (const auto& each : *list)
      all += each + '\n';
  }
  return all;
}

/// The same but for the families, which a reload changes.
std::string_view lists_of(const host_note& note) {
  return std::string_view{note.asked}.substr(
    std::min(note.asked.find('\n'), note.asked.size()));
}

/// What was set before, and is to be undone as well.
void add_what_was_set(const host_note& before, host_note& note) {
  for (const auto& link : before.marked)
    if (std::find(note.marked.begin(), note.marked.end(), link)
        == note.marked.end())
      note.marked.push_back(link);
  note.accepts_marks = note.accepts_marks || before.accepts_marks;
}

/// All that a command gets to know.
std::vector<std::string>
environment_of(const host_note& note, const char* event) {
  return {"WEFT_INTERFACE=" + note.interface, "WEFT_CONFIG=" + note.config,
          "WEFT_MARK=" + std::to_string(note.mark),
          std::string{"WEFT_EVENT="} + event};
}

} // namespace

void host_helper::up(const std::string& node, const node_config& config,
                     const node_file& file, const find_mark& mark) {
  auto note = note_for(config, file.path);
  const bool has_commands = may_run_commands(config.interface, file);
  const auto before = find_in_place(node, note);
  if (!before)
    down(node);
  if (!needs_root(config) || !tell_of(make_private_folder(folder_)))
    return;
  if (before) {
    note.mark = before->mark;
    note.commands = before->commands;
  } else if (has_commands) {
    note.mark = mark();
    note.commands = config.interface.on_down;
  }
  if (!set_marks(node, config, note, before, has_commands))
    return;
  set_dns(note, config);
  if (has_commands && !before)
    run_commands(note, config.interface.on_up, "up");
}

bool host_helper::set_marks(const std::string& node, const node_config& config,
                            host_note& note,
                            const std::optional<host_note>& before,
                            bool notes_anyway) {
  const auto lock = lock_folder(folder_);
  if (!tell_of(lock))
    return false;
  const auto links = links_to_mark(config, node);
  note.marked = links;
  note.accepts_marks
    = needs_accepted_marks(config)
      && (!has_accepted_marks() || is_noted_for_another(node, accepts_marks));
  if (before)
    add_what_was_set(*before, note);
  // Beforehand: whoever is killed half-way leaves nothing that is not noted.
  if ((notes_anyway || !is_empty(note)) && !write_note(node, note))
    return false;
  for (const auto& link : links)
    tell_of(set_source_mark(link, true));
  if (note.accepts_marks)
    tell_of(set_accepted_marks(true));
  return true;
}

void host_helper::renew(const std::string& node, const node_config& config,
                        const node_file& file) {
  auto note = note_for(config, file.path);
  std::error_code failed;
  const bool is_noted = fs::exists(path_of(node), failed);
  const auto& interface = config.interface;
  // Where commands wait for up(), it is for up() to note them.
  const bool waits
    = !is_noted && (!interface.on_up.empty() || !interface.on_down.empty());
  const auto before
    = is_noted ? read_note(node) : std::optional<host_note>{host_note{}};
  if (note.link == 0 || waits || !before || !needs_root(config)
      || !tell_of(make_private_folder(folder_)))
    return;
  if (is_noted
      && (before->link != note.link || before->network != note.network))
    return; // of an interface that is gone
  note.mark = before->mark;
  note.commands = before->commands;
  // Other servers are for the next start.
  const bool sets_dns = note.dns.what != dns_manager::kind::none
                        && (!is_noted || lists_of(*before) == lists_of(note));
  if (!sets_dns)
    note.dns = before->dns; // which is undone in the end
  else if (note.dns.what != before->dns.what)
    undo_dns(*before);
  if (is_noted) // what up() has done, which compares it with a file of then
    note.asked = before->asked;
  if (set_marks(node, config, note, before, is_noted) && sets_dns)
    set_dns(note, config);
}

/// Without what is found out under the lock.
host_note
host_helper::note_for(const node_config& config, const std::string& file) {
  host_note note;
  note.interface = config.interface.name;
  note.config = file;
  note.network = own_network_namespace();
  if (const auto link = find_link(config.interface.name))
    note.link = link->index;
  note.asked = asked_by(config);
  if (config.interface.dns.empty())
    return note;
  note.dns = find_dns_manager();
  if (note.dns.what == dns_manager::kind::none)
    failed_("interface.dns: " + no_dns_manager());
  return note;
}

/// An interface keeps its index as long as it is there, and no later one gets
/// it.
std::optional<host_note>
host_helper::find_in_place(const std::string& node, const host_note& wanted) {
  std::error_code failed;
  if (wanted.link == 0 || !fs::exists(path_of(node), failed))
    return std::nullopt;
  auto before = read_note(node);
  if (before && before->link == wanted.link && before->network == wanted.network
      && before->interface == wanted.interface && before->asked == wanted.asked
      && before->dns.what == wanted.dns.what)
    return before;
  return std::nullopt;
}

bool host_helper::may_run_commands(const interface_config& interface,
                                   const node_file& file) {
  if (interface.on_up.empty() && interface.on_down.empty())
    return false;
  if (!file.trusted)
    failed_("the commands of on_up and on_down are not run: "
            + file.trusted.error().message);
  return file.trusted.has_value();
}

std::vector<std::string>
host_helper::links_to_mark(const node_config& config, const std::string& node) {
  std::vector<std::string> links;
  if (!full_tunnel_of(config).v4)
    return links;
  for (auto& link : find_strict_links(config.interface.name))
    if (!has_source_mark(link) || is_marked_for_another(link, node))
      links.push_back(std::move(link));
  return links;
}

void host_helper::set_dns(const host_note& note, const node_config& config) {
  if (note.dns.what == dns_manager::kind::none)
    return;
  const auto wish
    = wish_for(config.interface.dns, full_tunnel_of(config).any());
  for (const auto& call : calls_to_set(note.dns, note.interface, wish)) {
    if (const auto done = run_program(call); !done) {
      failed_("interface.dns: " + done.error().message);
      return;
    }
  }
}

bool host_helper::has_note(const std::string& node) const {
  std::error_code ignored;
  return fs::exists(path_of(node), ignored);
}

void host_helper::down(const std::string& node) {
  if (!has_note(node))
    return;
  std::error_code ignored;
  const auto note = read_note(node);
  if (note)
    undo_dns(*note);
  {
    const auto lock = lock_folder(folder_);
    if (!tell_of(lock) || !fs::exists(path_of(node), ignored))
      return; // or somebody else has undone it meanwhile
    if (note)
      undo_marks(*note, node);
    fs::remove(path_of(node), ignored);
    if (note && note->accepts_marks) {
      if (has_leftovers(note->interface).value_or(false)) {
        host_note rest;
        rest.interface = note->interface;
        rest.config = note->config;
        rest.network = note->network;
        rest.accepts_marks = true;
        write_note(node, rest);
      } else {
        undo_accepted_marks(*note, node);
      }
    }
  }
  if (note)
    run_commands(*note, note->commands, "down");
}

/// What somebody else has changed meanwhile stays as it is, and so do links of
/// another namespace that are called alike.
void host_helper::undo_marks(const host_note& note, const std::string& node) {
  if (note.network != own_network_namespace())
    return;
  for (const auto& link : note.marked)
    if (has_source_mark(link) && !is_marked_for_another(link, node))
      tell_of(set_source_mark(link, false));
}

void host_helper::undo_accepted_marks(const host_note& note,
                                      const std::string& node) {
  if (note.network == own_network_namespace() && has_accepted_marks()
      && !is_noted_for_another(node, accepts_marks))
    tell_of(set_accepted_marks(false));
}

void host_helper::clear(const std::string& interface) {
  clear_if([&](const host_note& note) { return note.interface == interface; });
}

void host_helper::clear_all() {
  clear_if([](const host_note&) { return true; });
}

void host_helper::clear_if(
  const std::function<bool(const host_note&)>& is_meant) {
  std::error_code ignored;
  if (!fs::exists(folder_, ignored))
    return;
  const auto lock = lock_folder(folder_);
  if (!tell_of(lock))
    return;
  for (const auto& node : noted_nodes()) {
    auto note = read_note(node);
    if (!note || !is_meant(*note) || note->network != own_network_namespace()
        || find_link(note->interface))
      continue;
    undo_dns(*note);
    undo_marks(*note, node);
    if (note->accepts_marks)
      undo_accepted_marks(*note, node);
    note->dns = {};
    note->marked.clear();
    note->accepts_marks = false;
    if (is_empty(*note))
      fs::remove(path_of(node), ignored);
    else
      write_note(node, *note);
  }
}

void host_helper::undo_dns(const host_note& note) {
  // systemd-resolved forgets a link that is gone.
  const bool is_known = note.dns.what == dns_manager::kind::resolvconf
                        || (note.dns.what == dns_manager::kind::resolved
                            && find_link(note.interface));
  if (is_known) {
    const auto done = run_program(call_to_undo(note.dns, note.interface));
    if (!done)
      failed_("interface.dns: " + done.error().message);
  }
}

/// Two nodes may need it of one link.
bool host_helper::is_marked_for_another(const std::string& link,
                                        const std::string& node) {
  return is_noted_for_another(node, [&](const host_note& note) {
    return std::find(note.marked.begin(), note.marked.end(), link)
           != note.marked.end();
  });
}

bool host_helper::is_noted_for_another(
  const std::string& node, const std::function<bool(const host_note&)>& is) {
  const auto nodes = noted_nodes();
  return std::any_of(nodes.begin(), nodes.end(), [&](const auto& other) {
    if (other == node)
      return false;
    const auto note = read_note(other);
    return note && note->network == own_network_namespace() && is(*note);
  });
}

std::vector<std::string> host_helper::noted_nodes() const {
  std::vector<std::string> nodes;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder_, failed)) {
    auto name = entry.path().filename().string();
    if (!name.starts_with('.'))
      nodes.push_back(std::move(name));
  }
  return nodes;
}

std::optional<host_note> host_helper::read_note(const std::string& node) {
  const auto text = load_file(path_of(node), file_privacy::owner_only);
  if (!tell_of(text))
    return std::nullopt;
  auto note = parse_note(text->view());
  if (!note) {
    failed_(path_of(node) + " is not understood: " + note.error());
    return std::nullopt;
  }
  return std::move(*note);
}

bool host_helper::write_note(const std::string& node, const host_note& note) {
  return tell_of(replace_file(path_of(node), format_note(note), 0600));
}

void host_helper::run_commands(const host_note& note,
                               std::span<const std::string> lines,
                               const char* event) {
  using clock = std::chrono::steady_clock;
  const auto end = clock::now() + patience_for_all;
  for (const auto& line : lines) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      end - clock::now());
    if (left <= 0ms) {
      failed_("not run, as the commands before took too long: " + line);
      continue;
    }
    const auto words = split_command(line);
    program_call call;
    call.words = words ? *words : std::vector<std::string>{line};
    call.environment = environment_of(note, event);
    call.patience = std::min(patience_for_one, left);
    tell_of(run_program(call));
  }
}

} // namespace weft
