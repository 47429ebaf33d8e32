// What goes through between a client of remote control and CAF's middleman,
// which believes everything.  A client gets to send weft's requests to its own
// facade and to answer the batches of events that it asked for.
//
// No input and output here: bytes that wait are shown, and the result says
// how many of the first of them may go on.  A frame's payload is not kept;
// what has to be looked at before the first byte of it goes on is 1 KiB.
#pragma once

#include "actors/control/server/client_account.hpp"
#include "actors/control/wire/frames.hpp"
#include "protocol/base/control_role.hpp"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

/// What may be done with the bytes that wait: `pass` of them go on, then
/// `drop` of them are thrown away.  Neither: there must be more of them.
struct filter_result {
  std::size_t pass = 0;
  std::size_t drop = 0;
  /// The next frame waits: until answers have gone the other way, or until
  /// frame_policy::resumes_at().
  bool held = false;
  /// Why the connection must end; empty: it need not.
  std::string violation;
};

/// Decides on both directions of a connection.
class frame_policy {
public:
  virtual ~frame_policy() = default;
  virtual filter_result from_remote(std::string_view waiting) = 0;
  virtual filter_result to_remote(std::string_view waiting) = 0;
  /// What time it is for the results that follow.
  virtual void set_time(time_point) {
  }
  /// When a frame that is held for its time's sake may go on.
  virtual std::optional<time_point> resumes_at() const {
    return std::nullopt;
  }

  /// How far the other end is with its frames.
  struct progress {
    std::uint64_t complete = 0;
    std::size_t size = 0; ///< of the one that has begun, if it is known
  };
  /// Nothing: it may take its time for each.
  virtual std::optional<progress> heard() const {
    return std::nullopt;
  }
  /// Whether all frames that to_remote() let through are complete: another
  /// one may follow them.
  virtual bool between_frames() const = 0;
};

/// Steps over frames: the shape that both directions of all policies share.
class frame_walker {
public:
  /// What to do with one frame, seen from its beginning.
  struct decision {
    enum class kind : std::uint8_t { pass, drop, hold, more, violation };
    kind what = kind::violation;
    std::string why;
  };

  /// Calls `check(header, payload so far)` for each frame that begins.
  template <class Check>
  filter_result walk(std::string_view waiting, Check check);

  bool between_frames() const {
    return rest_ == 0;
  }
  frame_policy::progress so_far() const {
    return {complete_, rest_ == 0 ? 0 : size_};
  }

private:
  std::uint64_t complete_ = 0;
  std::size_t size_ = 0; ///< of the frame that is on its way
  std::size_t rest_ = 0; ///< of it
};

/// The server's side.
class frame_filter final : public frame_policy {
public:
  struct settings {
    control_role role = control_role::view;
    std::uint64_t facade = 0; ///< the one actor that takes requests
    std::string node;         ///< the server's node id, as it is serialized
    /// What the client's requests are taken from; null: there is no limit.
    std::shared_ptr<client_account> account{};
  };

  /// Requests that may wait for their answers, and those of them whose answers
  /// are large.
  static constexpr std::size_t most_requests = 32;
  static constexpr std::size_t most_large_answers = 4;
  /// Actors that a client shows and that have not ended, and the other way
  /// round those of the server's that the client does not watch.
  static constexpr std::size_t most_actors = 256;
  static constexpr std::size_t most_batches = 4096;
  /// Payloads: of a viewer's requests, of what ends an actor, and of answers.
  static constexpr std::size_t most_from_viewer = std::size_t{64} << 10;
  static constexpr std::size_t most_down = 4096;
  static constexpr std::size_t most_answer = 1024;
  /// More than a request's content: its types' name and the like.
  static constexpr std::size_t message_overhead = 1024;

  explicit frame_filter(settings given);

  filter_result from_remote(std::string_view waiting) override;
  filter_result to_remote(std::string_view waiting) override;
  bool between_frames() const override {
    return to_client_.between_frames();
  }
  void set_time(time_point now) override {
    now_ = now;
  }
  std::optional<time_point> resumes_at() const override {
    return resumes_at_;
  }
  std::optional<progress> heard() const override {
    return to_server_.so_far();
  }
  /// Requests whose answers have not gone out.
  std::size_t outstanding() const {
    return requests_.size();
  }

private:
  using decision = frame_walker::decision;
  /// An actor, and a number of a request of its.
  using request_key = std::pair<std::uint64_t, std::uint64_t>;

  decision check(const basp::header& head, std::string_view payload);
  decision check_handshake(const basp::header& head, std::string_view payload);
  decision check_monitor(const basp::header& head, std::string_view payload);
  decision check_down(const basp::header& head, std::string_view payload);
  decision check_request(const basp::header& head, std::string_view payload);
  decision check_subscriber(const basp::header& head, std::string_view payload,
                            std::size_t offset);
  decision check_answer(const basp::header& head, std::string_view payload);
  decision check_server(const basp::header& head);

  settings settings_;
  frame_walker to_server_;
  frame_walker to_client_;
  std::string client_; ///< its node id; empty: it has not said it
  bool selected_ = false;
  time_point now_{};
  std::optional<time_point> resumes_at_;

  std::map<request_key, bool> requests_; ///< true: with a large answer
  std::size_t large_answers_ = 0;
  std::set<request_key> batches_;               ///< of events, to be answered
  std::set<std::uint64_t> client_actors_;       ///< shown to the server
  std::map<std::uint64_t, bool> server_actors_; ///< true: it is watched
};

/// The client's side: a server that was let in may still not reach the
/// client's own named actors, nor make it allocate without bound.
class server_guard final : public frame_policy {
public:
  filter_result from_remote(std::string_view waiting) override;
  filter_result to_remote(std::string_view waiting) override;
  bool between_frames() const override {
    return to_server_.between_frames();
  }

private:
  frame_walker from_server_;
  frame_walker to_server_;
  bool handshake_seen_ = false;
};

} // namespace weft
