// Backups of what an issuer and a directory have that nobody else has, and what
// is done once they were put back.
#include "platform/files.hpp"
#include "platform/random.hpp"
#include "platform/store/sqlite_store.hpp"
#include "protocol/network/member_memory.hpp"
#include "tools/issuer/authority.hpp"
#include "tools/issuer/client.hpp"
#include "tools/weft/commands/network_commands.hpp"
#include "tools/weft/network/new_node.hpp"
#include "tools/weft/network/refusals.hpp"
#include "tools/weft/network/steering_call.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <filesystem>
#include <ostream>
#include <tuple>

namespace weft {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using json = nlohmann::ordered_json;

/// A program may write into its own folder only, from where this copies or
/// moves it, for its owner alone: the file itself, and nothing that a link in
/// its place leads to.
using file_taker
  = result<void> (*)(const std::string&, const std::string&, unsigned);

result<void> fetch(file_taker take, const std::string& from,
                   const std::string& to, std::vector<std::string>& files) {
  if (auto done = take(from, to, 0600); !done)
    return done;
  files.push_back(to);
  return {};
}

constexpr auto backup_name = "backup.db";

result<void> back_up_issuer(const member_node& node, const std::string& folder,
                            std::vector<std::string>& files) {
  const auto own = node.issuer_folder();
  const auto copy = own + '/' + backup_name;
  std::ignore = remove_theirs(copy); // of a command that was cut off
  if (auto done
      = ask_issuer_for<issuing_done>(node.issuer_socket(), ask_backup{copy});
      !done)
    return tl::unexpected(std::move(done.error()));
  if (auto done = fetch(move_file, copy, folder + "/journal.db", files); !done)
    return done;
  for (const auto& file :
       {root_certificate_file(own), root_key_file(own),
        issuer_certificate_file(own), issuer_key_file(own)}) {
    if (!identify_file(file))
      continue; // the root's key is off-line
    if (auto done
        = fetch(copy_file, file,
                folder + '/' + fs::path{file}.filename().string(), files);
        !done)
      return done;
  }
  return {};
}

result<void>
back_up_directory(const member_node& node, const std::string& folder,
                  std::vector<std::string>& files) {
  const auto own
    = fs::path{node.config.directory.store.file}.parent_path().string();
  const auto copy = own + '/' + backup_name;
  std::ignore = remove_theirs(copy);
  auto answer
    = ask_directory(node.directory_socket(), ask_store_backup{copy}, 60s);
  if (!answer)
    return tl::unexpected(std::move(answer.error()));
  return fetch(move_file, copy, folder + "/store.db", files);
}

/// Of a directory that does not run.
outcome<std::string>
restore_store(const member_node& node, const std::string& backup) {
  const fs::path file{node.config.directory.store.file};
  if (file.empty())
    return tl::unexpected(
      mistake("this node is no directory with a store in a file; what etcd has "
              "is restored there"));
  system_random random;
  const auto done = recover_sqlite_store(backup, file.parent_path().string(),
                                         random, file.filename().string());
  if (!done)
    return tl::unexpected(failure{exit_failure, EIO, done.error().message});
  return file.string();
}

int put_store_back(const member_node& node, const network_options& options,
                   const streams& io) {
  const auto file = restore_store(node, options.store);
  if (!file)
    return report(file.error(), options.json, io);
  if (options.json) {
    json out;
    out["store"] = *file;
    print_json(out, io);
    return exit_fine;
  }
  io.out << *file
         << " is there again. Start the node; once members are connected, run "
            "'weft network recover'\n";
  return exit_fine;
}

/// What an issuer has signed since its backup was made, as this node knows it.
/// False: the issuer does not wait for it.
result<bool> show_issuer(const member_node& node) {
  const auto socket = node.issuer_socket();
  const auto state = ask_issuer_for<state_answer>(socket, ask_state{});
  if (!state)
    return tl::unexpected(state.error());
  if (!state->recovering)
    return false;
  const auto text
    = load_any_file(node.folder().path + "/items", most_kept_bytes);
  if (!text)
    return tl::unexpected(text.error());
  const auto view = text->text.view();
  auto items = read_items(state->root.network, std::as_bytes(std::span{view}));
  if (!items)
    return tl::unexpected(to_error(items.error()));
  // Several frames: each has a bound.
  constexpr std::size_t most_bytes = std::size_t{1} << 20;
  ask_adoption next;
  std::size_t bytes = 0;
  for (auto& each : *items) {
    const auto kind = kind_of(each.key);
    if (kind != item_kind::certificate && kind != item_kind::list)
      continue;
    bytes += each.content.size() + each.key.size();
    next.items.push_back(std::move(each));
    if (bytes < most_bytes)
      continue;
    if (auto done = ask_issuer_for<issuing_done>(socket, next); !done)
      return tl::unexpected(std::move(done.error()));
    next = {};
    bytes = 0;
  }
  next.last = true;
  if (auto done = ask_issuer_for<issuing_done>(socket, next); !done)
    return tl::unexpected(std::move(done.error()));
  return true;
}

} // namespace

int back_up_network(const network_options& options, const streams& io) {
  const auto fail
    = [&](const failure& what) { return report(what, options.json, io); };
  const auto node = find_member_node(options.place);
  if (!node)
    return fail(node.error());
  const auto folder = fs::absolute(options.text).lexically_normal().string();
  if (auto made = make_private_folder(folder); !made)
    return fail(to_failure(made.error()));
  std::vector<std::string> files;
  if (identify_file(node->issuer_socket()))
    if (auto done = back_up_issuer(*node, folder, files); !done)
      return fail(to_failure(done.error()));
  if (node->is_directory() && !node->config.directory.store.file.empty())
    if (auto done = back_up_directory(*node, folder, files); !done)
      return fail(to_failure(done.error()));
  if (files.empty())
    return fail(mistake("there is neither an issuer nor a directory with a "
                        "file here; what etcd has is backed up there"));
  if (options.json) {
    json out;
    out["files"] = files;
    print_json(out, io);
    return exit_fine;
  }
  for (const auto& each : files)
    io.out << each << '\n';
  return exit_fine;
}

int recover_network(const network_options& options, const streams& io) {
  const auto fail
    = [&](const failure& what) { return report(what, options.json, io); };
  const auto node = find_member_node(options.place);
  if (!node)
    return fail(node.error());
  if (!options.store.empty())
    return put_store_back(*node, options, io);
  std::vector<std::string> done;
  if (identify_file(node->issuer_socket())) {
    const auto shown = show_issuer(*node);
    if (!shown)
      return fail(to_failure(shown.error()));
    if (*shown)
      done.emplace_back("the issuer");
  }
  if (node->is_directory()) {
    const auto state = ask_directory_for<directory_state>(
      node->directory_socket(), ask_directory_state{});
    if (!state)
      return fail(to_failure(state.error()));
    if (state->recovering) {
      const auto recovered = ask_directory_for<directory_state>(
        node->directory_socket(), ask_recovery{});
      if (!recovered)
        return fail(to_failure(recovered.error()));
      done.emplace_back("the directory");
    }
  }
  if (options.json) {
    json out;
    out["recovered"] = done;
    print_json(out, io);
    return exit_fine;
  }
  if (done.empty())
    io.out << "Neither an issuer nor a directory here waits to recover\n";
  for (const auto& each : done)
    io.out << "Recovered: " << each << " gives new things out again\n";
  return exit_fine;
}

} // namespace weft
