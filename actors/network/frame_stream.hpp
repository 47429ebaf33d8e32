// A connection on a loop that carries frames (protocol/network/members.hpp):
// TLS of a network, or a Unix socket.  Nothing blocks, and both directions are
// bounded: a frame before there is memory for it, and what waits to be sent by
// who looks at it.
#pragma once

#include "actors/loop/io_loop.hpp"
#include "platform/network_tls.hpp"
#include "protocol/network/members.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>

namespace weft {

class frame_stream final : private descriptor_handler {
public:
  /// What becomes of it is told on the loop, never within a call of the
  /// stream's.  Whoever is told may not delete the stream before the call
  /// returns.
  class owner {
  public:
    /// A stream is about to work without a message.
    virtual void stream_enters() = 0;
    /// It is connected, and with TLS each side knows the other.
    virtual void stream_stands(frame_stream& /*which*/) {
    }
    /// A frame came, without its length.
    virtual void stream_has(frame_stream& which, byte_vector frame) = 0;
    /// Some of what it was given was sent.
    virtual void stream_sent(frame_stream& /*which*/) {
    }
    /// It is over, of itself: a clause that completes "Connection lost: ".
    virtual void stream_ended(frame_stream& which, const std::string& why) = 0;

  protected:
    ~owner() = default;
  };

  /// TLS, whose handshake is to be done; or a socket, which may still be about
  /// to connect.
  using transport = std::variant<network_stream, file_descriptor>;

  /// A longer frame than `most_frame_bytes` ends it.
  frame_stream(io_loop& loop, owner& told, std::uint64_t number, transport over,
               std::size_t most_frame_bytes);
  frame_stream(const frame_stream&) = delete;
  frame_stream& operator=(const frame_stream&) = delete;
  ~frame_stream();

  /// Whose it is, to its owner.
  std::uint64_t number() const {
    return number_;
  }
  /// Null: it is a socket.
  const network_stream* tls() const {
    return std::get_if<network_stream>(&transport_);
  }
  bool stands() const {
    return stands_;
  }

  /// Frames that come from now on may be so long; before the first has come.
  void set_bound(std::size_t most_frame_bytes);

  /// To be sent after what was given before, with its length in front.
  void send(std::shared_ptr<const byte_vector> frame);
  void send(byte_vector frame) {
    send(std::make_shared<const byte_vector>(std::move(frame)));
  }
  std::size_t queued_bytes() const {
    return queued_bytes_;
  }
  /// Since when nothing could be sent of what waits; nothing: nothing waits.
  std::optional<time_point> stuck_since() const {
    return stuck_since_;
  }

  /// Says what was given to it, and then that nothing more comes.  It ends once
  /// the other side has ended, or after farewell: then stream_ended() comes.
  void finish();
  static constexpr std::chrono::seconds farewell{2};
  /// It is over now, and tells nothing any more.
  void drop();

private:
  enum class outcome : std::uint8_t { done, blocked, over };

  void ready(bool readable, bool writable) override;
  void failed() override;

  void work_soon();
  void work();
  bool begin();
  void send_queued();
  void say_goodbye();
  void receive();
  void take_frames();
  void watch();
  void end(const std::string& why);

  tls_result try_handshake();
  tls_result try_read(byte_span into);
  tls_result try_write(const_byte_span bytes);
  /// Notes what is waited for in `wants`; the stream may be over then.
  outcome judge(const tls_result& result, interest& wants);
  int descriptor() const;

  io_loop& loop_;
  owner& owner_;
  std::uint64_t number_;
  transport transport_;
  frame_reader reader_;
  std::deque<std::shared_ptr<const byte_vector>> queue_;
  std::size_t sent_of_first_ = 0;
  std::size_t queued_bytes_ = 0;
  std::optional<time_point> stuck_since_;
  deadline_id works_; ///< work() is due
  deadline_id leaves_;
  interest reads_ = interest::none;
  interest writes_ = interest::none;
  std::optional<interest> watched_;
  bool stands_ = false;
  bool finishing_ = false;
  bool said_all_ = false; ///< also that nothing more comes
  bool over_ = false;
};

} // namespace weft
