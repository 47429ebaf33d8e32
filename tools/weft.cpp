// weft: keys, configuration files, and the status of running interfaces.

#include "tools/weft/commands.hpp"
#include "tools/weft/format.hpp"
#include "tools/weft/secret_output.hpp"

#include <CLI/CLI.hpp>

#include <cerrno>
#include <functional>
#include <iostream>
#include <system_error>

namespace {

using namespace weft;

using command = std::function<int(const streams&)>;

/// Declares the commands; the one that is called ends up in `chosen`.
class command_line {
public:
  command_line() {
    app_.require_subcommand(1);
    app_.set_help_flag("-h,--help", "Print this help and exit");
    add_version(app_);
    app_.footer("Exit codes: 0 fine, 1 failure at run time, 2 wrong usage or "
                "configuration.\nMore: man weft");
    add_key_commands();
    add_config_commands();
    add_status_command();
  }

  CLI::App& app() {
    return app_;
  }
  bool knows(const std::string& name) const {
    return !app_
              .get_subcommands(
                [&](const CLI::App* one) { return one->get_name() == name; })
              .empty();
  }
  int run(const streams& io) const {
    return chosen_(io);
  }

private:
  static void add_version(CLI::App& app) {
    app.set_version_flag("--version", "weft " WEFT_VERSION,
                         "Print the version and exit");
  }
  CLI::App&
  add(const std::string& name, const std::string& description, command action) {
    auto& added = *app_.add_subcommand(name, description);
    add_version(added);
    added.callback([this, action = std::move(action)] { chosen_ = action; });
    return added;
  }
  void add_key_commands() {
    add("genkey", "Print a new private key", generate_key);
    add("pubkey", "Print the public key of the private key on stdin",
        print_public_key);
    add("genpsk", "Print a new preshared key", generate_preshared_key);
  }
  void add_config_commands() {
    add("check", "Check a configuration file",
        [this](const streams& io) { return check_config(file_, io); })
      .add_option("FILE", file_, "Configuration (YAML)")
      ->required();
    auto& import = add("import", "Print a wg-quick file as YAML, with its keys",
                       [this](const streams& io) {
                         return import_config(file_, output_, io);
                       });
    import
      .add_option("WG_CONF", file_,
                  "File in wg-quick's format; its name "
                  "is the interface's")
      ->required();
    import.add_option("-o,--output", output_,
                      "Write to this new file, for its owner only (0600)");
    add("export", "Print a YAML file for wg-quick, with its keys",
        [this](const streams& io) { return export_config(file_, io); })
      .add_option("FILE", file_, "Configuration (YAML)")
      ->required();
  }
  void add_status_command() {
    auto& status
      = add("status", "Show running interfaces and their peers",
            [this](const streams& io) { return show_status(status_, io); });
    status.add_option("NAME", status_.interface, "Interface; all if left out");
    status.add_flag("--json", status_.json, "Print JSON with all there is");
    status
      .add_option("--socket-folder", status_.socket_folder,
                  "Folder of the control sockets")
      ->capture_default_str();
  }

  CLI::App app_{"Keys, configuration files and status of weft, an encrypted "
                "overlay network",
                "weft"};
  std::string file_;
  std::string output_;
  status_options status_;
  command chosen_;
};

} // namespace

int main(int argc, char** argv) try {
  command_line line;
  const std::string first = argc > 1 ? argv[1] : "";
  if (!first.empty() && first.front() != '-' && !line.knows(first)) {
    std::cerr << "weft: there is no command '" << printable(first)
              << "'; weft --help lists them\n";
    return exit_mistaken;
  }
  try {
    line.app().parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return line.app().exit(error) == 0 ? exit_fine : exit_mistaken;
  }
  const streams io{std::cin, std::cout, std::cerr, standard_output_is_public()};
  const auto code = line.run(io);
  errno = 0;
  if (!std::cout.flush()) {
    std::cerr << "weft: cannot write to standard output";
    if (errno != 0)
      std::cerr << ": " << std::generic_category().message(errno);
    std::cerr << '\n';
    return exit_failure;
  }
  return code;
} catch (const std::exception& error) {
  std::cerr << "weft: " << error.what() << '\n';
  return exit_failure;
}
