// The host's packet filter (nftables): tables of the family inet, each as a
// whole, and what others do to the filter.
#pragma once

#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"

#include <memory>
#include <string>
#include <vector>

struct nft_ctx;

namespace weft {

/// Speaks nft(8)'s language to the kernel of the network namespace that it was
/// opened in.  Changes need CAP_NET_ADMIN.  Errors are in nft's own words.
class firewall {
public:
  static result<firewall> open();

  /// Runs commands: all of them, or on failure none.
  result<void> run(const std::string& commands);
  /// The table as nft lists it; empty: there is none.
  result<std::string> table(const std::string& name);
  /// All of it, as `nft -j list ruleset` prints it.
  result<std::string> ruleset_as_json();
  /// Removing a table that is gone succeeds.
  result<void> remove(const std::string& table);

private:
  struct context_end {
    void operator()(nft_ctx* context) const;
  };
  firewall() = default;
  /// What `command` prints.
  result<std::string> ask(const std::string& command, const char* what);

  std::unique_ptr<nft_ctx, context_end> context_;
};

/// The names of all tables.  Faster by milliseconds than anything that needs
/// nft's language.  Needs CAP_NET_ADMIN.
result<std::vector<std::string>> firewall_tables();

struct firewall_change {
  std::string program;              ///< as ps(1) has it; empty: it is not known
  std::vector<std::string> removed; ///< tables
};

/// Tells that the filter was changed, and by whom.  Non-blocking.
class firewall_monitor {
public:
  static result<firewall_monitor> open();
  int descriptor() const {
    return fd_.get();
  }
  /// What was changed since the last call.
  std::vector<firewall_change> read();

private:
  firewall_monitor() = default;
  file_descriptor fd_;
  std::vector<std::string> removed_; ///< by the change that is being told
};

} // namespace weft
