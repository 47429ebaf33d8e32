#include "platform/store/etcd_watch.hpp"

#include <algorithm>

namespace weft::etcd {

namespace {

using std::chrono::milliseconds;

/// So often it looks whether heartbeats came, and for the caller's time.
constexpr milliseconds step{500};

} // namespace

watch::watch(std::shared_ptr<access> shared, std::string prefix,
             store_revision from)
  : client_(std::move(shared)),
    entries_(client_.shared()->settings.prefix + "e/"),
    prefix_(std::move(prefix)), next_(std::max<store_revision>(from, 1)) {
}

store_result<store_news> watch::wait(milliseconds patience) {
  const auto until = client_.now() + patience;
  store_news news;
  while (news.events.empty()) {
    if (auto gone_on = go_on(until, news); !gone_on)
      return tl::unexpected(std::move(gone_on.error()));
    if (client_.now() >= until)
      break;
  }
  if (news.events.empty() && !created_)
    return tl::unexpected(trouble_);
  news.through = next_ - 1;
  return news;
}

store_result<void> watch::go_on(time_point until, store_news& news) {
  if (history_lost_)
    return lost();
  if (!streaming_) {
    // From all that is below the prefix, heartbeats as well.
    const auto& prefix = client_.shared()->settings.prefix;
    auto end = end_of_prefix(prefix);
    if (end.empty())
      end = std::string(1, '\0'); // etcd's word for "to the last"
    auto begun = client_.begin_stream(
      "/v3/watch", to_json(watch_request{prefix, end, next_}), until);
    if (!begun)
      return begun;
    streaming_ = true;
    awaited_ = 0;
  }
  const auto wait = std::chrono::ceil<milliseconds>(until - client_.now());
  const auto state = client_.exchange().go_on(std::min(step, wait));
  if (state == http_exchange::progress::cancelled)
    return tl::unexpected(store_error{store_failure::cancelled,
                                      "The directory's store is being closed"});
  const bool ended = state == http_exchange::progress::ended;
  const bool cut_off = ended && client_.exchange().was_too_large();
  auto end = take_lines(ended && !cut_off, news);
  if (end == line_end::fine && cut_off)
    end = line_end::lost_history;
  switch (end) {
    case line_end::lost_history:
      history_lost_ = true;
      return news.events.empty() ? lost() : store_result<void>{};
    case line_end::failed:
      return leave(until);
    case line_end::fine:
      break;
  }
  if (ended) {
    trouble_.message = "etcd: the watch has ended: "
                       + (client_.exchange().problem().empty()
                            ? std::string{"the node has closed it"}
                            : client_.exchange().problem());
    return leave(until);
  }
  if (state == http_exchange::progress::waiting && is_deaf()) {
    trouble_.message = "etcd: a node tells nothing of what others wrote";
    return leave(until);
  }
  return {};
}

watch::line_end watch::take_lines(bool ended, store_news& news) {
  auto& received = client_.exchange().received();
  std::size_t taken = 0;
  auto end = line_end::fine;
  while (end == line_end::fine && taken < received.size()) {
    auto line_feed = received.find('\n', taken);
    if (line_feed == std::string::npos) {
      if (!ended)
        break;
      line_feed = received.size(); // an error's line has no end
    }
    end = take_line(std::string_view{received}.substr(taken, line_feed - taken),
                    news);
    taken = std::min(line_feed + 1, received.size());
  }
  received.erase(0, taken);
  return end;
}

watch::line_end watch::take_line(std::string_view line, store_news& news) {
  // It would be as large again from any node; a list comes in pages.
  if (line.size() > largest_answer)
    return line_end::lost_history;
  auto answer = parse_watch(line);
  if (!answer) {
    if (answer.error().code == status::out_of_range)
      return line_end::lost_history;
    if (wants_token(answer.error()))
      client_.drop_token();
    trouble_ = error_of(answer.error());
    return line_end::failed;
  }
  if (answer->cancelled) {
    if (answer->compacted != 0)
      return line_end::lost_history;
    const refusal refused{status::unavailable, answer->reason};
    if (wants_token(refused)
        || answer->reason.find("Unauthenticated") != std::string::npos)
      client_.drop_token();
    trouble_ = error_of(refused);
    return line_end::failed;
  }
  if (answer->created) {
    created_ = true;
    client_.succeeded();
  }
  take_events(std::move(answer->events), news);
  return line_end::fine;
}

void watch::take_events(std::vector<store_event> events, store_news& news) {
  const auto whole = entries_ + prefix_;
  for (auto& event : events) {
    if (event.at < next_)
      continue; // told before the stream was begun anew
    if (event.key.compare(0, whole.size(), whole) == 0) {
      event.key.erase(0, entries_.size());
      news.events.push_back(std::move(event));
    }
  }
  if (!events.empty())
    next_ = std::max(next_, events.back().at + 1);
}

bool watch::is_deaf() {
  const auto written = client_.shared()->heartbeat();
  if (awaited_ < next_)
    awaited_ = 0;
  if (awaited_ == 0 && written >= next_) {
    awaited_ = written;
    awaited_since_ = client_.now();
  }
  return awaited_ != 0 && client_.now() - awaited_since_ >= etcd_silence;
}

store_result<void> watch::leave(time_point until) {
  client_.exchange().give_up();
  streaming_ = false;
  created_ = false;
  return client_.try_another(until);
}

store_result<void> watch::lost() const {
  return tl::unexpected(store_error{store_failure::history_lost,
                                    "etcd has forgotten what was at revision "
                                      + std::to_string(next_)
                                      + ", or tells more of it than is read at "
                                        "once: list it anew"});
}

} // namespace weft::etcd
