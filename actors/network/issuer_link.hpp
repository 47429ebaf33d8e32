// A directory's way to the issuer, a program on this machine: what was issued
// comes on one connection, questions of joining nodes and members go on others,
// several at once, so that the issuer can write their answers to its disk
// together.
#pragma once

#include "actors/loop/alarm.hpp"
#include "actors/network/frame_stream.hpp"
#include "platform/store/back_off.hpp"
#include "protocol/network/issuing.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft {

class issuer_link final : private frame_stream::owner {
public:
  /// Questions that are asked at once; others wait.
  static constexpr std::size_t most_asked = 32;
  static constexpr std::size_t most_waiting = 1024;
  /// How long the issuer may keep a question for items.
  static constexpr std::chrono::seconds items_patience{30};

  using answer = std::function<void(accepted<issuing_answer>)>;

  struct listener {
    /// The loop is about to work without a message.
    std::function<void()> enters;
    /// Whether the issuer is there, and what is in the way if it is not.
    std::function<void(bool, const std::string&)> there;
    /// It cannot go on.
    std::function<void()> failed;
    /// What ask_for_items() got; not if the issuer goes away meanwhile.
    std::function<void(const accepted<issued_items>&)> items;
  };

  /// Connects to the socket at `path`, and again whenever that is lost.
  issuer_link(io_loop& loop, std::string path,
              std::chrono::milliseconds patience, listener told);
  issuer_link(const issuer_link&) = delete;
  issuer_link& operator=(const issuer_link&) = delete;
  /// Whoever waits is told nothing any more.
  ~issuer_link();

  /// It has answered, which whoever is not let in never gets.
  bool is_there() const {
    return items_ != nullptr && answered_;
  }
  /// While it is there, one at a time.
  void ask_for_items(std::uint64_t after);
  /// `then` is called once, later: with the answer, or `unavailable`.
  void ask(const issuing_question& question, answer then);

private:
  struct asked {
    byte_vector question; ///< empty: it is on its way
    answer then;
    time_point until{};
  };
  /// Connections for questions: with what was asked, or idle.
  struct line {
    std::unique_ptr<frame_stream> stream;
    std::optional<asked> under_way;
  };

  void stream_enters() override {
    told_.enters();
  }
  void stream_has(frame_stream& which, byte_vector frame) override;
  void stream_ended(frame_stream& which, const std::string& why) override;

  void connect();
  void lose(const std::string& why);
  void take_items(const_byte_span frame);
  void take_answer(line& from, const_byte_span frame);
  void ask_next();
  line* find_line();
  result<std::unique_ptr<frame_stream>> open(std::uint64_t number);
  void check();
  static void give_up(const asked& what, const std::string& why);
  void bury(std::unique_ptr<frame_stream> stream);

  io_loop& loop_;
  std::string path_;
  std::chrono::milliseconds patience_;
  listener told_;
  back_off pauses_;
  std::unique_ptr<frame_stream> items_;   ///< null: there is no connection
  bool answered_ = false;                 ///< something, since it connected
  std::uint64_t asked_after_ = 0;         ///< the place asked for last
  std::optional<time_point> items_until_; ///< an answer is due
  std::map<std::uint64_t, line> lines_;
  std::uint64_t last_number_ = 0;
  std::deque<asked> waiting_;
  std::vector<std::unique_ptr<frame_stream>> buried_;
  std::optional<time_point> connects_at_;
  /// Why the issuer is not there.
  std::string trouble_ = "it has not answered yet";
  alarm_clock alarm_;
};

} // namespace weft
