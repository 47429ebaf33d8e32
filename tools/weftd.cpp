// weftd: one node of the overlay, from a YAML file, or as a drop-in for
// wireguard-go that wg(8) configures.
#include "actors/overlay/config_check.hpp"
#include "actors/overlay/config_files.hpp"
#include "config/values.hpp"
#include "platform/files.hpp"
#include "platform/privileges.hpp"
#include "platform/service_manager.hpp"
#include "protocol/base/text.hpp"
#include "tools/exit_codes.hpp"
#include "tools/weft/usage.hpp"
#include "tools/weftd/daemon.hpp"
#include "tools/weftd/stored_node.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace weft;

struct arguments {
  std::string config_file;
  std::string interface;
  bool check = false;
  bool strict = false;
  bool foreground = false;
  std::optional<std::string> cores;
  std::string user;
  bool filter_system_calls = false;
  std::string state_folder;
  bool no_helper = false;
  std::string helper_file;
  std::string replaced; ///< interface of a node that runs
};

/// The levels that wireguard-go knows by LOG_LEVEL.
log_level level_from_environment() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
  const char* value = std::getenv("LOG_LEVEL");
  const std::string_view text = value != nullptr ? value : "";
  if (text == "verbose" || text == "debug")
    return log_level::debug;
  if (text == "silent")
    return log_level::off;
  return text == "error" ? log_level::error : log_level::info;
}

/// What the command line says, else $WEFT_CORES: how many cores a drop-in may
/// keep busy.
value_or_message<std::uint32_t>
cores_of(const std::optional<std::string>& given) {
  const auto named = [](std::string_view by) {
    return [by](const std::string& why) { return std::string{by} + why; };
  };
  if (given)
    return read_cores(*given).map_error(named("--cores: "));
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
  const char* value = std::getenv("WEFT_CORES");
  if (value == nullptr)
    return automatic_cores;
  return read_cores(value).map_error(named("$WEFT_CORES: "));
}

daemon_options options_for(const arguments& args, file_config read) {
  daemon_options options;
  options.config = std::move(read.config);
  options.file_digest = std::move(read.digest);
  options.state_folder = args.state_folder;
  options.configure_link = !args.config_file.empty();
  options.file = args.config_file;
  options.user = args.user;
  options.filter_system_calls = args.filter_system_calls;
  options.replaces = !args.replaced.empty();
  options.helper_file = args.helper_file;
  options.needs_guardian = !args.config_file.empty() && !args.no_helper;
  return options;
}

/// Says what is to be said of the file, and no more.
int check_only(const arguments& args) {
  const auto checked = check_file(args.config_file);
  for (const auto& mistake : checked.mistakes)
    std::cerr << to_string(mistake) << '\n';
  for (const auto& warning : checked.warnings)
    std::cerr << warning_text(warning) << '\n';
  if (!checked.is_fine(args.strict))
    return exit_mistaken;
  std::cout << args.config_file << ": fine, " << checked.config->peers.size()
            << (checked.config->peers.size() == 1 ? " peer\n" : " peers\n");
  return exit_fine;
}

int run_from_file(const arguments& args) {
  protect_memory(); // before keys are read
  auto passed = take_passed_descriptors();
  if (!args.user.empty()) {
    const auto user = find_user(args.user);
    if (!user) {
      std::cerr << "weftd: " << user.error().message << '\n';
      return exit_failure;
    }
    trust_owner(*user);
  }
  if (args.check)
    return check_only(args);
  std::vector<std::string> warnings;
  auto read = load_yaml_with_digest(args.config_file, &warnings);
  bool is_mistaken = false;
  for (const auto& warning : warnings)
    std::cerr << "weftd: warning: " << warning << '\n';
  if (!read) {
    for (const auto& error : read.error())
      std::cerr << to_string(error) << '\n';
    auto rest = take_rest_of_file(passed, args.config_file);
    if (!rest)
      return exit_mistaken;
    is_mistaken = true;
    read = file_config{std::move(*rest), {}};
  }
  // The file may have been one of the others.
  std::vector<int> kept;
  kept.reserve(passed.size());
  for (const auto& each : passed)
    kept.push_back(each.descriptor.get());
  close_inherited_descriptors_but(std::move(kept));
  const auto& name = read->config.interface.name;
  if (!args.replaced.empty() && args.replaced != name) {
    std::cerr << "weftd: --replace " << args.replaced << ": "
              << args.config_file << " is for " << name << '\n';
    return exit_mistaken;
  }
  auto options = options_for(args, std::move(*read));
  options.passed = std::move(passed);
  options.only_goes_on = is_mistaken;
  return run_daemon(std::move(options), nullptr);
}

