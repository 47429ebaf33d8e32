#include "tools/weftd/guardian.hpp"

#include "config/host_needs.hpp"
#include "platform/accounts.hpp"
#include "platform/files.hpp"
#include "platform/program.hpp"
#include "platform/stream.hpp"
#include "tools/host_guard.hpp"

#include <array>
#include <filesystem>

namespace weft {

namespace {

constexpr auto what_is_left_out
  = "DNS servers, src_valid_mark, on_up and on_down are left out: ";

/// What was done to the host for a node of that name is still noted: nobody has
/// undone it, as its helper was killed as well.
bool is_noted(const std::string& node) {
  std::error_code failed;
  return std::filesystem::exists(
    std::filesystem::path{host_notes_folder} / node, failed);
}

} // namespace

guardian guardian::start(const node_config& config, const std::string& file,
                         std::vector<std::string>& notes) {
  guardian made;
  const bool is_needed = needs_root(config);
  if (!is_needed && (own_user() != 0 || !is_noted(config.interface.name)))
    return made;
  if (own_user() != 0) {
    notes.push_back(what_is_left_out
                    + std::string{"they are root's to do, and weftd was not "
                                  "started as root"});
    return made;
  }
  const auto program = find_companion("weft");
  if (program.empty()) {
    notes.push_back(what_is_left_out
                    + std::string{"there is no program weft beside weftd"});
    return made;
  }
  auto started
    = start_companion({program, "host", "guard", config.interface.name,
                       "--config", std::filesystem::absolute(file).string()});
  if (started)
    made.way_ = std::move(started->way);
  else
    notes.push_back(what_is_left_out + started.error().message);
  return made;
}

void guardian::node_works() const {
  tell(guard_word::works);
}

void guardian::host_changed() const {
  tell(guard_word::host_changed);
}

void guardian::node_ended() const {
  tell(guard_word::ended);
}

bool guardian::has_ended() const {
  std::array<char, 1> unused{};
  return read_some(way_.get(), unused).what == stream_result::status::closed;
}

void guardian::tell(char word) const {
  if (is_there())
    write_some(way_.get(), {&word, 1});
}

std::function<void()>
way_to_helper(const guardian& helper, const std::string& file,
              std::shared_ptr<spdlog::logger> log) {
  if (helper.is_there())
    return [&helper] { helper.host_changed(); };
  if (file.empty())
    return {};
  return
    [path = std::filesystem::absolute(file).string(), log = std::move(log)] {
      if (const auto done = replace_file(path, "", 0600); !done)
        log->warn("{}", done.error().message);
    };
}

} // namespace weft
