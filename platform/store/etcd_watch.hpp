// Follows a prefix in etcd through a stream, at another node when one fails.
// Private to platform/store/.
#pragma once

#include "platform/store/etcd_client.hpp"

#include <atomic>
#include <string>

namespace weft::etcd {

class watch final : public store_watch {
public:
  /// Tells of the entries that begin with `prefix`, which are etcd's keys after
  /// the settings' prefix and `e/`.
  watch(std::shared_ptr<access> shared, std::string prefix,
        store_revision from);

  store_result<store_news> wait(std::chrono::milliseconds patience) override;
  void cancel() override {
    client_.cancel();
  }

private:
  enum class line_end : std::uint8_t { fine, lost_history, failed };

  /// Connects, if need be; takes what comes meanwhile.
  store_result<void> go_on(time_point until, store_news& news);
  /// All whole lines that have arrived, and what is left once it has `ended`.
  line_end take_lines(bool ended, store_news& news);
  line_end take_line(std::string_view line, store_news& news);
  void take_events(std::vector<store_event> events, store_news& news);
  /// What etcd wrote last of ours did not come this way.
  bool is_deaf();
  /// Gives this node up.
  store_result<void> leave(time_point until);
  store_result<void> lost() const;

  client client_;
  std::string entries_; ///< the settings' prefix and `e/`
  std::string prefix_;  ///< of entries' keys
  store_revision next_; ///< from which on nothing was told yet
  bool streaming_ = false;
  bool created_ = false; ///< the node has said that it watches
  bool history_lost_ = false;
  store_revision awaited_ = 0; ///< the heartbeat that should come
  time_point awaited_since_{};
  store_error trouble_{store_failure::unavailable, ///< why it is not connected
                       "etcd has not answered the watch yet"};
};

} // namespace weft::etcd
