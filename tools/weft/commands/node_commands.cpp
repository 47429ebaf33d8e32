#include "actors/overlay/config_files.hpp"
#include "config/values.hpp"
#include "tools/weft/commands/control_commands.hpp"
#include "tools/weft/places/requests.hpp"
#include "tools/weft/places/running_node.hpp"
#include "tools/weft/view/json_text.hpp"

#include <nlohmann/json.hpp>

#include <ostream>

namespace weft {

namespace {

/// For requests that are answered with nothing: `key: value`.
int print(const outcome<void>& answer, const std::string& key,
          const std::string& value, const node_connection& link,
          const streams& io) {
  if (!answer)
    return report(answer.error(), link.json, io);
  if (link.json) {
    nlohmann::ordered_json out;
    out[key] = value;
    io.out << to_text(out);
  } else {
    io.out << key << ": " << value << '\n';
  }
  return exit_fine;
}

} // namespace

std::optional<failure>
objection_to_saving(const assurance& assured, const node_connection& link) {
  if (assured.confirm_within.count() > 0 && link.save)
    return mistake("what is on trial cannot be saved: run 'weft save' once it "
                   "is confirmed");
  return std::nullopt;
}

int apply_file(const apply_options& options, const node_connection& link,
               const streams& io) {
  if (const auto objection = objection_to_saving(options.assured, link))
    return report(*objection, link.json, io);
  if (options.dry_run && link.save)
    return report(mistake("a dry run saves nothing: leave --save or --dry-run "
                          "out"),
                  link.json, io);
  auto config = load_yaml(options.file, private_key_rule::optional, nullptr,
                          std::nullopt);
  if (!config) {
    for (const auto& error : config.error()) {
      if (link.json)
        report(mistake(to_string(error), error.key), true, io);
      else
        io.err << to_string(error) << '\n';
    }
    return exit_mistaken;
  }
  return print_changes(
    ask<config_changes>(link, apply_config{std::move(*config), options.dry_run,
                                           options.assured.confirm_within,
                                           options.assured.yes}),
    link, io);
}

int reload(apply_options options, const node_connection& link,
           const streams& io) {
  if (options.assured.confirm_within.count() > 0) {
    if (!link.is_local)
      return report(mistake("a node's file is put on trial on its own host: "
                            "run 'weft reload --confirm' there, or 'weft apply "
                            "FILE --confirm' here"),
                    link.json, io);
    auto running = ask_configuration(link);
    if (!running)
      return report(running.error(), link.json, io);
    options.file = running->file;
    if (!options.file.empty()) // else the node says so itself
      return apply_file(options, link, io);
  }
  return print_changes(ask<config_changes>(link,
                                           reload_config{options.dry_run, false,
                                                         options.assured.yes}),
                       link, io);
}

int change_log_level(const std::string& level, const node_connection& link,
                     const streams& io) {
  const auto read = read_log_level(level);
  if (!read)
    return report(mistake("LEVEL: " + read.error(), "log.level"), link.json,
                  io);
  const auto answer = ask<void>(link, set_log_level{*read});
  std::string name{to_string(*read)};
  if (!answer || !link.save)
    return print(answer, "log_level", name, link, io);
  config_changes changes;
  changes.notes.push_back("log_level: " + std::move(name));
  return print_changes(std::move(changes), link, io);
}

int shut_down_node(const node_connection& link, const streams& io) {
  return print(ask<void>(link, shut_down{}), "state", "shutting_down", link,
               io);
}

} // namespace weft
