#include "tools/weftd/unit_successor.hpp"

#include "platform/accounts.hpp"
#include "platform/clock.hpp"
#include "platform/epoll.hpp"
#include "platform/other_process.hpp"
#include "platform/service_manager.hpp"
#include "platform/stream.hpp"
#include "platform/unix_socket.hpp"
#include "tools/weft/successor.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

namespace weft {

namespace {

/// Who asks does so at once.
constexpr std::chrono::seconds patience_for_request{1};

bool asks_for_upgrade(int connection) {
  std::array<char, upgrade_request.size()> words{};
  if (!wait_readable(connection, boot_now() + patience_for_request))
    return false;
  const auto got = read_some(connection, words);
  return std::string_view{words.data(), got.bytes} == upgrade_request;
}

class unit_giver final : public place_giver {
public:
  unit_giver(unix_listener listener, poller events,
             std::vector<std::string> words)
    : listener_(std::move(listener)), events_(std::move(events)),
      words_(std::move(words)) {
  }

  int descriptor() const override {
    return events_.descriptor();
  }
  bool serve(const give_place& give, spdlog::logger& log) override;
  bool successor_has_ended() const override {
    return attempt_ && attempt_->successor.ends_by(boot_now());
  }

private:
  struct attempt {
    other_process successor;
    file_descriptor asker; ///< it ends when that one has gone
    /// Why the node was too busy when the successor asked; empty: it was not.
    std::string refusal;
  };

  /// What has become of the attempt.
  void look_after_attempt(spdlog::logger& log);
  void begin(file_descriptor asker, spdlog::logger& log);
  /// Ends the attempt; the node goes on.
  void give_up(std::string_view why, spdlog::logger& log);

  unix_listener listener_;
  poller events_;
  std::vector<std::string> words_;
  std::optional<attempt> attempt_;
};

bool unit_giver::serve(const give_place& give, spdlog::logger& log) {
  std::ignore = events_.wait(false);
  look_after_attempt(log);
  auto connection = listener_.accept();
  if (!connection)
    return false;
  const auto who = credentials_of(connection.get());
  if (!who)
    return false;
  if (attempt_ && who->process == attempt_->successor.number()) {
    const auto done = give(std::move(connection));
    if (done)
      tell_service_manager("MAINPID=" + std::to_string(who->process));
    else if (done.error().code == EBUSY) // it comes again for some seconds
      attempt_->refusal = done.error().message;
    else
      give_up(done.error().message, log);
    return done.has_value();
  }
  const bool may_ask = who->user == 0 || who->user == own_user();
  if (!may_ask || !asks_for_upgrade(connection.get()))
    return false;
  if (attempt_)
    std::ignore = write_some(connection.get(),
                             "another program is about to take its place");
  else
    begin(std::move(connection), log);
  return false;
}

void unit_giver::look_after_attempt(spdlog::logger& log) {
  if (!attempt_)
    return;
  if (attempt_->successor.ends_by(boot_now()))
    give_up(attempt_->refusal.empty() ? "the new program has ended"
                                      : attempt_->refusal,
            log);
  else if (wait_readable(attempt_->asker.get(), boot_now()))
    give_up("nobody waits for the new program any more", log);
}

void unit_giver::begin(file_descriptor asker, spdlog::logger& log) {
  auto started = other_process::start_sibling(words_, successor_variable);
  if (!started) {
    log.warn("nobody takes this node's place, and it goes on: {}",
             started.error().message);
    std::ignore = write_some(asker.get(), started.error().message);
    return;
  }
  log.info("process {} is to take this node's place", started->number());
  attempt_.emplace(attempt{std::move(*started), std::move(asker), {}});
  for (const int each :
       {attempt_->successor.descriptor(), attempt_->asker.get()})
    if (const auto done = events_.watch(each, interest::read, nullptr); !done)
      return give_up(done.error().message, log);
}

void unit_giver::give_up(std::string_view why, spdlog::logger& log) {
  log.warn("nobody takes this node's place, and it goes on: {}", why);
  events_.forget(attempt_->successor.descriptor());
  events_.forget(attempt_->asker.get());
  std::ignore = attempt_->successor.send_signal(SIGKILL);
  std::ignore = write_some(attempt_->asker.get(), why);
  attempt_.reset();
}

} // namespace

result<std::unique_ptr<place_giver>>
open_for_own_successor(const std::string& socket,
                       std::vector<std::string> words) {
  auto listener = unix_listener::open(socket, 0600);
  if (!listener)
    return tl::unexpected(listener.error());
  auto events = poller::open();
  if (!events)
    return tl::unexpected(events.error());
  if (const auto done
      = events->watch(listener->descriptor(), interest::read, nullptr);
      !done)
    return tl::unexpected(done.error());
  return std::make_unique<unit_giver>(std::move(*listener), std::move(*events),
                                      std::move(words));
}

} // namespace weft
