// What the lock of a node was made of, kept by root for a start of the host at
// which the node's file has a mistake.
#pragma once

#include "config/node_config.hpp"
#include "platform/error.hpp"

#include <optional>
#include <string>

namespace weft {

/// A folder of root's, with a file for each interface that `weft lock` has
/// locked.  Each is a configuration of what the lock needs, and has no key.
class lock_records {
public:
  static constexpr auto default_folder = "/var/lib/weft-lock";

  explicit lock_records(std::string folder = default_folder)
    : folder_(std::move(folder)) {
  }

  /// Keeps the lock that the file at `path` wants.
  result<void> keep(const std::string& path, const interface_config& interface);
  /// What was kept of that file; nothing: it had no lock, or that was lifted.
  std::optional<interface_config> find(const std::string& path) const;
  /// The lock of an interface was lifted; without a name those of all.
  result<void> forget(const std::string& interface);
  result<void> forget_all();
  /// The file wants no lock.
  result<void> forget_file(const std::string& path);

private:
  template <class Meant>
  result<void> forget_if(Meant&& is_meant);

  std::string folder_;
};

} // namespace weft
