#include "tools/weft/commands/lock_commands.hpp"

#include "actors/host/lock_keeper.hpp"
#include "actors/overlay/config_files.hpp"
#include "tools/weft/failure.hpp"
#include "tools/weft/host/host_helper.hpp"
#include "tools/weft/places/own_marks.hpp"
#include "tools/weft/view/format.hpp"
#include "tools/weft/view/json_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
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

/// Lifts a lock, and takes away what a node that was killed has left.
result<void> lift(const std::string& interface, const streams& io) {
  if (auto done = lift_lock(interface); !done)
    return done;
  host_helper helper{host_helper::notes_folder, [&](const std::string& what) {
                       io.err << "weft: " << printable(what) << '\n';
                     }};
  helper.leave_accepted_marks(interface);
  return {};
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names)
    text += (text.empty() ? "" : ", ") + printable(name);
  return text;
}

} // namespace

int lock_host(const lock_options& options, const streams& io) {
  const auto file = options.config_file.empty()
                      ? "/etc/weft/" + options.name + ".yaml"
                      : options.config_file;
  const auto config
    = load_yaml(file, private_key_rule::optional, nullptr, std::nullopt);
  if (!config) {
    for (const auto& error : config.error()) {
      if (options.json)
        report(mistake(to_string(error), error.key), true, io);
      else
        io.err << to_string(error) << '\n';
    }
    return exit_mistaken;
  }
  const auto& interface = config->interface;
  if (!interface.kill_switch) {
    print({interface.name}, "not configured",
          printable(file) + " has no kill_switch: " + printable(interface.name)
            + " is not locked",
          options, io);
    return exit_fine;
  }
  std::optional<tunnel_marks> tunnel;
  if (const auto running = marks_of_running(*config))
    tunnel = {running->fwmark, running->port};
  if (const auto done = set_lock(interface, tunnel); !done)
    return report(to_failure(done.error()), options.json, io);
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
  if (!options.all && !is_there) {
    if (locked->empty()) { // so that it may be asked twice
      if (const auto done = lift(options.name, io); !done)
        return report(to_failure(done.error()), options.json, io);
      print({options.name}, "off", "this host has no lock", options, io);
      return exit_fine;
    }
    return report({exit_failure, 0,
                   "there is no lock of '" + options.name
                     + "'; there is one of: " + joined(*locked)},
                  options.json, io);
  }
  if (!options.all)
    *locked = {options.name};
  for (const auto& interface : *locked)
    if (const auto done = lift(interface, io); !done)
      return report(to_failure(done.error()), options.json, io);
  print(*locked, "off",
        locked->empty() ? "this host has no lock"
                        : "the lock of " + joined(*locked)
                            + " is lifted until a node with kill_switch starts "
                              "or reloads",
        options, io);
  return exit_fine;
}

void warn_of_locks(const std::vector<std::string>& running, const streams& io) {
  const auto locked = locked_interfaces();
  if (!locked)
    return;
  for (const auto& name : *locked)
    if (std::find(running.begin(), running.end(), name) == running.end())
      io.err << "weft: " << printable(name)
             << " is locked though no node runs: nothing leaves this host; "
                "'weft unlock "
             << printable(name) << "' lifts it\n";
}

} // namespace weft
