// Reading the configuration file again.  That may take long, or for ever, so a
// thread does it: the overlay hears of the result, and answers everybody who
// asked before the reading began.
#include "actors/overlay/overlay.hpp"
#include "config/validate.hpp"
#include "messages/errors.hpp"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <sstream>
#include <system_error>

namespace weft {

namespace {

/// Whoever waits for a file that is still being read after this long is told
/// so.
constexpr std::chrono::seconds reading_patience{20};

/// Requests that may wait for one reading.
constexpr std::size_t most_reloads = 1024;

caf::error still_reading() {
  return make_error(EBUSY, "the configuration file is still being read, and "
                           "nothing was changed: does its file system answer?");
}

config_read read_and_check(const decltype(overlay_options::read_config)& read) {
  try {
    config_read result{read()};
    if (result.file) {
      if (auto mistake = validate(result.file->config))
        result.file = tl::unexpected{mistake->field + ": " + mistake->message};
    }
    return result;
  } catch (const std::exception& error) {
    return {tl::unexpected{std::string{"it cannot be read: "} + error.what()}};
  }
}

} // namespace

caf::result<config_changes> overlay::reload(const reload_config& asked) {
  using aim = reload_state::aim;
  if (!options_.read_config)
    return refused(make_error(
      ENOTSUP, "this overlay was not started from a file: send it the "
               "configuration itself (weft apply FILE)"));
  if (reload_.overdue)
    return still_reading();
  if (reload_.next.size() == most_reloads)
    return make_error(EBUSY, "too many wait for the configuration to be read");
  if (trial_ && !asked.dry_run) {
    trial_->reload_after = true;
    return refused(on_trial());
  }
  const auto wants = asked.dry_run      ? aim::dry_run
                     : asked.if_changed ? aim::if_changed
                                        : aim::always;
  reload_.wanted = std::max(reload_.wanted, wants);
  reload_.next_assured
    = reload_.next_assured || (asked.assured && !asked.dry_run);
  auto promise = make_response_promise<changes_promise>();
  if (promise.pending())
    reload_.next.push_back({asked.dry_run, answer_to(promise)});
  start_reload();
  return promise;
}

void overlay::start_reload() {
  using aim = reload_state::aim;
  if (reload_.wanted == aim::nothing || reload_.under_way)
    return;
  reload_.present_aim = std::exchange(reload_.wanted, aim::nothing);
  reload_.present_assured = std::exchange(reload_.next_assured, false);
  reload_.under_way = true;
  reload_.present = std::exchange(reload_.next, {});
  reload_.patience_ends // from before the file is asked for
    = call_at(loop().now() + reading_patience, [this] { config_is_overdue(); });
  const auto me = caf::actor_cast<overlay_root_actor>(this);
  try {
    threads_.run("weft-config", me, [read = options_.read_config] {
      return read_and_check(read);
    });
  } catch (const std::system_error& error) {
    send(me, config_read{tl::unexpected{
               std::string{"there is no thread to read it: "} + error.what()}});
  }
}

void overlay::config_is_overdue() {
  reload_.overdue = true;
  options_.log->error("the configuration stays as it was: its file is still "
                      "being read after {} s; does its file system answer?",
                      reading_patience.count());
  for (auto* asked : {&reload_.present, &reload_.next}) {
    for (auto& each : std::exchange(*asked, {}))
      each.answer(still_reading(), {});
  }
  reload_.wanted = reload_state::aim::nothing;
  reload_.next_assured = false;
}

void overlay::config_was_read(config_read& read) {
  call_off(reload_.patience_ends);
  if (std::exchange(reload_.overdue, false)) {
    // What was read may be old by now, and who only asked what would change has
    // had an answer.
    using aim = reload_state::aim;
    reload_.wanted = std::max(reload_.wanted, reload_.present_aim);
    if (reload_.wanted == aim::dry_run && reload_.next.empty())
      reload_.wanted = aim::nothing;
    options_.log->warn("the configuration file answers again{}",
                       reload_.wanted == aim::nothing ? ""
                                                      : ": it is read anew");
    finish_reload({}, {});
    return;
  }
  if (!read.file) {
    std::istringstream mistakes(read.file.error());
    for (std::string line; std::getline(mistakes, line);)
      options_.log->error("the configuration stays as it was: {}", line);
    finish_reload(make_error(EINVAL, read.file.error(), "file"), {});
    return;
  }
  auto& [config, digest] = *read.file;
  foresee_reload(config);
  const auto aim = reload_.present_aim;
  const bool is_known
    = !digest.empty()
      && (digest == options_.file_digest || digest == expected_digest_);
  if (aim == reload_state::aim::dry_run)
    return finish_reload({}, {});
  if (aim == reload_state::aim::if_changed && is_known) {
    options_.file_digest = digest; // if it is the announced one, the only one
    return finish_reload({}, {});
  }
  if (trial_)
    trial_->reload_after = true; // it is refused now
  auto change = change_to(config);
  change.answer = [this, read_digest = digest](const caf::error& reason,
                                               const config_changes& changes) {
    if (!reason) {
      options_.file_digest = read_digest;
      expected_digest_.clear();
    }
    finish_reload(reason, changes);
  };
  enqueue_change(std::move(change));
}

overlay::waiting_change overlay::change_to(const node_config& read) const {
  waiting_change change;
  auto& notes = change.changes.notes;
  if (read.control != options_.config.control)
    notes.emplace_back("control: stays as it is until weftd is restarted");
  if (read.reload != options_.config.reload)
    notes.emplace_back("reload: stays as it is until weftd is restarted");
  if (read.metrics != options_.config.metrics)
    notes.emplace_back("metrics: stay as they are until weftd is restarted");
  if (read.network != options_.config.network)
    notes.emplace_back("network: stays as it is until weftd is restarted");
  if (read.directory != options_.config.directory)
    notes.emplace_back("directory: stays as it is until weftd is restarted");
  change.whole = read;
  change.assured = reload_.present_assured;
  return change;
}

/// Answers those who only want to know what would change.
void overlay::foresee_reload(const node_config& read) {
  std::vector<change_answer> curious;
  std::erase_if(reload_.present, [&](auto& each) {
    if (each.dry_run)
      curious.push_back(std::move(each.answer));
    return each.dry_run;
  });
  if (curious.empty())
    return;
  auto change = change_to(read);
  change.dry_run = true;
  change.answer = [curious = std::move(curious)](
                    const caf::error& reason, const config_changes& changes) {
    for (const auto& answer : curious)
      answer(reason, changes);
  };
  enqueue_change(std::move(change));
}

void overlay::finish_reload(const caf::error& reason,
                            const config_changes& changes) {
  reload_.under_way = false;
  for (auto& each : std::exchange(reload_.present, {}))
    each.answer(reason, changes);
  start_reload();
}

} // namespace weft