int run_drop_in(const arguments& args) {
  close_inherited_descriptors();
  node_config config;
  config.interface.name = args.interface;
  config.interface.listen.port = 0;
  config.log.level = level_from_environment();
  if (const auto reason = check_interface_name(args.interface)) {
    std::cerr << "weftd: " << *reason << '\n';
    return exit_mistaken;
  }
  const auto cores = cores_of(args.cores);
  if (!cores) {
    std::cerr << "weftd: " << cores.error() << '\n';
    return exit_mistaken;
  }
  config.interface.cores = *cores;
  if (args.foreground)
    return run_daemon(options_for(args, {std::move(config), {}}), nullptr);
  auto parent = background::enter();
  if (!parent) {
    std::cerr << "weftd: " << parent.error().message << '\n';
    return exit_failure;
  }
  return run_daemon(options_for(args, {std::move(config), {}}), &*parent);
}

/// What does not go together, with the remedy.
std::optional<std::string> misuse(const arguments& args) {
  const bool has_file = !args.config_file.empty();
  if (has_file && !args.interface.empty())
    return "there is a file (--config) and an interface; give one of the two";
  if (args.check && !has_file)
    return "--check needs a file: weftd --config FILE --check";
  if (args.strict && !args.check)
    return "--strict belongs to --check: weftd --config FILE --check --strict";
  if (args.no_helper && !has_file)
    return "--no-helper belongs to a file: weftd --config FILE --no-helper";
  if (!args.helper_file.empty() && !args.no_helper)
    return "--helper-file belongs to --no-helper: weftd --config FILE "
           "--no-helper --helper-file FILE";
  if (args.cores && has_file)
    return "--cores belongs to an interface (weftd --cores 2 wg0); a file says "
           "it itself (interface.cores)";
  if (!args.replaced.empty() && !has_file && args.interface != args.replaced)
    return "--replace belongs to a file or to the same interface: weftd "
           "--replace NAME --config FILE, or weftd --replace NAME NAME";
  if (args.foreground && args.interface.empty())
    return "--foreground belongs to an interface (weftd -f wg0); from a file "
           "weftd runs in the foreground anyway";
  if (!has_file && args.interface.empty())
    return "nothing to run; give a file (weftd --config node.yaml) or an "
           "interface (weftd wg0)";
  return std::nullopt;
}

int refuse(const std::string& why) {
  std::cerr << "weftd: " << printable(why) << '\n';
  return exit_mistaken;
}

} // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): tell_failures() has it said
int main(int argc, char** argv) {
  complete_standard_descriptors();
  tell_failures("weftd");
  hold_hang_up();
  protect_memory();
  CLI::App app{"weftd runs one node of an encrypted overlay network that "
               "speaks the WireGuard protocol.",
               "weftd"};
  arguments args;
  app.set_version_flag("-V,--version", "weftd " WEFT_VERSION);
  app.add_option("-c,--config", args.config_file,
                 "run from this YAML file, in the foreground");
  app.add_flag("--check", args.check, "only validate the file");
  app.add_flag("--strict", args.strict, "with --check: warnings are mistakes");
  app.add_option("INTERFACE", args.interface,
                 "make this interface, to be configured with wg(8)");
  app.add_flag("-f,--foreground", args.foreground,
               "with an interface: stay in the foreground");
  app.add_option("--cores", args.cores,
                 "with an interface: how many cores packets may keep busy, "
                 "1-16, or auto ($WEFT_CORES): as many as weftd may use");
  app.add_option("--user", args.user,
                 "act as this user once the file was read; needs folders of "
                 "its own for the sockets");
  app.add_option("--state-folder", args.state_folder,
                 "where peers' last endpoints are kept over a restart, in a "
                 "folder for each interface ($STATE_DIRECTORY, or "
                 "/var/lib/weft); none: nowhere");
  app.add_flag("--seccomp", args.filter_system_calls,
               "let the kernel refuse system calls that weftd does not use");
  app.add_flag(
    "--no-helper", args.no_helper,
    "leave DNS servers, src_valid_mark, on_up and on_down to others: "
    "a service manager runs weft host up and down");
  app.add_option("--helper-file", args.helper_file,
                 "with --no-helper: written when something of that is missing, "
                 "for a service manager that runs weft host renew then");
  app.add_option("--replace", args.replaced,
                 "take the place of the weftd that runs this interface, with "
                 "its sessions, and read the file then if it has changed");
  const std::vector<std::string> typed(argv + 1, argv + argc);
  auto words = arrange_words(app, typed);
  if (!words)
    return refuse(words.error().message);
  try {
    std::reverse(words->begin(), words->end()); // as CLI11 wants them
    app.parse(std::move(*words));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0)
      return app.exit(error); // help, or the version
    return refuse(error.what());
  }
  if (const auto why = misuse(args))
    return refuse(*why);
  return args.interface.empty() ? run_from_file(args) : run_drop_in(args);
}
