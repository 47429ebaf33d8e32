// weft-issuer: lets members into a network, renews and removes them.  It has
// the keys of the network's issuer and its journal, two Unix sockets, and
// nothing of the network itself.
#include "platform/accounts.hpp"
#include "platform/acting_user.hpp"
#include "platform/files.hpp"
#include "platform/privileges.hpp"
#include "platform/program.hpp"
#include "platform/random.hpp"
#include "platform/service_manager.hpp"
#include "protocol/base/text.hpp"
#include "tools/exit_codes.hpp"
#include "tools/issuer/client.hpp"
#include "tools/issuer/issuer_keeper.hpp"
#include "tools/issuer/issuer_server.hpp"
#include "tools/weftd/logging.hpp"

#include <CLI/CLI.hpp>

#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

namespace {

using namespace weft;

constexpr int standard_input = 0;

struct arguments {
  std::string folder;
  std::string socket;
  std::string directory_socket;
  std::string directory_user;
  std::string backup;
  bool renew = false;
  bool clock_is_right = false;
  bool companion = false;
  bool keep = false;
};

int fail(const system_error& error) {
  std::cerr << "weft-issuer: " << printable(error.message) << '\n';
  return exit_failure;
}

network_time now_in_seconds() {
  return std::chrono::floor<std::chrono::seconds>(wall_now());
}

/// The name of the network, which its folder has, too.
std::string network_of(const std::string& folder) {
  const auto path = std::filesystem::path{folder}.lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

int renew(const arguments& args, random_source& random) {
  const auto renewed = renew_issuer(args.folder, now_in_seconds(), random);
  if (!renewed)
    return fail(renewed.error());
  std::cout << issuer_certificate_file(args.folder)
            << " is renewed; restart the issuer\n";
  return exit_fine;
}

int recover(const arguments& args) {
  if (const auto done = recover_issuer(args.folder, args.backup, instant_now());
      !done)
    return fail(done.error());
  std::cout << "The journal is there again. Start the issuer: it waits for "
               "'weft network recover' to be shown what it has signed since\n";
  return exit_fine;
}

int accept_clock(const arguments& args, random_source& random) {
  const auto owner = acting_user::owner_of(args.folder);
  if (!owner)
    return fail(owner.error());
  const auto done = issuer_service::open(args.folder, instant_now(), random,
                                         issuer_service::clock_word::is_right);
  if (!done)
    return fail(done.error());
  std::cout << "The journal goes on by this host's clock; start the issuer\n";
  return exit_fine;
}

int serve(const arguments& args, random_source& random) {
  const auto signals = signal_watch::open();
  if (!signals)
    return fail(signals.error());
  if (const auto whose = check_private_folder(args.folder);
      !whose && own_user() == 0)
    return fail(make_system_error(
      0, whose.error().message,
      "An issuer runs as its folder's owner: by its unit, systemctl start "
      "weft-issuer@"
        + network_of(args.folder)));
  issuer_sockets sockets{args.socket, args.directory_socket, {}};
  if (!args.directory_user.empty()) {
    const auto user = find_user(args.directory_user);
    if (!user)
      return fail(user.error());
    sockets.directory_user = *user;
  }
  if (args.companion) { // nobody else has taken away what root may do
    if (const auto notes = reduce_privileges({}); !notes)
      return fail(notes.error());
  }
  host_clock clock;
  auto log = make_logger({});
  auto service = issuer_service::open(args.folder, clock.moment(), random);
  if (!service)
    return fail(service.error());
  auto server = issuer_server::open(*service, sockets, clock, log);
  if (!server)
    return fail(server.error());
  log->info("the issuer of {} serves {} and {}", service->state().root().name,
            sockets.root, sockets.directory);
  if (service->is_recovering())
    log->warn("the journal was restored from a backup: nothing is given out "
              "before 'weft network recover' is finished");
  if (!memory_is_locked())
    log->debug("memory may be swapped out: the limit of locked memory is low");
  notify_service_manager("READY=1");
  const auto ended = args.companion ? server->run(*signals, standard_input)
                                    : server->run(*signals);
  notify_service_manager("STOPPING=1");
  if (ended)
    return exit_fine;
  log->error("{}", ended.error().message);
  return exit_failure;
}

/// Keeps another process of this program at work.
int keep(const arguments& args) {
  const auto signals = signal_watch::open();
  if (!signals)
    return fail(signals.error());
  std::vector<std::string> words{find_companion("weft-issuer"),
                                 args.folder,
                                 "--companion",
                                 "--socket",
                                 args.socket,
                                 "--directory-socket",
                                 args.directory_socket};
  if (!args.directory_user.empty())
    words.insert(words.end(), {"--directory-user", args.directory_user});
  const auto log = make_logger({});
  const auto ended = keep_issuer(words, *signals, standard_input, *log);
  if (ended)
    return exit_fine;
  log->error("{}", ended.error().message);
  return exit_failure;
}

int run(arguments args) {
  system_random random;
  if (args.socket.empty())
    args.socket = issuer_socket_path(network_of(args.folder));
  if (args.directory_socket.empty())
    args.directory_socket
      = issuer_directory_socket_path(network_of(args.folder));
  if (args.renew)
    return renew(args, random);
  if (args.clock_is_right)
    return accept_clock(args, random);
  if (args.keep)
    return keep(args);
  return args.backup.empty() ? serve(args, random) : recover(args);
}

} // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): tell_failures() says what it was
int main(int argc, char** argv) {
  complete_standard_descriptors();
  tell_failures("weft-issuer");
  hold_hang_up();
  close_inherited_descriptors();
  protect_memory(); // before keys are read
  CLI::App app{"weft-issuer lets members into a network of weft, renews and "
               "removes them.",
               "weft-issuer"};
  arguments args;
  app.set_version_flag("-V,--version", "weft-issuer " WEFT_VERSION);
  app
    .add_option("FOLDER", args.folder,
                "has the issuer's keys and its journal: "
                "/var/lib/weft-issuer/NAME")
    ->required();
  app.add_option("--socket", args.socket,
                 "root's socket (/run/weft-issuer/NAME.sock)");
  app.add_option("--directory-socket", args.directory_socket,
                 "the directory's socket "
                 "(/run/weft-issuer/NAME.directory.sock)");
  app.add_flag("--companion", args.companion,
               "end with standard input, which is weftd's");
  app.add_flag("--keep", args.keep,
               "the same, and start it again whenever it ends");
  app.add_option("--directory-user", args.directory_user,
                 "who may use it beside root");
  auto* renewal
    = app.add_flag("--renew", args.renew,
                   "only sign another certificate for the issuer, with the "
                   "root's key");
  auto* clock
    = app
        .add_flag("--clock-is-right", args.clock_is_right,
                  "only go on by this host's clock, however far it is from the "
                  "journal's last entry")
        ->excludes(renewal);
  app
    .add_option("--recover", args.backup,
                "only put this backup in the place of a lost journal")
    ->excludes(renewal)
    ->excludes(clock);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0)
      return app.exit(error); // help, or the version
    std::cerr << "weft-issuer: " << printable(error.what()) << '\n';
    return exit_mistaken;
  }
  return run(std::move(args));
}
