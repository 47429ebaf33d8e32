#include "actors/network/directory_keeper.hpp"

#include <algorithm>
#include <utility>

namespace weft {

namespace {

/// One that ran for so long and then failed is started soon.
constexpr std::chrono::minutes of_use{10};
constexpr std::chrono::seconds first_rest{1};

using start_atom = caf::atom_constant<caf::atom("start")>;

/// Lives on CAF's own scheduler: it does nothing but wait.
using keeper_actor = directory_keeper::extend<caf::reacts_to<start_atom>>;

using keeper_base = keeper_actor::base;

class keeper final : public keeper_base {
public:
  keeper(caf::actor_config& config, directory_options options,
         directory_actor first,
         std::function<void(const directory_actor&)> told)
    : keeper_base(config), options_(std::move(options)), told_(std::move(told)),
      directory_(std::move(first)) {
  }

  behavior_type make_behavior() override {
    set_down_handler([this](const caf::down_msg& which) { ended(which); });
    if (options_.overlay)
      monitor(options_.overlay);
    keep();
    return {
      [this](const shut_down&) {
        if (directory_)
          send(directory_, shut_down{});
        else
          quit(caf::exit_reason::user_shutdown);
      },
      [this](start_atom) { start(); },
    };
  }

  void on_exit() override {
    directory_ = nullptr;
    options_.overlay = nullptr;
  }

private:
  void keep() {
    started_at_ = options_.sources.clock->now();
    monitor(directory_);
    if (told_)
      told_(directory_);
  }

  void ended(const caf::down_msg& which) {
    const bool is_directory
      = directory_ && which.source == directory_.address();
    if (!is_directory || which.reason == caf::exit_reason::user_shutdown) {
      quit(caf::exit_reason::user_shutdown);
      return;
    }
    directory_ = nullptr;
    if (options_.sources.clock->now() >= started_at_ + of_use)
      rest_ = first_rest;
    rest("it has failed: " + to_string(which.reason));
  }

  void rest(const std::string& why) {
    options_.log->critical(
      "directory: {}: it is started anew in {} s; tunnels stay as they are",
      why, rest_.count());
    delayed_send(this, rest_, start_atom::value);
    rest_ = std::min(2 * rest_, longest_directory_rest);
  }

  void start() {
    if (directory_)
      return;
    auto started = start_directory(system(), options_);
    if (!started) {
      rest("it cannot be started: " + started.error().message);
      return;
    }
    directory_ = std::move(*started);
    keep();
  }

  directory_options options_;
  std::function<void(const directory_actor&)> told_;
  directory_actor directory_; ///< null: it rests
  time_point started_at_{};
  std::chrono::seconds rest_{first_rest};
};

} // namespace

result<directory_keeper>
keep_directory(caf::actor_system& system, directory_options options,
               std::function<void(const directory_actor&)> told) {
  if (!options.log)
    options.log = std::make_shared<spdlog::logger>("weft");
  auto first = start_directory(system, options);
  if (!first)
    return tl::unexpected(std::move(first.error()));
  return caf::actor_cast<directory_keeper>(system.spawn<keeper>(
    std::move(options), std::move(*first), std::move(told)));
}

} // namespace weft
