// What a node needs of its host that takes more than weftd keeps, where no
// service manager does it: by `weft host guard`, a program that outlives weftd.
#pragma once

#include "config/node_config.hpp"
#include "platform/file_descriptor.hpp"

#include <spdlog/logger.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace weft {

class guardian {
public:
  /// Starts the program if the file has something for it, or something is left
  /// to be undone.  Call it before privileges are given up.  `notes` gets what
  /// is worth a line in the log.
  static guardian start(const node_config& config, const std::string& file,
                        std::vector<std::string>& notes);

  /// There is one that runs.
  bool is_there() const {
    return static_cast<bool>(way_);
  }
  /// Readable once it has ended.
  int descriptor() const {
    return way_.get();
  }
  bool has_ended() const;
  /// The node works: it does its part.
  void node_works() const;
  /// Something of that is missing: it does it again.  Any thread may call it.
  void host_changed() const;
  /// The node has ended, and it undoes that.
  void node_ended() const;

private:
  void tell(char word) const;

  file_descriptor way_;
};

/// How `helper`, or a service manager that watches `file`, hears that something
/// of its part is missing; null: nobody does.
std::function<void()>
way_to_helper(const guardian& helper, const std::string& file,
              std::shared_ptr<spdlog::logger> log);

} // namespace weft
