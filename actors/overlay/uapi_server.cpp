#include "actors/overlay/uapi_server.hpp"

#include "messages/errors.hpp"
#include "platform/stream.hpp"
#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <cerrno>

namespace weft {

namespace {

/// Without an answer wg(8) would speak of an error of the protocol.
void tell_of_end(int client) {
  std::ignore = write_some(client, format_uapi_errno(ENODEV));
}

} // namespace

/// One client.  Its requests are answered one after the other.
class uapi_server::connection final : public descriptor_handler {
public:
  connection(uapi_server& server, std::uint64_t number, file_descriptor fd)
    : server_(server), number_(number), fd_(std::move(fd)) {
  }
  ~connection() {
    wipe_text(outgoing_); // it may hold keys
  }

  int descriptor() const {
    return fd_.get();
  }

  void ready(bool readable, bool) override {
    server_.enter_loop_context();
    if (readable)
      read();
    else
      proceed();
  }

  void failed() override {
    server_.close(number_); // ends this object
  }

  /// When it last did anything; nothing while the overlay is at it.
  std::optional<time_point> idle_since() const {
    return busy_ ? std::nullopt : std::optional{active_};
  }

  /// Sends an answer; the next request is looked at once it is out.
  void answer(std::string text) {
    busy_ = false;
    active_ = server_.loop().now();
    outgoing_ = std::move(text); // the one before is out
    proceed();
  }

  /// Its last answer, unless it still reads another one.
  void dismiss() {
    if (outgoing_.empty())
      tell_of_end(fd_.get());
  }

private:
  void read() {
    std::string buffer(16384, '\0');
    const text_wiper wipe_keys(buffer);
    const auto got = read_some(fd_.get(), buffer);
    if (got.what == stream_result::status::closed)
      ended_ = true;
    else if (!failed_ && !reader_.add({buffer.data(), got.bytes}))
      fail(E2BIG);
    if (got.bytes > 0)
      active_ = server_.loop().now();
    proceed();
  }

  void proceed() {
    auto alive = write();
    while (alive && !busy_ && !failed_ && outgoing_.empty()) {
      auto request = reader_.next();
      if (!request && ended_)
        request = reader_.last();
      if (!request)
        break;
      if (*request) {
        busy_ = true;
        server_.handle(number_, **request);
      } else {
        outgoing_ += format_uapi_errno(request->error().code);
        alive = write();
      }
    }
    const auto done = !busy_ && outgoing_.empty() && (ended_ || failed_);
    if (!alive || done)
      server_.close(number_); // ends this object
    else
      watch();
  }

  void fail(int code) {
    failed_ = true;
    outgoing_ += format_uapi_errno(code);
  }

  bool write() {
    while (sent_ < outgoing_.size()) {
      const auto done
        = write_some(fd_.get(), std::string_view{outgoing_}.substr(sent_));
      if (done.what == stream_result::status::closed)
        return false;
      if (done.what == stream_result::status::would_block)
        return true;
      sent_ += done.bytes;
      active_ = server_.loop().now();
    }
    wipe_text(outgoing_);
    outgoing_.clear();
    sent_ = 0;
    return true;
  }

  void watch() {
    auto wanted = interest::none;
    if (!outgoing_.empty())
      wanted = interest::write;
    else if (!busy_ && !ended_ && !failed_)
      wanted = interest::read;
    std::ignore = server_.loop().watch(fd_.get(), wanted, this);
  }

  uapi_server& server_;
  std::uint64_t number_;
  file_descriptor fd_;
  uapi_reader reader_;
  std::string outgoing_;
  std::size_t sent_ = 0;
  time_point active_ = server_.loop().now();
  bool busy_ = false;   ///< a request is being carried out
  bool ended_ = false;  ///< the client sends nothing more
  bool failed_ = false; ///< it spoke another protocol
};

uapi_server::uapi_server(caf::actor_config& config, io_loop_ptr loop,
                         unix_listener listener, overlay_root_actor overlay)
  : hosted(config, std::move(loop)), listener_(std::move(listener)),
    overlay_(std::move(overlay)) {
}

uapi_server::~uapi_server() = default;

uapi_server::behavior_type uapi_server::make_behavior() {
  std::ignore = loop().watch(listener_->descriptor(), interest::read, this);
  return {
    [this](const shut_down&) { quit(); },
  };
}

void uapi_server::on_exit() {
  loop().forget(listener_->descriptor());
  while (const auto late = listener_->accept())
    tell_of_end(late.get());
  listener_.reset();
  for (auto& [number, client] : connections_) {
    loop().forget(client->descriptor());
    client->dismiss();
  }
  connections_.clear();
  overlay_ = nullptr;
}

void uapi_server::ready(bool, bool) {
  enter_loop_context();
  while (auto fd = listener_->accept()) {
    if (connections_.size() == max_connections && !make_room())
      continue; // closes it
    const auto number = ++last_number_;
    auto& client = connections_[number];
    client = std::make_unique<connection>(*this, number, std::move(fd));
    std::ignore
      = loop().watch(client->descriptor(), interest::read, client.get());
  }
}

/// False if the overlay is at the requests of all of them.
bool uapi_server::make_room() {
  const auto idlest
    = std::min_element(connections_.begin(), connections_.end(),
                       [](const auto& left, const auto& right) {
                         const auto a = left.second->idle_since();
                         const auto b = right.second->idle_since();
                         return a && (!b || *a < *b);
                       });
  if (idlest == connections_.end() || !idlest->second->idle_since())
    return false;
  close(idlest->first);
  return true;
}

void uapi_server::handle(std::uint64_t number, const uapi_request& asked) {
  auto failed = [this, number](const caf::error& reason) {
    answer(number, format_uapi_errno(error_code(reason)));
  };
  if (std::holds_alternative<uapi_get>(asked)) {
    request(overlay_, caf::infinite, report_request{true})
      .then(
        [this, number](const device_status& status) {
          answer(number, format_uapi_status(status));
        },
        failed);
  } else {
    request(overlay_, caf::infinite, std::get<device_update>(asked))
      .then([this, number] { answer(number, format_uapi_errno(0)); }, failed);
  }
}

void uapi_server::answer(std::uint64_t number, std::string text) {
  if (const auto found = connections_.find(number); found != connections_.end())
    found->second->answer(std::move(text));
  else
    wipe_text(text);
}

void uapi_server::close(std::uint64_t number) {
  if (const auto found = connections_.find(number);
      found != connections_.end()) {
    loop().forget(found->second->descriptor());
    connections_.erase(found);
  }
}

} // namespace weft
