// Carries the bytes of a control connection between the other end of it and
// CAF's middleman, which has one end of a socket pair, and asks a policy about
// every frame.
#pragma once

#include "actors/control/relay_times.hpp"
#include "actors/control/wire/channel.hpp"
#include "actors/control/wire/frame_filter.hpp"
#include "actors/loop/io_loop.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace weft {

/// Bytes on their way in one direction.  First in it are those that may go on,
/// then those that the policy has not let through.
class relay_buffer {
public:
  static constexpr std::size_t capacity = std::size_t{64} << 10;

  relay_buffer();
  relay_buffer(relay_buffer&&) = delete;
  ~relay_buffer();

  std::span<char> room();
  void added(std::size_t count) {
    end_ += count;
  }
  /// What is to be checked, and what came of it.
  std::string_view waiting() const {
    return std::string_view(bytes_).substr(passed_, end_ - passed_);
  }
  void pass(std::size_t count) {
    passed_ += count;
  }
  void drop(std::size_t count);
  /// What is to be sent.
  std::string_view passed() const {
    return std::string_view(bytes_).substr(begin_, passed_ - begin_);
  }
  void sent(std::size_t count);
  /// Puts bytes behind the passed ones, if there is room.
  bool insert(std::string_view frame);

private:
  void wipe(std::size_t from, std::size_t to);
  void move_to_front();

  std::string bytes_; ///< zeros where nothing is: keys go through it
  std::size_t begin_ = 0;
  std::size_t passed_ = 0;
  std::size_t end_ = 0;
};

/// Why a connection is over.
enum class relay_end : std::uint8_t {
  closed,    ///< or broken
  silent,    ///< or stuck
  violation, ///< the policy said so
};

/// Lives on a loop, and is told by it.
class frame_relay {
public:
  /// Whoever owns it.
  struct owner {
    /// The connection is over.  It may delete the relay.
    std::function<void(const std::string& why, relay_end how)> ended;
    /// The relay is about to work without a message.
    std::function<void()> entered;
    /// Something has moved, so that next_check() may be earlier.
    std::function<void()> worked;
  };

  frame_relay(io_loop& loop, channel remote, file_descriptor local,
              std::unique_ptr<frame_policy> policy, relay_times times,
              owner told);
  frame_relay(const frame_relay&) = delete;
  frame_relay& operator=(const frame_relay&) = delete;
  ~frame_relay();

  /// Moves what can be moved.  False: it has ended, and may be gone.
  bool proceed();
  /// Looks at the time.  False: it has ended, and may be gone.
  bool check(time_point now);
  /// When to call check() at the latest.
  time_point next_check() const;

  const channel& remote() const {
    return remote_;
  }
  frame_policy& policy() const {
    return *policy_;
  }
  /// Everything that came from the middleman has gone out.
  bool is_drained() const;
  /// Ends the stream in good order.
  void say_goodbye() {
    remote_.end();
  }

private:
  struct side final : descriptor_handler {
    frame_relay* whole = nullptr;
    void ready(bool readable, bool writable) override;
    void failed() override;
  };

  bool receive(time_point now);
  bool receive_locally();
  bool send(time_point now);
  bool send_locally();
  bool decide(relay_buffer& buffer, const filter_result& result);
  void meet_obstacle(const channel_result& met, interest& wants);
  void note_reading(time_point now);
  void note_frames(time_point now, bool moved);
  void watch(bool again);
  void give_up(std::string why, relay_end how = relay_end::closed);
  void end();

  io_loop& loop_;
  channel remote_;
  file_descriptor local_;
  std::unique_ptr<frame_policy> policy_;
  relay_times times_;
  owner owner_;
  side remote_side_;
  side local_side_;

  relay_buffer incoming_;
  relay_buffer outgoing_;
  bool local_ended_ = false;
  bool held_ = false; ///< the next frame waits, by the policy's will
  interest read_wants_ = interest::read;
  interest write_wants_ = interest::none;
  std::optional<std::pair<std::string, relay_end>> ending_;

  time_point heard_{};   ///< when bytes came, or reading began again
  time_point spoken_{};  ///< when bytes went out
  time_point written_{}; ///< as above, or nothing was to be written
  time_point checked_{}; ///< when check() was called
  std::optional<time_point> not_reading_since_;

  struct unfinished_frame {
    std::uint64_t number = 0;
    time_point since{};
    std::size_t size = 0;
    time_point deadline(const relay_times& times) const;
  };
  std::optional<unfinished_frame> unfinished_; ///< that comes, and is awaited
};

} // namespace weft
