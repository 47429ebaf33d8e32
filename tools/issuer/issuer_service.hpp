// An issuer with its keys and its journal: questions in, answers out, one after
// the other, in one thread.  Sockets and clocks are others'.
//
// Questions are decided at once, and answered when settle() has put all that
// was decided since the last one on the disk in one go.  What fails to get
// there was never decided.
#pragma once

#include "platform/store/journal_file.hpp"
#include "protocol/base/time.hpp"
#include "protocol/network/issuing.hpp"
#include "tools/issuer/authority.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft {

class issuer_service {
public:
  /// Who asks; answers come back with it.
  using asker = std::uint64_t;
  enum class role : std::uint8_t { directory, root };

  struct answered {
    asker to = 0;
    issuing_answer answer;
  };

  /// What root says of the host's clock: `is_right` has it count, however far
  /// it is from the journal's last entry.
  enum class clock_word : std::uint8_t { none, is_right };

  /// Reads folder and journal, which begins here if there is none.  Randomness
  /// must outlive the service.
  static result<issuer_service>
  open(const std::string& folder, instant now, random_source& random,
       clock_word clock = clock_word::none);

  void ask(asker from, role as, const issuing_question& question, instant now);
  /// What it asked for and has no answer of yet is no more wanted.
  void forget(asker who);

  /// Signs what is due, and returns all answers that there are.
  std::vector<answered> settle(instant now);
  /// When settle() has something to do although nobody asks.
  time_point next_deadline() const;

  /// Its journal was restored, and waits for the last ask_adoption.
  bool is_recovering() const;

  const issuer& state() const;
  const network_certificate& certificate() const;

  /// What has happened since the last call, for the log.
  struct news {
    bool is_trouble = false;
    std::string text;
  };
  std::vector<news> take_news();
  /// The journal cannot be read any more: the service is of no further use.
  const std::optional<system_error>& failure() const;

  issuer_service(issuer_service&&) noexcept;
  issuer_service& operator=(issuer_service&&) noexcept;
  ~issuer_service();

private:
  class working;
  explicit issuer_service(std::unique_ptr<working> all);

  std::unique_ptr<working> working_;
};

/// Puts a backup of an issuer's journal in the place of a lost one, in an
/// issuer's folder that has its keys but no journal; as the folder's owner, who
/// need not be able to read the backup.  The issuer lets nobody in
/// until it was shown what it has signed since (ask_adoption); numbers of
/// allocations, lists and epochs go on above all that it could have given.
result<void> recover_issuer(const std::string& folder,
                            const std::string& backup, instant now);

} // namespace weft
