#include "tools/weft/commands/lock_commands.hpp"

#include "actors/host/host_keeper.hpp"
#include "actors/host/lock_keeper.hpp"
#include "actors/overlay/config_files.hpp"
#include "tools/weft/failure.hpp"
#include "tools/weft/host/host_helper.hpp"
#include "tools/weft/host/lock_record.hpp"
#include "tools/weft/places/own_marks.hpp"
#include "tools/weft/view/format.hpp"
#include "tools/weft/view/json_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <ostream>

namespace weft {

namespace {

/// What became of the lock of each interface: `{"weft0": "on"}`.
void print(const std::vector<std::string>& interfaces, const char* state,
           const std::string& sentence, const lock_options& options,
           const streams& io) {
  if (!options.json) {
    io.out << sentence << '\n';
    return;
  }
  nlohmann::ordered_json out;
  out["locks"] = nlohmann::ordered_json::object();
  for (const auto& interface : interfaces)
    out["locks"][interface] = state;
  io.out << to_text(out);
}

/// What fails beside the lock itself is told, and stops nothing.
void tell_of(const result<void>& outcome, const streams& io) {
  if (!outcome)
    io.err << "weft: " << printable(outcome.error().message) << '\n';
}

host_helper helper_that_tells(const streams& io) {
  return {host_helper::notes_folder, [&io](const std::string& what) {
            io.err << "weft: " << printable(what) << '\n';
          }};
}

using sentences = std::vector<std::string>;

/// Lifts a lock, and takes away what a node that was killed has left.
result<sentences> lift(const std::string& interface, const streams& io) {
  auto removed = lift_lock(interface);
  if (!removed)
    return removed;
  tell_of(lock_records{}.forget(interface), io);
  helper_that_tells(io).clear(interface);
  return removed;
}

/// The same of all nodes that are gone, also where nothing names them: the lock
/// itself may have been flushed.
result<sentences> lift_all(const sentences& locked, const streams& io) {
  sentences all;
  const auto add = [&](const sentences& more) {
    all.insert(all.end(), more.begin(), more.end());
  };
  for (const auto& interface : locked) {
    auto removed = lift(interface, io);
    if (!removed)
      return removed;
    add(*removed);
  }
  auto removed = sweep_gone_nodes();
  if (!removed)
    return removed;
  add(*removed);
  tell_of(lock_records{}.forget_all(), io);
  helper_that_tells(io).clear_all();
  return all;
}

/// What the file says of the lock, or if it has a mistake, what it said when
/// the lock was set last.  Nothing: neither is there; what is wrong has been
/// told.
std::optional<node_config>
lock_in(const std::string& path, bool as_json, const streams& io) {
  auto config
    = load_yaml(path, private_key_rule::optional, nullptr, std::nullopt);
  if (config)
    return std::move(*config);
  const auto kept = lock_records{}.find(path);
  for (const auto& error : config.error()) {
    if (as_json && !kept)
      report(mistake(to_string(error), error.key), true, io);
    else
      io.err << to_string(error) << '\n';
  }
  if (!kept)
    return std::nullopt;
  io.err << "weft: " << printable(path)
         << " has a mistake: the lock is as it was when it was set last\n";
  node_config last;
  last.interface = *kept;
  return last;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names)
    text += (text.empty() ? "" : ", ") + printable(name);
  return text;
}

/// What became of the locks that a host had.
std::string told_of(const sentences& lifted) {
  if (lifted.empty())
    return "there is no lock to be lifted";
  return "the lock of " + joined(lifted)
         + " is lifted until a node with kill_switch starts or reloads";
}

} // namespace

int lock_host(const lock_options& options, const streams& io) {
  const auto file = options.config_file.empty()
                      ? "/etc/weft/" + options.name + ".yaml"
                      : options.config_file;
  const auto path = std::filesystem::absolute(file).string();
  auto wanted = lock_in(path, options.json, io);
  if (!wanted)
    return exit_mistaken;
  const auto& interface = wanted->interface;
  if (!interface.kill_switch) {
    tell_of(lock_records{}.forget_file(path), io);
    print({interface.name}, "not configured",
          printable(file) + " has no kill_switch: " + printable(interface.name)
            + " is not locked",
          options, io);
    return exit_fine;
  }
  std::optional<tunnel_marks> tunnel;
  if (const auto running = marks_of_running(*wanted))
    tunnel = {running->fwmark, running->port};
  if (const auto done = set_lock(interface, tunnel); !done)
    return report(to_failure(done.error()), options.json, io);
  if (const auto kept = lock_records{}.keep(path, interface); !kept)
    io.err
      << "weft: the lock is set, but if the file has a mistake at the next "
         "boot, there is none then: "
      << printable(kept.error().message) << '\n';
  print({interface.name}, "on",
        printable(interface.name)
          + " is locked: nothing leaves this host but through the tunnel; "
            "'weft unlock "
          + printable(interface.name) + "' lifts it",
        options, io);
  return exit_fine;
}

int unlock_host(const lock_options& options, const streams& io) {
  if (options.all == !options.name.empty())
    return report(mistake("give either NAME, an interface whose lock is to be "
                          "lifted, or --all"),
                  options.json, io);
  auto locked = locked_interfaces();
  if (!locked)
    return report(to_failure(locked.error()), options.json, io);
  const bool is_there
    = std::find(locked->begin(), locked->end(), options.name) != locked->end();
  if (!options.all && !is_there && !locked->empty()
      && !has_leftovers(options.name).value_or(false))
    return report({exit_failure, 0,
                   "there is no lock of '" + options.name
                     + "'; there is one of: " + joined(*locked)},
                  options.json, io);
  const auto removed
    = options.all ? lift_all(*locked, io) : lift(options.name, io);
  if (!removed)
    return report(to_failure(removed.error()), options.json, io);
  if (!options.all)
    locked = is_there ? sentences{options.name} : sentences{};
  auto sentence = told_of(*locked);
  if (!removed->empty())
    sentence += "; a node that was killed had left this, which is removed: "
                + joined(*removed);
  print(options.all ? *locked : sentences{options.name}, "off", sentence,
        options, io);
  return exit_fine;
}

void warn_of_locks(const std::vector<std::string>& answering,
                   const std::string& only, const streams& io) {
  const auto locked = locked_interfaces();
  if (!locked)
    return;
  for (const auto& name : *locked)
    if ((only.empty() || name == only)
        && std::find(answering.begin(), answering.end(), name)
             == answering.end())
      io.err << "weft: " << printable(name)
             << " is locked though no node answers: nothing leaves this host "
                "but through its tunnel; 'weft unlock "
             << printable(name) << "' lifts it\n";
}

} // namespace weft
