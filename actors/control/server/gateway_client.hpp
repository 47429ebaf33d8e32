// One connection to the gateway, from its acceptance to its end: the TLS
// handshake if there is one, the hellos, and then frames.
#pragma once

#include "actors/control/server/places.hpp"
#include "actors/control/server/role_system.hpp"
#include "actors/control/wire/frame_relay.hpp"
#include "actors/control/wire/hello.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace weft {

class gateway_client final : private descriptor_handler {
public:
  /// What the gateway knows of whoever connects.
  struct arrival {
    std::string address;
    client_origin from{};
    /// Who it is; nothing: its certificate will tell.
    std::optional<control_caller> who{};
    /// Why it does not come in, if that is certain.
    std::string objection{};
  };

  /// What became of it.  The rest is there if it comes in.
  struct reception {
    server_hello reply;
    role_system::session session{};
    std::unique_ptr<frame_policy> policy{};
  };

  /// What the gateway does for it.
  class host {
  public:
    virtual io_loop& clients_loop() = 0;
    /// A client is about to work without a message.
    virtual void client_enters() = 0;
    /// Finds out who has a certificate, or what there is to object.
    virtual void identify(const tls_peer& peer, arrival& known) = 0;
    virtual reception
    receive(const gateway_client& client, const client_hello& said)
      = 0;
    /// The connection is over: the client is to be deleted.
    virtual void
    client_ended(std::uint64_t number, const std::string& why, relay_end how)
      = 0;
    /// Something has moved: next_check() may be earlier now.
    virtual void client_worked(const gateway_client& client) = 0;

  protected:
    ~host() = default;
  };

  /// The hello must be there by `deadline`.
  gateway_client(host& owner, std::uint64_t number, channel connection,
                 arrival known, time_point deadline, relay_times times);
  ~gateway_client();

  std::uint64_t number() const {
    return number_;
  }
  const arrival& known() const {
    return known_;
  }
  bool is_inside() const {
    return static_cast<bool>(session_.facade);
  }
  const role_system::session& session() const {
    return session_;
  }
  /// Its first message has come whole.
  bool has_spoken() const;
  /// A local program that has gone without a word: it wanted to know whether
  /// somebody listens, or which process (the kernel tells who is connected).
  bool has_only_looked() const {
    return has_gone_ && tls() == nullptr && heard_.empty();
  }
  /// It has proved whose certificate it has.
  bool is_proved() const {
    return tls() != nullptr && stage_ != stage::handshake;
  }
  /// Null for a plain socket.
  const tls_stream* tls() const {
    return frames_ ? frames_->remote().tls() : connection_->tls();
  }
  /// Nothing is on its way to it, and it waits for nothing.
  bool is_quiet() const;

  // After these, the client may be gone.

  /// Works as far as it goes.
  void proceed();
  /// Looks at the time.
  void check(time_point now);

  time_point next_check() const {
    return frames_ ? frames_->next_check() : deadline_;
  }
  void say_goodbye();

private:
  enum class stage : std::uint8_t { handshake, listening, answering };

  void ready(bool readable, bool writable) override;
  void failed() override;

  /// Each goes on with its stage, and returns whether it is complete.
  bool shake_hands();
  bool listen();
  bool answer();
  bool is_done(const channel_result& result);
  void read_hello();
  void begin_frames();
  void end(const std::string& why);

  host& owner_;
  std::uint64_t number_;
  arrival known_;
  time_point deadline_;
  relay_times times_;
  stage stage_ = stage::handshake;
  std::optional<channel> connection_; ///< until frames begin
  std::string heard_;                 ///< of the client's hello
  std::string answer_;                ///< what of it is not sent
  std::string refusal_;               ///< why it does not come in
  role_system::session session_;
  std::unique_ptr<frame_policy> policy_;
  std::unique_ptr<frame_relay> frames_;
  bool has_gone_ = false; ///< it closed the connection before it came in
  bool over_ = false;
};

} // namespace weft
