#include "tools/weft/commands/host_commands.hpp"

#include "actors/overlay/config_files.hpp"
#include "platform/accounts.hpp"
#include "platform/clock.hpp"
#include "platform/leaving.hpp"
#include "platform/other_process.hpp"
#include "platform/program.hpp"
#include "platform/roots_file.hpp"
#include "platform/service_manager.hpp"
#include "tools/host_guard.hpp"
#include "tools/weft/failure.hpp"
#include "tools/weft/host/host_helper.hpp"
#include "tools/weft/places/own_marks.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <istream>
#include <iterator>
#include <optional>
#include <ostream>
#include <string_view>
#include <tuple>

namespace weft {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// Both together wait for commands, and for other programs a little.
constexpr auto patience_for_helper = 120s;

/// For a node to stand still and to say all that it is.
constexpr auto patience_for_leaving = 30s;

/// For the kernel to take apart a node that was killed.
constexpr auto patience_for_end = 5s;

std::optional<failure> objection_to(const host_options& options) {
  if (own_user() != 0)
    return failure{exit_forbidden, EPERM,
                   "what a node needs of its host is root's to do: run it as "
                   "root"};
  const auto& node = options.node;
  if (node.empty() || node.starts_with('.')
      || node.find('/') != std::string::npos)
    return mistake(
      "'" + node
      + "' is no name of a node; that of its file without .yaml is "
        "expected");
  return std::nullopt;
}

std::string file_of(const host_options& options) {
  return options.config.empty() ? "/etc/weft/" + options.node + ".yaml"
                                : fs::absolute(options.config).string();
}

/// Of the running node, or as its file has it.
std::uint32_t mark_of(const node_config& config) {
  const auto running = marks_of_running(config);
  return running ? running->fwmark : config.interface.fwmark;
}

/// A number that systemd gives to the commands of a unit (systemd.exec(5)).
std::optional<int> from_service_manager(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
  const char* const given = std::getenv(name);
  const std::string_view text = given == nullptr ? "" : given;
  const auto* const end = text.data() + text.size();
  int number = 0;
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end)
    return std::nullopt;
  return number;
}

/// The node that systemd says is the unit's main process.  Its number may be
/// another process's by now, whom a signal would end.
result<other_process> node_of(int number, const std::string& unit) {
  auto found = other_process::find(number);
  if (!found)
    return found;
  const auto program = found->program();
  if (found->service() != unit || !program
      || fs::path{*program}.filename() != "weftd")
    return tl::unexpected(system_error{
      ESRCH, "process " + std::to_string(number) + " is no weftd of " + unit
               + ": it is left alone, and sessions begin anew"});
  return found;
}

bool is_being_restarted(const host_options& options, const streams& io) {
  if (options.unit.empty())
    return false;
  const auto job = job_of_unit(options.unit);
  if (!job)
    report({exit_failure, 0, job.error().message}, false, io);
  return job && *job == "restart";
}

/// Calls `action` with a helper; the exit code says whether all went well.
int with_helper(const streams& io,
                const std::function<void(host_helper&)>& action) {
  int code = exit_fine;
  host_helper helper{host_helper::notes_folder,
                     [&](const std::string& sentence) {
                       code = report({exit_failure, 0, sentence}, false, io);
                     }};
  action(helper);
  return code;
}

using helper_action
  = void (*)(host_helper&, const std::string& node, const node_config& config,
             const node_file& file);

int act_by_file(const host_options& options, const streams& io,
                helper_action action) {
  if (const auto objection = objection_to(options))
    return report(*objection, false, io);
  const auto path = file_of(options);
  const node_file file{path, check_roots_file(path)};
  const auto config = load_yaml(path);
  if (!config) {
    for (const auto& error : config.error())
      io.err << to_string(error) << '\n';
    return exit_mistaken;
  }
  return with_helper(io, [&](host_helper& helper) {
    action(helper, options.node, *config, file);
  });
}

} // namespace

int host_up(const host_options& options, const streams& io) {
  return act_by_file(options, io,
                     [](host_helper& helper, const std::string& node,
                        const node_config& config, const node_file& file) {
                       helper.up(node, config, file,
                                 [&] { return mark_of(config); });
                     });
}

int host_renew(const host_options& options, const streams& io) {
  return act_by_file(options, io,
                     [](host_helper& helper, const std::string& node,
                        const node_config& config, const node_file& file) {
                       helper.renew(node, config, file);
                     });
}

int host_leave(const host_options& options, const streams& io) {
  if (const auto objection = objection_to(options))
    return report(*objection, false, io);
  const auto number = from_service_manager("MAINPID");
  if (!number || !is_being_restarted(options, io))
    return exit_fine; // it has ended, or is to
  const auto weftd = node_of(*number, options.unit);
  const auto told = weftd ? weftd->send_signal(SIGTERM, leave_to_successor)
                          : tl::unexpected(weftd.error());
  if (!told)
    return report(to_failure(told.error()), false, io);
  // systemd would tell it to end otherwise.
  std::ignore = weftd->ends_by(boot_now() + patience_for_leaving);
  return exit_fine;
}

int host_down(const host_options& options, const streams& io) {
  if (const auto objection = objection_to(options))
    return report(*objection, false, io);
  return with_helper(io, [&](host_helper& helper) {
    // Who has nothing to undo asks nobody: packets wait while a node is
    // restarted.
    if (!helper.has_note(options.node)
        || (from_service_manager("EXIT_STATUS") == exit_left
            && is_being_restarted(options, io)))
      return;
    helper.down(options.node);
  });
}

int host_guard(const host_options& options, const streams& io) {
  if (const auto objection = objection_to(options))
    return report(*objection, false, io);
  const auto weftd = parent_process();
  // Whoever ends weftd does not mean what cleans up after it.
  for (const int signal : {SIGHUP, SIGINT, SIGTERM})
    std::ignore = std::signal(signal, SIG_IGN);
  const auto run = [&](std::vector<std::string> words) {
    program_call call;
    call.words = {find_companion("weft"), "host"};
    std::ranges::move(words, std::back_inserter(call.words));
    call.patience = patience_for_helper;
    // It has said itself what failed.
    return run_program(call).has_value() ? exit_fine : exit_failure;
  };
  bool has_worked = false;
  char word = 0;
  while (io.in.get(word) && word != guard_word::ended) {
    has_worked = has_worked || word == guard_word::works;
    if (has_worked) // what is missing before that, is set by that
      run({word == guard_word::works ? "up" : "renew", options.node, "--config",
           file_of(options)});
  }
  if (!has_worked)
    return exit_fine;
  // Weftd's word, or its end, with which its interface goes.
  if (!io.in)
    await_end_of_parent(weftd, patience_for_end);
  return run({"down", options.node}); // by what is noted
}

} // namespace weft
