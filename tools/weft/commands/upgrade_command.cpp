#include "tools/weft/commands/upgrade_command.hpp"

#include "actors/overlay/config_files.hpp"
#include "platform/accounts.hpp"
#include "platform/clock.hpp"
#include "platform/links.hpp"
#include "platform/other_process.hpp"
#include "platform/program.hpp"
#include "platform/roots_file.hpp"
#include "platform/service_manager.hpp"
#include "platform/stream.hpp"
#include "platform/unix_socket.hpp"
#include "tools/weft/failure.hpp"
#include "tools/weft/successor.hpp"
#include "tools/weft/view/json_text.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <ostream>
#include <tuple>

namespace weft {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// For the new program to have the node's place, or for the unit to restart,
/// its commands included.
constexpr auto patience_for_successor = 60s;
constexpr auto patience_for_unit = 240s;

/// Of a node, in bytes: a sentence.
constexpr std::size_t longest_answer = 4096;

/// The process that serves a node's control socket.
outcome<other_process> find_process(const local_node& node) {
  const auto connection = connect_unix(node.socket);
  if (!connection)
    return tl::unexpected(failure{exit_unreachable, connection.error().code,
                                  "No daemon listens at " + node.socket + ": "
                                    + connection.error().message});
  const auto who = credentials_of(connection->get());
  auto process
    = who ? other_process::find(who->process) : tl::unexpected(who.error());
  if (!process)
    return tl::unexpected(to_failure(process.error()));
  return std::move(*process);
}

/// What of an environment weftd reads.  A process of another user could have
/// root run anything by the rest.
std::vector<std::string>
environment_of_successor(std::vector<std::string> former) {
  std::erase_if(former, [](const std::string& each) {
    return !each.starts_with("LOG_LEVEL=") && !each.starts_with("WEFT_CORES=")
           && !each.starts_with("STATE_DIRECTORY=");
  });
  return former;
}

/// The file of a node; empty: it has none.
outcome<std::string>
file_of(const other_process& process, const std::vector<std::string>& words) {
  const auto given = find_option(words, "--config", 'c');
  if (given.count == 0)
    return std::string{};
  const auto folder = process.folder();
  if (!folder)
    return tl::unexpected(to_failure(folder.error()));
  return (fs::path{*folder} / given.value).string();
}

/// The mistakes in a node's file, which would keep the next program from
/// starting.  Empty: it has none.
outcome<void> check_file(const std::string& path) {
  if (path.empty())
    return {};
  const auto config = load_yaml(path);
  if (config)
    return {};
  std::string all = "the node goes on as it is, for its file has mistakes:";
  for (const auto& error : config.error())
    all += '\n' + to_string(error);
  return tl::unexpected(mistake(all));
}

/// What systemd says of that service; empty: nothing.
std::string property_of(const std::string& service, const char* name) {
  program_call call;
  call.words
    = {"/bin/systemctl", "show", "--property", name, "--value", "--", service};
  const auto said
    = service.empty() ? tl::unexpected(system_error{}) : read_program(call);
  return said ? said->substr(0, said->find('\n')) : std::string{};
}

/// The number of what systemd watches of that service; 0: it watches nothing.
int main_process_of(const std::string& service) {
  const auto said = property_of(service, "MainPID");
  int number = 0;
  std::from_chars(said.data(), said.data() + said.size(), number);
  return number;
}

/// Whether systemd neither runs that service nor is about to.
bool is_stopped(const std::string& service) {
  const auto state = property_of(service, "ActiveState");
  return state == "inactive" || state == "failed";
}

/// A node that starts its successor within its unit; invalid: it does not.
file_descriptor
connect_within_unit(const other_process& process, const local_node& node) {
  auto connection = connect_unix(upgrade_socket(
    fs::path{node.socket}.parent_path().string(), node.interface));
  const auto who = connection ? credentials_of(connection->get())
                              : tl::unexpected(connection.error());
  if (!who || who->process != process.number())
    return {};
  return std::move(*connection);
}

/// Until the node ends, with its connections; or says why it goes on.
outcome<void>
ask_for_successor(const file_descriptor& node, const other_process& process) {
  std::ignore = write_some(node.get(), upgrade_request);
  const auto until = boot_now() + patience_for_successor;
  std::string answer;
  std::array<char, 512> part{};
  while (wait_readable(node.get(), until)) {
    const auto got = read_some(node.get(), part);
    answer.append(part.data(), got.bytes);
    if (got.what == stream_result::status::closed
        || answer.size() > longest_answer)
      break;
  }
  if (answer.empty() && process.ends_by(until))
    return {};
  if (answer.empty())
    answer = "the new program does not take its place";
  return tl::unexpected(failure{exit_failure, 0,
                                "the node goes on as it is, for " + answer
                                  + " (the node's log may say more)"});
}

/// Until the successor serves the node.  `number`: its process's, if it is
/// known; `service`: its unit, if it has one.
outcome<void> await_service(const local_node& node, int number,
                            const std::string& service = {}) {
  auto watched = other_process::find(number);
  if (!watched)
    watched = other_process::self(); // which does not end
  const auto until = boot_now() + patience_for_successor;
  while (watched && !find_process(node)) {
    if (is_stopped(service))
      return tl::unexpected(
        failure{exit_failure, 0,
                "its unit was stopped, or has failed, meanwhile: systemctl "
                "status "
                  + service});
    if (boot_now() >= until
        || (watched->ends_by(boot_now() + 50ms) && !find_process(node)))
      return tl::unexpected(
        failure{exit_failure, 0,
                "the former process of the node has ended, and the new one "
                "does not serve it: the node's log says why"});
  }
  return {};
}

outcome<void> restart(const std::string& service) {
  program_call call;
  call.words = {"/bin/systemctl", "restart", "--", service};
  call.patience = patience_for_unit;
  if (const auto done = run_program(call); !done)
    return tl::unexpected(to_failure(done.error()));
  return {};
}

/// Waits for the end of the one, which the other brings about.
outcome<void> await_successor(const other_process& former, int child) {
  const auto until = boot_now() + patience_for_successor;
  bool runs = true;
  while (!former.ends_by(boot_now() + 50ms)) {
    const auto end = runs ? end_of_child(child) : std::nullopt;
    runs = runs && !end;
    if (end && *end != "has ended") // a drop-in goes on in the background
      return tl::unexpected(
        failure{exit_failure, 0,
                "the node goes on as it is, for the new program " + *end
                  + ": the node's log says why"});
    if (boot_now() >= until)
      return tl::unexpected(
        failure{exit_failure, ETIMEDOUT,
                "the new program does not take the node's place: the node's "
                "log says why"});
  }
  return {};
}

/// The process says what they are, and may be another user's.  Programs other
/// than weftd would do something else with its words.
outcome<void> check_trust(const std::string& program, const std::string& file) {
  if (fs::path{program}.filename() != "weftd")
    return tl::unexpected(
      failure{exit_forbidden, EPERM,
              "root does not start the node's program anew: it is " + program
                + ", and no weftd; start the new one with weftd --replace"});
  for (const auto* path : {&program, &file}) {
    if (path->empty())
      continue;
    const auto trusted = check_roots_file(*path);
    if (!trusted && trusted.error().code == ENOENT)
      return tl::unexpected(
        mistake("the node goes on as it is: " + trusted.error().message));
    if (!trusted)
      return tl::unexpected(
        failure{exit_forbidden, EPERM,
                "root does not start the node's program anew: "
                  + trusted.error().message});
  }
  return {};
}

outcome<void>
replace(const other_process& process, const std::vector<std::string>& words,
        const std::string& file, const local_node& node) {
  const auto program = process.program();
  if (!program)
    return tl::unexpected(to_failure(program.error()));
  const auto is_here = process.is_beside(*program);
  if (!is_here)
    return tl::unexpected(to_failure(is_here.error()));
  if (!*is_here)
    return tl::unexpected(failure{
      exit_failure, EXDEV,
      "the node runs in a container or in a network namespace of its own, or "
      "there is no "
        + *program
        + " any more: run 'weft upgrade' where the "
          "node and its program are"});
  if (const auto trusted = check_trust(*program, file); !trusted)
    return tl::unexpected(trusted.error());
  if (const auto fine = check_file(file); !fine)
    return tl::unexpected(fine.error());
  const auto environment = process.environment();
  if (!environment)
    return tl::unexpected(to_failure(environment.error()));
  const auto child = process.start_beside(
    words_of_successor(words, *program, file, node.interface),
    environment_of_successor(*environment));
  if (!child)
    return tl::unexpected(to_failure(child.error()));
  if (const auto done = await_successor(process, *child); !done)
    return tl::unexpected(done.error());
  // One in the background has ended its parent once it serves.
  return await_service(node, *child);
}

/// Of a unit: what systemd watches goes on in another process, or is restarted
/// where that cannot be.
outcome<void>
upgrade_unit(const other_process& process, const std::string& service,
             const std::string& file, const local_node& node) {
  if (const auto fine = check_file(file); !fine)
    return tl::unexpected(fine.error());
  const auto connection = connect_within_unit(process, node);
  if (!connection)
    return restart(service);
  if (const auto done = ask_for_successor(connection, process); !done)
    return tl::unexpected(done.error());
  return await_service(node, main_process_of(service), service);
}

} // namespace

