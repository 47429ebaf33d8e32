// Reading the configuration file again.  That may take long, or for ever, so a
// thread does it: the overlay hears of the result, and answers everybody who
// asked before the reading began.
#include "actors/overlay/overlay.hpp"
#include "config/validate.hpp"
#include "messages/errors.hpp"

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
    if (result.config) {
      if (auto mistake = validate(*result.config))
        result.config
          = tl::unexpected{mistake->field + ": " + mistake->message};
    }
    return result;
  } catch (const std::exception& error) {
    return {tl::unexpected{std::string{"it cannot be read: "} + error.what()}};
  }
}

} // namespace

caf::result<config_changes> overlay::reload() {
  if (!options_.read_config)
    return refused(make_error(
      ENOTSUP, "this overlay was not started from a file: send it the "
               "configuration itself (weft apply FILE)"));
  if (reload_.overdue)
    return still_reading();
  if (reload_.next.size() == most_reloads)
    return make_error(EBUSY, "too many wait for the configuration to be read");
  reload_.wanted = true;
  auto promise = make_response_promise<changes_promise>();
  if (promise.pending())
    reload_.next.push_back(answer_to(promise));
  start_reload();
  return promise;
}

void overlay::start_reload() {
  if (!reload_.wanted || reload_.under_way)
    return;
  reload_.wanted = false;
  reload_.under_way = true;
  reload_.present = std::exchange(reload_.next, {});
  const auto me = caf::actor_cast<overlay_root_actor>(this);
  try {
    threads_.run("weft-config", me, [read = options_.read_config] {
      return read_and_check(read);
    });
  } catch (const std::system_error& error) {
    send(me, config_read{tl::unexpected{
               std::string{"there is no thread to read it: "} + error.what()}});
  }
  reload_.patience_ends
    = call_at(loop().now() + reading_patience, [this] { config_is_overdue(); });
}

void overlay::config_is_overdue() {
  reload_.overdue = true;
  options_.log->error("the configuration stays as it was: its file is still "
                      "being read after {} s; does its file system answer?",
                      reading_patience.count());
  for (auto* asked : {&reload_.present, &reload_.next}) {
    for (auto& answer : std::exchange(*asked, {}))
      answer(still_reading(), {});
  }
  reload_.wanted = false;
}

void overlay::config_was_read(config_read& read) {
  call_off(reload_.patience_ends);
  if (std::exchange(reload_.overdue, false)) {
    // What was read may be old by now.
    options_.log->warn("the configuration file answers again: it is read anew");
    reload_.wanted = true;
    finish_reload({}, {});
    return;
  }
  if (!read.config) {
    std::istringstream mistakes(read.config.error());
    for (std::string line; std::getline(mistakes, line);)
      options_.log->error("the configuration stays as it was: {}", line);
    finish_reload(make_error(EINVAL, read.config.error(), "file"), {});
    return;
  }
  waiting_change change;
  auto& notes = change.changes.notes;
  if (read.config->control != options_.config.control)
    notes.emplace_back("control: stays as it is until weftd is restarted");
  if (read.config->reload != options_.config.reload)
    notes.emplace_back("reload: stays as it is until weftd is restarted");
  if (read.config->metrics != options_.config.metrics)
    notes.emplace_back("metrics: stay as they are until weftd is restarted");
  change.whole = std::move(*read.config);
  change.answer = [this](const caf::error& reason, config_changes changes) {
    finish_reload(reason, changes);
  };
  enqueue_change(std::move(change));
}

void overlay::finish_reload(const caf::error& reason,
                            const config_changes& changes) {
  reload_.under_way = false;
  for (auto& answer : std::exchange(reload_.present, {}))
    answer(reason, changes);
  start_reload();
}

} // namespace weft
