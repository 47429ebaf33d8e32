// What a node needs of its host that takes more than CAP_NET_ADMIN: done as
// root once the node works, and undone when it has ended, however it did.
#pragma once

#include "config/node_config.hpp"
#include "platform/error.hpp"
#include "tools/host_guard.hpp"
#include "tools/weft/host/host_note.hpp"

#include <functional>
#include <optional>
#include <span>
#include <string>

namespace weft {

/// The file of a node, and whether root may follow it without question.  That
/// is asked before it is read: nobody else can change it from then on.
struct node_file {
  std::string path;
  result<void> trusted; ///< check_roots_file()
};

/// Notes are kept in a folder of root's, one a node, under a lock.  Whatever
/// fails is told, in a sentence, and stops nothing else.
class host_helper {
public:
  using tell = std::function<void(const std::string& sentence)>;

  /// Not in /run/weft, where a node that was taken over can write: what is
  /// noted is done as root.
  static constexpr auto notes_folder = host_notes_folder;

  /// The mark of the running node's own packets.
  using find_mark = std::function<std::uint32_t()>;

  host_helper(std::string folder, tell failed)
    : folder_(std::move(folder)), failed_(std::move(failed)) {
  }

  /// Sets `src_valid_mark`, `tcp_fwmark_accept` and DNS servers, and runs the
  /// commands of `on_up`.
  /// What was done for the node before is undone first, unless it is the same
  /// for the same interface: another process goes on with that.  Then what is
  /// missing is set again, and no command is run twice.
  void up(const std::string& node, const node_config& config,
          const node_file& file, const find_mark& mark);

  /// Sets again what of that is missing, and what links have come to need that
  /// were not strict before; runs no command.  Nothing once the interface is
  /// gone, or before up() has noted the file's commands.
  void renew(const std::string& node, const node_config& config,
             const node_file& file);

  /// Whether anything is, which down() undoes.
  bool has_note(const std::string& node) const;

  /// Undoes what is noted, and runs the commands of `on_down`; nothing is noted
  /// of most nodes.  `tcp_fwmark_accept` stays as long as the rules of a node
  /// that was killed, so that one who comes in from outside is answered.
  void down(const std::string& node);

  /// Undoes what is noted of an interface that is gone, but runs no command:
  /// what down() has left on for the sake of its rules, and all of a node whose
  /// helper was killed as well.
  void clear(const std::string& interface);
  /// The same of all interfaces that are gone.
  void clear_all();

private:
  host_note note_for(const node_config& config, const std::string& file);
  /// What was noted before, if it is of the same interface and file's words.
  std::optional<host_note>
  find_in_place(const std::string& node, const host_note& wanted);
  /// Sets the links' part of it under the lock, and notes it, if there is
  /// anything to note or `notes_anyway`; false: it could not be noted.
  /// `before`: what was set already.
  bool
  set_marks(const std::string& node, const node_config& config, host_note& note,
            const std::optional<host_note>& before, bool notes_anyway);
  bool
  may_run_commands(const interface_config& interface, const node_file& file);
  std::vector<std::string>
  links_to_mark(const node_config& config, const std::string& node);
  void set_dns(const host_note& note, const node_config& config);
  void undo_dns(const host_note& note);
  void undo_marks(const host_note& note, const std::string& node);
  bool is_marked_for_another(const std::string& link, const std::string& node);
  /// Whether the note of another node of this network namespace is such a one.
  bool is_noted_for_another(const std::string& node,
                            const std::function<bool(const host_note&)>& is);
  void undo_accepted_marks(const host_note& note, const std::string& node);
  void clear_if(const std::function<bool(const host_note&)>& is_meant);
  std::vector<std::string> noted_nodes() const;
  std::optional<host_note> read_note(const std::string& node);
  bool write_note(const std::string& node, const host_note& note);
  void run_commands(const host_note& note, std::span<const std::string> lines,
                    const char* event);
  std::string path_of(const std::string& node) const {
    return folder_ + '/' + node;
  }
  template <class T>
  bool tell_of(const result<T>& outcome) {
    if (!outcome)
      failed_(outcome.error().message);
    return outcome.has_value();
  }

  std::string folder_;
  tell failed_;
};

} // namespace weft
