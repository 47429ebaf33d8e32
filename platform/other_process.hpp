// Another process of this host.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "protocol/base/time.hpp"

#include <optional>
#include <string>
#include <vector>

namespace weft {

/// Stays that one, also when its number has become another's (pidfd_open(2)).
class other_process {
public:
  /// ESRCH: no process has that number.
  static result<other_process> find(int number);
  /// This one.
  static result<other_process> self();

  int number() const {
    return number_;
  }
  /// Readable once it has ended.
  int descriptor() const {
    return handle_.get();
  }
  /// `value` goes along (sigqueue(3)).
  result<void> send_signal(int signal, int value = 0) const;
  /// Whether it has ended by then, a time of boot_now().
  bool ends_by(time_point until) const;

  /// The path of its program.  What lies there may be another one by now.
  result<std::string> program() const;
  /// What it was started with, the program's name included.
  result<std::vector<std::string>> words() const;
  /// `NAME=VALUE`.  Takes what ptrace(2) takes.
  result<std::vector<std::string>> environment() const;
  /// Its working folder.
  result<std::string> folder() const;
  /// Whether it has this process's network and numbers of processes, and the
  /// same file at `path`.
  result<bool> is_beside(const std::string& path) const;
  /// The service of systemd that it belongs to: `NAME.service`; empty: none.
  std::string service() const;

  /// Starts a program as a process of the same folder, with the same standard
  /// descriptors, in a session of its own.  Takes what ptrace(2) takes.
  result<int> start_beside(const std::vector<std::string>& words,
                           const std::vector<std::string>& environment) const;

  /// Starts a program as another child of this process's parent, which hears of
  /// its end, with this one's folder, environment and standard descriptors.
  /// `variable`, a NAME=VALUE, is added to the environment.
  static result<other_process>
  start_sibling(const std::vector<std::string>& words,
                const std::string& variable);

private:
  other_process(int number, file_descriptor handle)
    : number_(number), handle_(std::move(handle)) {
  }

  std::string path(const char* file) const;
  result<std::vector<std::string>> list(const char* file) const;

  int number_;
  file_descriptor handle_;
};

/// How a child of this process has ended: `failed with exit code 1`; nothing:
/// it runs.  To be asked until it has ended.
std::optional<std::string> end_of_child(int child);

} // namespace weft
