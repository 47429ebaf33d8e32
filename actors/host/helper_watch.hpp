// What `weft host` has set of the host for a node, which the node itself can
// only look at: whether it is still so, and when to ask for it again.
#pragma once

#include "config/device_status.hpp"
#include "protocol/base/time.hpp"

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace weft {

/// What of it is missing.
struct helper_loss {
  std::vector<std::string> servers; ///< of `interface.dns`
  /// Strict links that do not look at marks, or all that are strict, where
  /// `links_seen` is false: then nobody here sees whether they do.
  std::vector<std::string> links;
  bool links_seen = true;
};

/// The servers of `interface.dns`, and whether this host asks them; none where
/// it is not known whom it asks.
std::vector<host_item> compare_dns(const std::vector<std::string>& wanted);

/// As this host is now.  `marks_links`: all of IPv4 is led into `interface`.
helper_loss find_loss(const std::vector<std::string>& dns, bool marks_links,
                      const std::string& interface);

/// Asks as often as others take it away, but `repair_limits::most_repairs`
/// times at most until there was peace for a while.
class helper_watch {
public:
  /// It is set once a node has begun to work: what was never seen may be on its
  /// way for this long.
  static constexpr duration on_its_way = std::chrono::seconds{10};
  /// So long what was asked for may take.
  static constexpr duration patience = std::chrono::seconds{3};

  /// `ask`: see overlay_options::ask_helper.
  helper_watch(std::string interface, std::function<void()> ask)
    : interface_(std::move(interface)), ask_(std::move(ask)) {
  }
  /// Links that have their mark set at the start, which may not be seen here.
  void expect_marked(const std::vector<std::string>& links) {
    marked_unseen_.insert(links.begin(), links.end());
  }
  bool has_helper() const {
    return ask_ != nullptr;
  }

  struct outcome {
    std::vector<std::string> troubles;  ///< a sentence for each
    std::optional<std::string> is_back; ///< all of it
  };
  /// `by_order`: as if nothing had ever been asked.
  outcome look(helper_loss loss, time_point now, bool by_order);

private:
  bool ask(time_point now, bool by_order);
  std::vector<std::string>
  sentences(const helper_loss& loss, const std::string& remedy) const;

  std::string interface_;
  std::function<void()> ask_;
  /// Links that are taken to be marked where that is not seen, or were told.
  std::set<std::string> marked_unseen_;
  bool had_all_ = false;
  std::optional<time_point> lost_since_;
  std::optional<time_point> asked_;
  unsigned times_asked_ = 0;
  std::vector<std::string> told_;
};

} // namespace weft
