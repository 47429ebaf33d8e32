// What was changed by command goes to the file of the node, or is printed.
#include "actors/overlay/config_files.hpp"
#include "config/foresight.hpp"
#include "config/yaml_edit.hpp"
#include "platform/saved_file.hpp"
#include "protocol/base/wipe.hpp"
#include "tools/weft/commands/control_commands.hpp"
#include "tools/weft/places/requests.hpp"
#include "tools/weft/places/running_node.hpp"
#include "tools/weft/secret_output.hpp"
#include "tools/weft/view/control_text.hpp"
#include "tools/weft/view/format.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <ostream>

namespace weft {

namespace {

namespace fs = std::filesystem;

/// What the node is configured to be, with its secrets and its file.
outcome<node_configuration> running_from_file(const node_connection& link) {
  if (!link.is_local)
    return tl::unexpected(
      mistake("a node's file is saved on its own host, by whoever may write "
              "there: run 'weft save' there"));
  auto running = ask_configuration(link);
  if (!running)
    return running;
  if (running->file.empty())
    return tl::unexpected(
      failure{exit_failure, ENOTSUP,
              "this node was not started from a file: 'weft export --running' "
              "prints its configuration"});
  if (auto added = add_secrets(*running); !added)
    return tl::unexpected(std::move(added.error()));
  return running;
}

failure file_has_changed(const std::string& file) {
  return {exit_failure, ESTALE,
          file
            + ": it, or a key file of it, has changed since the node read it, "
              "and saving would undo that: 'weft reload --dry-run' says what "
              "it has; 'weft reload' takes it, and drops what was not saved"};
}

outcome<yaml_edit> edit_file(const node_configuration& running) {
  const auto folder = fs::path{running.file}.parent_path();
  auto edit = edit_yaml(
    running.file, host_files(), running.config, [&](const std::string& name) {
      std::error_code failed;
      return fs::exists(fs::symlink_status(folder / name, failed));
    });
  if (!edit)
    return tl::unexpected(failure{exit_failure, 0, std::move(edit.error())});
  const auto& known = running.digests;
  if (std::find(known.begin(), known.end(), edit->digest) == known.end())
    return tl::unexpected(file_has_changed(running.file));
  return std::move(*edit);
}

/// All of the new key files, or none.
result<void>
make_key_files(const fs::path& folder, const std::vector<new_key_file>& keys) {
  std::vector<std::string> made;
  for (const auto& [name, key] : keys) {
    auto text = to_base64(key.bytes()) + '\n';
    const text_wiper end{text};
    const auto path = (folder / name).string();
    auto done = make_secret_file(path, text);
    if (!done) {
      std::error_code ignored;
      for (const auto& each : made)
        fs::remove(each, ignored);
      return done;
    }
    made.push_back(path);
  }
  return {};
}

/// A sentence about what was done.
outcome<std::string>
write_file(const node_connection& link, saved_file& file,
           const std::string& path, const yaml_edit& edit) {
  // Beforehand: a watched file is read again as soon as it is there.
  if (auto told = ask<void>(link, expect_file{edit.digest, edit.edited}); !told)
    return tl::unexpected(std::move(told.error()));
  const auto folder = fs::path{path}.parent_path();
  if (auto made = make_key_files(folder, edit.keys); !made)
    return tl::unexpected(to_failure(made.error()));
  const auto replaced = file.replace(edit.text);
  if (!replaced) {
    std::error_code ignored;
    for (const auto& key : edit.keys)
      fs::remove(folder / key.name, ignored);
    return tl::unexpected(to_failure(replaced.error()));
  }
  // Without it the node only takes the former text for its own as well.
  std::ignore = ask<void>(link, expect_file{edit.edited, edit.edited});
  return "saved: " + path
         + (*replaced ? ""
                      : ", but a power failure now may undo that: its "
                        "folder could not be synced");
}

/// They stay: other files may name them, too.
void note_left(const yaml_edit& edit, config_changes& changes) {
  for (const auto& path : edit.key_files_left)
    changes.notes.push_back(path
                            + ": the file no longer names it; remove it, "
                              "unless something else needs that key");
}

} // namespace

outcome<config_changes>
save_running(const node_connection& link, bool dry_run) {
  auto running = running_from_file(link);
  if (!running)
    return tl::unexpected(running.error());
  const auto path = running->file;
  auto file = saved_file::open(path);
  if (!file)
    return tl::unexpected(to_failure(file.error()));
  running = running_from_file(link); // others may have saved until now
  if (!running)
    return tl::unexpected(running.error());
  auto edit = edit_file(*running);
  if (!edit)
    return tl::unexpected(std::move(edit.error()));
  const text_wiper end{edit->text};
  auto foreseen = foresee_changes(edit->before, edit->after);
  config_changes changes{
    foreseen.peers_added, foreseen.peers_changed, foreseen.peers_removed, {}};
  if (dry_run) {
    changes.notes = std::move(foreseen.sentences);
    note_left(*edit, changes);
    return changes;
  }
  if (edit->digest != edit->edited) {
    auto written = write_file(link, *file, path, *edit);
    if (!written)
      return tl::unexpected(std::move(written.error()));
    changes.notes.push_back(std::move(*written));
    note_left(*edit, changes);
  }
  return changes;
}

int save(bool dry_run, const node_connection& link, const streams& io) {
  return print_changes(save_running(link, dry_run), link, io);
}

int print_changes(outcome<config_changes> changes, const node_connection& link,
                  const streams& io) {
  if (!changes)
    return report(changes.error(), link.json, io);
  outcome<config_changes> saved;
  if (link.save)
    saved = save_running(link, false);
  if (saved)
    changes->notes.insert(changes->notes.end(), saved->notes.begin(),
                          saved->notes.end());
  io.out << format_changes(*changes, link.json);
  if (saved)
    return exit_fine;
  auto& why = saved.error();
  why.message = "the change is in force, and was not saved: " + why.message;
  return report(why, link.json, io);
}

int export_running(bool with_keys, const node_connection& link,
                   const streams& io) {
  if (with_keys && !link.is_local)
    return report(mistake("a node gives its keys to root on its own host "
                          "alone: leave --keys out"),
                  link.json, io);
  auto running = ask_configuration(link);
  if (!running)
    return report(running.error(), link.json, io);
  if (with_keys) {
    if (auto added = add_secrets(*running); !added)
      return report(added.error(), link.json, io);
    warn_if_public(io);
  } else if (const auto count = running->with_preshared_key.size(); count > 0) {
    io.out << "# Without the preshared keys of " << format_count(count, "peer")
           << ": 'weft apply' of this file would remove them.\n"
              "# Name their files (preshared_key_file), or export with "
              "--keys.\n";
  }
  auto text = format_yaml(running->config);
  const text_wiper end{text};
  io.out << text;
  return exit_fine;
}

int confirm(const node_connection& link, const streams& io) {
  const auto answer = ask<void>(link, confirm_config{});
  if (!answer)
    return report(answer.error(), link.json, io);
  config_changes changes;
  changes.notes.emplace_back("the configuration stays");
  io.out << format_changes(changes, link.json);
  return exit_fine;
}

} // namespace weft
