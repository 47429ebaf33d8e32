// What can be typed after `weft`.
#pragma once

#include "tools/weft/commands/commands.hpp"
#include "tools/weft/commands/host_commands.hpp"
#include "tools/weft/commands/lock_commands.hpp"

#include <CLI/CLI.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace weft {

/// Declares all commands.  One that is parsed can be run once.
class command_line {
public:
  using command = std::function<int(const streams&)>;

  command_line();

  CLI::App& app() {
    return app_;
  }
  /// Adds a command below another one, or below weft itself.
  CLI::App& add_to(CLI::App& above, const std::string& name,
                   const std::string& description, command action);
  /// Adds one that has commands of its own.
  CLI::App& add_group(const std::string& name, const std::string& description);

  /// Parses, and runs what was asked for.  Returns the exit code.
  int run(int argc, const char* const* argv, const streams& io);

private:
  int run(const std::vector<std::string>& typed, const streams& io);
  void add_json(CLI::App& to);
  /// For what prints a file.
  void add_errors(CLI::App& to);
  void add_key_commands();
  void add_config_commands();
  void add_pki_commands();
  void add_lock_commands();
  void add_host_commands();
  void add_help();

  CLI::App app_;
  std::string file_;
  std::string output_;
  bool strict_ = false;
  bool json_ = false;
  pki_options pki_;
  lock_options lock_;
  host_options host_;
  command chosen_;
};

/// The commands that steer running nodes, and their status.
void add_control_commands(command_line& line);
/// Those of `weft network`.
void add_network_commands(command_line& line);

} // namespace weft
