#include "tools/weft/command_line.hpp"

#include "tools/weft/failure.hpp"
#include "tools/weft/usage.hpp"

#include <algorithm>
#include <ostream>

namespace weft {

namespace {

void add_version(CLI::App& app) {
  app.set_version_flag("-V,--version", "weft " WEFT_VERSION,
                       "Print the version and exit");
}

} // namespace

command_line::command_line()
  : app_("Keys, configuration files, and control of weft, an encrypted overlay "
         "network",
         "weft") {
  app_.set_help_flag("-h,--help", "Print this help and exit");
  add_version(app_);
  app_.footer("Exit codes: 0 fine, 1 failure at run time, 2 wrong usage or "
              "configuration,\n3 cannot connect, 4 not allowed, 5 no such "
              "peer.\nMore: weft COMMAND --help, man weft");
  add_key_commands();
  add_config_commands();
  add_control_commands(*this);
  add_pki_commands();
  add_lock_commands();
  add_host_commands();
  add_network_commands(*this);
  add_help();
}

/// Never parsed: run() asks the command itself.
void command_line::add_help() {
  add_group("help", "Say how a command is used")
    .add_option("COMMAND", "Its words; all commands are listed without")
    ->expected(1, 8);
}

CLI::App& command_line::add_to(CLI::App& above, const std::string& name,
                               const std::string& description, command action) {
  auto& added = *above.add_subcommand(name, description);
  add_version(added);
  added.callback([this, action = std::move(action)] { chosen_ = action; });
  return added;
}

CLI::App& command_line::add_group(const std::string& name,
                                  const std::string& description) {
  auto& group = *app_.add_subcommand(name, description);
  add_version(group);
  return group;
}

void command_line::add_json(CLI::App& to) {
  to.add_flag("--json", json_, "Print JSON, errors too");
}

void command_line::add_errors(CLI::App& to) {
  to.add_flag("--json", json_, "Print errors as JSON");
}

void command_line::add_key_commands() {
  const auto add_key
    = [this](const std::string& name, const std::string& description,
             int (*action)(bool json, const streams&)) {
        add_json(add_to(app_, name, description, [=, this](const streams& io) {
          return action(json_, io);
        }));
      };
  add_key("genkey", "Print a new private key", generate_key);
  add_key("pubkey", "Print the public key of the private key on stdin",
          print_public_key);
  add_key("genpsk", "Print a new preshared key", generate_preshared_key);
}

void command_line::add_config_commands() {
  auto& check = add_to(app_, "check", "Check a configuration file",
                       [this](const streams& io) {
                         return check_config(file_, {strict_, json_}, io);
                       });
  check.add_option("FILE", file_, "Configuration (YAML)")->required();
  check.add_flag("--strict", strict_,
                 "Take warnings for mistakes: exit with 2");
  add_json(check);
  auto& import
    = add_to(app_, "import", "Print a wg-quick file as YAML, with its keys",
             [this](const streams& io) {
               return import_config(file_, {output_, strict_, json_}, io);
             });
  import
    .add_option("WG_CONF", file_,
                "File in wg-quick's format; its name is the interface's")
    ->required();
  import.add_option("-o,--output", output_,
                    "Write to this new file, for its owner only (0600)");
  import.add_flag("--strict", strict_,
                  "Take what is left out for a mistake: exit with 2");
  add_errors(import);
}

void command_line::add_pki_commands() {
  auto& pki = add_group(
    "pki", "Certificates for remote control: who may control a node");
  auto add_pki = [&](const std::string& name, const std::string& description,
                     int (*action)(const pki_options&, const streams&)) {
    auto& added = add_to(pki, name, description, [=, this](const streams& io) {
      return action(pki_, io);
    });
    added.add_option("--folder", pki_.folder,
                     "Folder of the authority (default: $WEFT_PKI, or "
                       + default_pki_folder() + ")");
    added.add_flag("--json", pki_.json, "Print JSON");
    return &added;
  };
  add_pki("init", "Make an authority, which signs certificates", make_authority)
    ->add_option("--name", pki_.name, "What it is called (weft)");
  auto* issue
    = add_pki("issue", "Make a certificate and its key", issue_certificate);
  issue->add_option("NAME", pki_.name, "Whose certificate")->required();
  issue->add_option("--role", pki_.role,
                    "What it is for: operator (the default) and viewer are "
                    "clients, node is a server");
  issue
    ->add_option("--host", pki_.hosts,
                 "Host name or IP address that a node is reached at, beside "
                 "its name; may be repeated")
    ->allow_extra_args(false);
  auto* renew
    = add_pki("renew",
              "Make another certificate, with the role and hosts of the last",
              renew_pki_certificate);
  renew->add_option("NAME", pki_.name, "Whose certificate")->required();
  for (auto* each : {issue, renew})
    add_number(
      *each, {"--days", "How long it holds (365)", "a number of days", 1, 3650},
      [this](double days) { pki_.days = static_cast<int>(days); });
  add_pki("revoke", "Revoke all certificates of a name", revoke_certificates)
    ->add_option("NAME", pki_.name, "Whose certificates")
    ->required();
  add_pki("list", "Show what was issued", list_certificates);
}

void command_line::add_lock_commands() {
  auto& lock
    = add_to(app_, "lock",
             "Let nothing leave this host but through a node's tunnel",
             [this](const streams& io) { return lock_host(lock_, io); });
  lock.add_option("NAME", lock_.name, "The node, of /etc/weft/NAME.yaml")
    ->required();
  lock.add_option("--config", lock_.config_file,
                  "Its file, if it is another one");
  auto& unlock
    = add_to(app_, "unlock",
             "Let traffic leave this host again beside the tunnel",
             [this](const streams& io) { return unlock_host(lock_, io); });
  unlock.add_option("NAME", lock_.name, "The interface that is locked");
  unlock.add_flag("--all", lock_.all, "Lift all locks of this host");
  for (auto* each : {&lock, &unlock})
    each->add_flag("--json", lock_.json, "Print JSON, errors too");
}

void command_line::add_host_commands() {
  auto& host = add_group("host", "What a node needs of its host as root: for "
                                 "units and weftd");
  const auto add_host
    = [&](const std::string& name, const std::string& description,
          int (*action)(const host_options&, const streams&)) {
        auto& added
          = add_to(host, name, description,
                   [=, this](const streams& io) { return action(host_, io); });
        added.add_option("NAME", host_.node, "Name of the node")->required();
        return &added;
      };
  auto* const up = add_host(
    "up", "Set DNS servers and src_valid_mark, and run on_up", host_up);
  auto* const renew = add_host(
    "renew", "Set again what of it is missing, and run nothing", host_renew);
  auto* const leave = add_host(
    "leave", "Have its process leave its sessions to the next one of its unit",
    host_leave);
  auto* const down = add_host("down", "Undo it, and run on_down", host_down);
  for (auto* each : {leave, down})
    each->add_option("--unit", host_.unit, "Unit of systemd that runs it");
  auto* const guard
    = add_host("guard", "All of it, as standard input says", host_guard);
  for (auto* each : {up, renew, guard})
    each->add_option("--config", host_.config,
                     "Its file (/etc/weft/NAME.yaml)");
}

int command_line::run(int argc, const char* const* argv, const streams& io) {
  return run({argv + 1, argv + argc}, io);
}

int command_line::run(const std::vector<std::string>& typed,
                      const streams& io) {
  const bool json
    = std::find(typed.begin(), typed.end(), "--json") != typed.end();
  auto words = arrange_words(app_, typed);
  if (!words)
    return report(words.error(), json, io);
  if (!words->empty() && words->front() == "help") {
    std::vector<std::string> asked(words->begin() + 1, words->end());
    asked.emplace_back("--help");
    return run(asked, io);
  }
  try {
    std::reverse(words->begin(), words->end()); // as CLI11 wants them
    app_.parse(std::move(*words));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0)
      return report(mistake(error.what()), json, io);
    app_.exit(error, io.out, io.err); // help, or the version
    return exit_fine;
  }
  return chosen_(io);
}

} // namespace weft
