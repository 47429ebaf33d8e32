// Configurations on trial: what was applied is taken back unless somebody
// confirms it, over another connection than it came by.  Whoever has cut off
// his own way gets it back so.
#include "actors/overlay/overlay.hpp"
#include "messages/errors.hpp"

#include <cerrno>

namespace weft {

namespace {

constexpr std::chrono::seconds shortest_trial{1};
constexpr std::chrono::seconds longest_trial = std::chrono::hours{1};
/// To take it back, if something stands in the way.
constexpr std::chrono::seconds between_attempts{5};

} // namespace

/// The time runs from here on, before anything has changed.
caf::error overlay::begin_trial(std::chrono::seconds within) {
  if (trial_)
    return on_trial();
  if (within < shortest_trial || within > longest_trial)
    return make_error(EINVAL,
                      "a configuration can be on trial for 1 second to 1 hour",
                      "confirm_within");
  look_at_lock();
  trial_ = std::make_unique<trial>();
  trial_->within = within;
  trial_->until = loop().now() + within;
  trial_->ends = call_at(trial_->until, [this] { trial_ends(); });
  trial_->asked_by = caf::actor_cast<caf::actor_addr>(current_sender());
  trial_->had_lock = locks_;
  return {};
}

/// Why nothing else is changed.
caf::error overlay::on_trial() const {
  const auto left = std::chrono::ceil<std::chrono::seconds>(
    std::max(trial_->until - loop().now(), duration{0}));
  return make_error(EBUSY,
                    "a configuration is on trial: nothing else is changed or "
                    "saved until it is confirmed ('weft confirm') or taken "
                    "back, in "
                      + std::to_string(left.count()) + " s");
}

void overlay::trial_made(const caf::error& reason, config_changes& changes) {
  if (reason) {
    end_trial();
    return;
  }
  trial_->made = true;
  changes.notes.push_back(
    "on trial: 'weft confirm' keeps it, or else it is taken back after "
    + std::to_string(trial_->within.count()) + " s");
  if (trial_->taken_back) // once this change has been answered
    call_at(loop().now(), [this] { take_back(); });
}

void overlay::trial_ends() {
  trial_->taken_back = true;
  if (trial_->made)
    take_back();
}

void overlay::take_back() {
  options_.log->warn("the configuration is taken back: nobody confirmed it "
                     "within {} s",
                     trial_->within.count());
  waiting_change change;
  change.takes_back = true;
  change.changes.notes.emplace_back(
    "the configuration before is back: nobody confirmed the new one");
  change.whole = trial_->former;
  change.whole->control = options_.config.control;
  if (trial_->log_level_set)
    change.whole->log.level = options_.config.log.level;
  change.answer = [this](const caf::error& reason, const config_changes&) {
    if (!reason)
      end_trial();
    else if (error_code(reason) != ESHUTDOWN)
      trial_->ends
        = call_at(loop().now() + between_attempts, [this] { take_back(); });
  };
  enqueue_change(std::move(change));
}

void overlay::end_trial() {
  call_off(trial_->ends);
  const auto reload_after = trial_->reload_after;
  trial_.reset();
  renew_lock(); // on trial no more
  if (reload_after)
    caf::anon_send(caf::actor_cast<overlay_root_actor>(this),
                   reload_config{false, true});
}

caf::result<void> overlay::confirm() {
  if (!trial_)
    return make_error(EINVAL, "no configuration is on trial");
  if (trial_->taken_back)
    return make_error(EBUSY, "it is too late: the configuration is being taken "
                             "back");
  if (!trial_->made)
    return make_error(EBUSY, "the configuration is still being applied");
  if (trial_->asked_by == caf::actor_cast<caf::actor_addr>(current_sender()))
    return make_error(EINVAL, "the confirmation must come over another "
                              "connection than the configuration did: run "
                              "'weft confirm'");
  options_.log->info("the configuration stays: it was confirmed");
  end_trial();
  return caf::unit;
}

} // namespace weft
