// Whole files: read together with what tells one version from the next, and
// replaced at once, so that readers see the old text or the new one.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/secret_text.hpp"

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

/// Differs when a file was written, replaced, or had its mode changed.
struct file_identity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  std::int64_t modified = 0; ///< ns since the epoch
  std::int64_t changed = 0;  ///< ns since the epoch; of the inode

  bool operator==(const file_identity&) const = default;
};

/// Nothing if there is no such file, or it may not be seen.
std::optional<file_identity> identify_file(const std::string& path);

/// Whether it can be opened just now: descriptors may be short, for one.
bool can_open(const std::string& path);

/// Who may have a say in a file that is read.
enum class file_privacy : std::uint8_t {
  any,
  /// A secret: any access for others than its owner is an error, and so is an
  /// owner other than this process's user and root, or a folder in which
  /// everybody can put another file in its place.
  owner_only,
};

/// The text of a regular file of at most 1 MiB.  All is asked of the file that
/// is open, not of its name.
result<secret_text> load_file(const std::string& path, file_privacy privacy);

/// Who else has access to a file.
enum class exposure : std::uint8_t { none, readable, writable };

struct exposed_text {
  secret_text text;
  exposure others = exposure::none;
};

/// How long a pipe may be silent; nothing: for ever, unless it has a name.
using pipe_patience = std::optional<std::chrono::milliseconds>;
/// For who has other things to do than to wait for a pipe.
inline constexpr pipe_patience short_patience{std::chrono::seconds{5}};

/// The text of a file, or of a pipe, of which at most `most` bytes are read.
/// A pipe into which nobody writes for longer than `patience` is an error; one
/// whose writer has gone is at its end at once.
result<exposed_text> load_any_file(const std::string& path, std::size_t most,
                                   pipe_patience patience = short_patience);

/// Puts a new file with `mode` (less the umask) in the place of `path`, if
/// there is one, and waits until it is on the disk.  Nobody sees it before it
/// is complete, and it never has more than `mode`.
result<void>
replace_file(const std::string& path, std::string_view text, unsigned mode);

/// Puts what is in the file `from` at `to`, with `mode` (less the umask), as
/// replace_file() does.  Whoever owns the folder of `from` is not trusted: what
/// is no regular file there, or has another name as well, is refused, so that
/// no link gets at what is others'.
result<void>
copy_file(const std::string& from, const std::string& to, unsigned mode);

/// The same, and takes `from` away as remove_theirs() does.
result<void>
move_file(const std::string& from, const std::string& to, unsigned mode);

/// Takes a file away as the owner of its folder, so that no link in the place
/// of that folder gets at what is others'.  No other thread may work meanwhile
/// (acting_user).
result<void> remove_theirs(const std::string& path);

/// Makes a folder and its missing parents, for their owner only (0700).  One
/// that exists is left alone, but others must not be able to write to it.
result<void> make_private_folder(const std::string& path);

/// From now on files of this user count as this process's own: it is going to
/// act as that one.  Before any thread starts.
void trust_owner(uid_t owner);

/// What is wrong with a folder of secrets, or nothing: it must belong to this
/// process's user or root, and others must not be able to write to it.
result<void> check_private_folder(const std::string& path);

/// Waits until no other program holds `folder`, ten seconds at most, and
/// holds it until the descriptor ends.  Only the folder's owner can: what is
/// locked is a file of its own, which root makes the folder's owner's.
result<file_descriptor> lock_folder(const std::string& folder);

} // namespace weft
