#include "actors/overlay/config_check.hpp"

#include "config/full_tunnel.hpp"
#include "config/strings.hpp"
#include "config/warnings.hpp"
#include "config/yaml_places.hpp"
#include "platform/accounts.hpp"
#include "platform/clock.hpp"
#include "platform/name_servers.hpp"
#include "platform/roots_file.hpp"
#include "platform/tls.hpp"
#include "protocol/base/text.hpp"
#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weft {

namespace {

/// What is said of a file, with the places where it says so.
class findings {
public:
  findings(std::string path, std::string_view text) : path_(std::move(path)) {
    if (auto tree = yaml_tree::parse(text))
      tree_ = std::move(*tree);
  }

  config_error at(const std::string& field, std::string message) const {
    const auto place = place_of(tree_, field);
    return {path_, place.line, place.column, field, std::move(message)};
  }

private:
  std::string path_;
  yaml_tree tree_;
};

/// The certificates of the section `control`, and whose list it is.
void check_control_files(const control_config& control, const findings& places,
                         checked_config& into) {
  if (!control.listen)
    return;
  constexpr std::array<std::pair<std::string tls_files::*, const char*>, 4>
    keys{{{&tls_files::certificate, "control.certificate"},
          {&tls_files::key, "control.key"},
          {&tls_files::authority, "control.ca"},
          {&tls_files::revocations, "control.revocations"}}};
  const tls_files files{control.certificate, control.key, control.ca,
                        control.revocations};
  for (const auto& each : check_server_files(files, wall_now())) {
    const auto* const key
      = std::find_if(keys.begin(), keys.end(),
                     [&](const auto& one) { return one.first == each.file; });
    auto& list = each.is_error ? into.mistakes : into.warnings;
    list.push_back(places.at(key->second, each.message));
  }
}

void check_group(const control_config& control, const findings& places,
                 checked_config& into) {
  if (control.group.empty())
    return;
  if (const auto group = find_group(control.group); !group)
    into.warnings.push_back(places.at("control.group", group.error().message));
}

/// What a node needs of its host as root.
void check_host(const interface_config& interface, const std::string& path,
                const findings& places, checked_config& into) {
  if (!interface.dns.empty()
      && find_dns_manager().what == dns_manager::kind::none)
    into.mistakes.push_back(places.at("interface.dns", no_dns_manager()));
  const std::array<std::pair<const char*, const std::vector<std::string>*>, 2>
    lists{{{"interface.on_up", &interface.on_up},
           {"interface.on_down", &interface.on_down}}};
  for (const auto& [key, commands] : lists) {
    if (commands->empty())
      continue;
    if (const auto trusted = check_roots_file(path); !trusted)
      into.warnings.push_back(places.at(key, "the commands will not be run: "
                                               + trusted.error().message));
  }
}

/// Names that are looked up beside the tunnel, where nobody can be asked so.
void check_names(const node_config& config, const findings& places,
                 checked_config& into) {
  if ((!config.interface.kill_switch && !full_tunnel_of(config).any())
      || !are_programs_of_host(find_name_servers()))
    return;
  for (std::size_t i = 0; i < config.peers.size(); ++i) {
    const auto& where = config.peers[i].endpoint;
    const auto* host = where ? std::get_if<host_endpoint>(&*where) : nullptr;
    if (host != nullptr && is_resolvable_name(host->host))
      into.warnings.push_back(places.at(
        "peers[" + std::to_string(i) + "].endpoint",
        host->host + " may not be found: " + only_programs_of_host()));
  }
}

} // namespace

checked_config check_file(const std::string& path, pipe_patience patience) {
  std::string text; // is read once: it may come from a pipe
  const text_wiper wipes_text(text);
  const auto files = host_files(patience);
  const file_source remembering = [&](const std::string& name, file_use use) {
    auto read = files(name, use);
    if (read && use == file_use::configuration)
      text = read->text;
    return read;
  };
  checked_config checked;
  std::vector<std::string> exposed;
  auto config
    = load_yaml(path, remembering, private_key_rule::required, &exposed);
  for (auto& sentence : exposed) {
    // It begins with the file's name.
    auto message = sentence.starts_with(path + ": ")
                     ? sentence.substr(path.size() + 2)
                     : std::move(sentence);
    checked.warnings.push_back({path, 0, 0, "", std::move(message)});
  }
  if (!config) {
    checked.mistakes = std::move(config.error());
    return checked;
  }
  const findings places(path, text);
  for (auto& [field, message] : find_warnings(*config))
    checked.warnings.push_back(places.at(field, std::move(message)));
  check_control_files(config->control, places, checked);
  check_group(config->control, places, checked);
  check_host(config->interface, path, places, checked);
  check_names(*config, places, checked);
  const auto by_place = [](const config_error& a, const config_error& b) {
    return std::pair{a.line, a.column} < std::pair{b.line, b.column};
  };
  std::stable_sort(checked.warnings.begin(), checked.warnings.end(), by_place);
  checked.config = std::move(*config);
  return checked;
}

std::string warning_text(const config_error& warning) {
  auto shown = warning;
  shown.message = (shown.key.empty() ? "" : shown.key + ": ") + shown.message;
  shown.key = "warning";
  return to_string(shown);
}

} // namespace weft