int upgrade_node(const local_node& node, bool json, const streams& io) {
  if (own_user() != 0)
    return report({exit_forbidden, EPERM,
                   "an upgrade starts the node's program anew, with what it "
                   "may do: run it as root"},
                  json, io);
  const auto process = find_process(node);
  if (!process)
    return report(process.error(), json, io);
  const auto words = process->words();
  if (!words || words->empty())
    return report(words ? mistake("the node's process does not say how it was "
                                  "started")
                        : to_failure(words.error()),
                  json, io);
  const auto file = file_of(*process, *words);
  if (!file)
    return report(file.error(), json, io);
  const auto before = find_link(node.interface);
  const auto service = process->service();
  const auto done = main_process_of(service) == process->number()
                      ? upgrade_unit(*process, service, *file, node)
                      : replace(*process, *words, *file, node);
  if (!done)
    return report(done.error(), json, io);
  const auto after = find_process(node);
  if (!after)
    return report(after.error(), json, io);
  const auto link = find_link(node.interface);
  const bool is_same = before && link && before->index == link->index;
  if (json) {
    nlohmann::ordered_json out;
    out["interface"] = node.interface;
    out["process"] = after->number();
    out["goes_on"] = is_same;
    io.out << to_text(out);
  } else {
    io.out << node.interface << ": process " << after->number()
           << (is_same ? " goes on with it\n"
                       : " has begun anew; the node's log says why\n");
  }
  return exit_fine;
}

} // namespace weft
