// A member's session with directories that a test plays.
#pragma once

#include "protocol/network/member_session.hpp"
#include "tests/protocol/network_world.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>

namespace weft::test {

/// A session, and what it did.
struct session_world {
  deterministic_random random;
  time_point now{std::chrono::hours(1)};
  member_session session;
  std::vector<member_session::step> steps;
  std::vector<member_message> said;
  member_session::attempt attempt = 0;
  /// The directories that a place leads to, if not to one of its own.
  std::map<std::string, std::vector<std::string>> places;
  std::string at; ///< the directory that was met last

  explicit session_world(std::size_t directories = 2,
                         const std::vector<network_item>& told = {})
    : session(some_member(1).id, addresses(directories), random, told) {
    session.on_time(now);
    collect();
  }
  static std::vector<directory_address> addresses(std::size_t count) {
    std::vector<directory_address> result;
    for (std::size_t i = 0; i < count; ++i)
      result.push_back({"d" + std::to_string(i), 1});
    return result;
  }

  void collect() {
    for (auto& each : session.take_steps()) {
      if (const auto* dial = std::get_if<member_session::dial_directory>(&each))
        attempt = dial->number;
      if (const auto* sent = std::get_if<member_session::send_frame>(&each))
        said.push_back(
          read_member_message(const_byte_span(sent->frame).subspan(4))
            .value()
            .value());
      steps.push_back(std::move(each));
    }
  }
  void hear(const directory_message& message) {
    session.received(attempt, encode_frame(message), now);
    collect();
  }
  static verifying_key key_of(std::string_view directory) {
    return {sha256({bytes_of(directory)})};
  }
  /// With the first one at the dialled place that is not passed over.
  void connect() {
    const auto place = last<member_session::dial_directory>().where.host;
    const auto found = places.find(place);
    const auto there
      = found == places.end() ? std::vector{place} : found->second;
    const bool is_met
      = std::any_of(there.begin(), there.end(), [&](const auto& each) {
          at = each;
          return !session.meet(attempt, key_of(each), there.size());
        });
    if (!is_met)
      return lose();
    session.connected(attempt, now);
    collect();
  }
  void welcome(const byte_vector& last_record = {}, bool cut_off = false) {
    connect();
    hear(
      directory_welcome{members_version, {}, 1, false, last_record, cut_off});
  }
  /// A page that ends a comparison.
  void show(std::vector<network_item> items) {
    items_page page{{}, std::move(items), true, 2};
    page.buckets.set();
    hear(page);
  }
  void open() {
    welcome();
    show({});
  }
  void pass(duration span) {
    const auto end = now + span;
    while (session.next_time() <= end) {
      now = std::max(now + std::chrono::milliseconds(1), session.next_time());
      session.on_time(now);
      collect();
    }
    now = std::max(now, end);
  }
  void lose() {
    session.lost(attempt, "the way is broken", now);
    collect();
  }

  template <class Step>
  std::size_t count() const {
    return static_cast<std::size_t>(
      std::count_if(steps.begin(), steps.end(), [](const auto& each) {
        return std::holds_alternative<Step>(each);
      }));
  }
  template <class Step>
  const Step& last() const {
    const auto found
      = std::find_if(steps.rbegin(), steps.rend(), [](const auto& each) {
          return std::holds_alternative<Step>(each);
        });
    if (found == steps.rend())
      throw std::logic_error("no such step");
    return std::get<Step>(*found);
  }
  template <class Message>
  std::vector<Message> all_said() const {
    std::vector<Message> found;
    for (const auto& each : said) {
      if (const auto* message = std::get_if<Message>(&each))
        found.push_back(*message);
    }
    return found;
  }
};

} // namespace weft::test
