#include "actors/control/client/dialer.hpp"

#include "platform/connect.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <tuple>

namespace weft {

namespace {

/// Where nobody listens, or nobody is let in.
dial_failure explain_local(const std::string& path, int code) {
  if (code == ENOENT || code == ECONNREFUSED) {
    const auto name = std::filesystem::path{path}.stem().string();
    return {ENOTCONN, "No daemon listens at " + path
                        + ": is weftd running? (systemctl status weft@" + name
                        + ')'};
  }
  std::error_code hidden;
  std::ignore = std::filesystem::symlink_status(path, hidden);
  if (hidden == std::errc::permission_denied)
    return {
      EACCES,
      "You cannot get to " + path
        + ", for its folder does not let you in: run as root, or have root "
          "run: chmod 755 "
        + std::filesystem::path{path}.parent_path().string(),
      true};
  if (code == EACCES || code == EPERM)
    return {EACCES,
            "You may not use " + path
              + ": run as root, or as a member of the group that the daemon's "
                "configuration names",
            true};
  if (code == EAGAIN)
    return {ENOTCONN, "The daemon at " + path
                        + " takes no connections: too many others wait"};
  return {ENOTCONN, "Cannot connect to " + path + ": "
                      + std::system_category().message(code)};
}

dial_failure explain_remote(const std::string& name, int code) {
  auto reason
    = "Cannot connect to " + name + ": " + std::system_category().message(code);
  if (code == ECONNREFUSED)
    reason += ". Is weftd running there, and told to listen for remote "
              "control?";
  return {ENOTCONN, std::move(reason)};
}

} // namespace

std::string to_string(const control_target& where) {
  if (const auto* local = std::get_if<local_target>(&where))
    return local->path;
  const auto& remote = std::get<remote_target>(where);
  return to_string(endpoint_config{host_endpoint{remote.host, remote.port}});
}

dialer::dialer(io_loop& loop, control_target where, const tls_context* context,
               std::string node, owner told)
  : loop_(loop), where_(std::move(where)), name_(to_string(where_)),
    context_(context), node_(std::move(node)), owner_(std::move(told)) {
}

dialer::~dialer() {
  drop();
}

void dialer::drop() {
  if (socket_)
    loop_.forget(socket_.get());
  if (connection_)
    loop_.forget(connection_->descriptor());
  socket_.reset();
  connection_.reset();
}

void dialer::finish(outcome what) {
  if (std::exchange(over_, true))
    return;
  drop();
  const auto done = owner_.done; // survives this object
  done(std::move(what));
}

/// This address, or the socket, is not the one.
void dialer::fail(int code, std::string reason, bool is_final) {
  drop();
  if (addresses_.empty() || is_final)
    finish(tl::unexpected(dial_failure{code, std::move(reason), is_final}));
  else
    try_next(loop_.now());
}

void dialer::fail_to_connect(int code) {
  const auto* local = std::get_if<local_target>(&where_);
  auto failure
    = local ? explain_local(local->path, code) : explain_remote(name_, code);
  fail(failure.code, std::move(failure.reason), failure.is_final);
}

void dialer::start(std::vector<endpoint> addresses, time_point now,
                   time_point deadline) {
  addresses_.assign(addresses.begin(), addresses.end());
  deadline_ = deadline;
  try_next(now);
}

result<file_descriptor> dialer::connect() {
  if (const auto* local = std::get_if<local_target>(&where_))
    return start_connect_unix(local->path);
  const auto to = addresses_.front();
  addresses_.pop_front();
  return start_connect_tcp(to);
}

void dialer::try_next(time_point now) {
  // Each of those that are left has the same share of the time.
  const auto left = std::max<std::size_t>(addresses_.size(), 1);
  address_deadline_ = now + (deadline_ - now) / static_cast<std::int64_t>(left);
  stage_ = stage::connecting;
  question_ = to_bytes(client_hello{control_version, node_});
  answer_.clear();
  auto socket = connect();
  if (!socket) {
    fail_to_connect(socket.error().code);
    return;
  }
  socket_ = std::move(*socket);
  std::ignore = loop_.watch(socket_.get(), interest::write, this);
}

void dialer::check(time_point now) {
  if (now < address_deadline_)
    return;
  std::string what = "did not answer in time";
  if (stage_ == stage::connecting)
    what = "cannot be reached: it did not answer in time";
  fail(ETIMEDOUT, name_ + ' ' + what);
}

void dialer::ready(bool, bool) {
  owner_.entered();
  proceed();
}

void dialer::failed() {
  fail(EIO, "An unexpected failure while connecting to " + name_);
}

bool dialer::is_done(const channel_result& result) {
  switch (result.what) {
    case channel_result::status::done:
      return true;
    case channel_result::status::blocked:
      std::ignore = loop_.watch(connection_->descriptor(), result.wants, this);
      return false;
    case channel_result::status::closed:
      fail(ENOTCONN, "The daemon at " + name_ + " closed the connection");
      return false;
    case channel_result::status::failed:
      break;
  }
  const auto reason
    = "No secure connection to " + name_ + ": " + connection_->failure();
  if (connection_->was_refused())
    finish(tl::unexpected(dial_failure{EACCES, reason, false, true}));
  else
    fail(EACCES, reason);
  return false;
}

bool dialer::finish_connecting() {
  if (const auto code = connect_error(socket_.get()); code != 0) {
    fail_to_connect(code);
    return false;
  }
  loop_.forget(socket_.get());
  if (context_ == nullptr) {
    connection_.emplace(std::move(socket_));
    return true;
  }
  const auto& remote = std::get<remote_target>(where_);
  auto stream = context_->connect(std::move(socket_), remote.server_name.empty()
                                                        ? remote.host
                                                        : remote.server_name);
  if (!stream) {
    fail(EPROTO, stream.error().message, true);
    return false;
  }
  connection_.emplace(std::move(*stream));
  return true;
}

bool dialer::ask() {
  while (!question_.empty()) {
    const auto sent = connection_->write(question_);
    if (!is_done(sent))
      return false;
    question_.erase(0, sent.bytes);
  }
  return true;
}

bool dialer::listen() {
  std::array<char, server_hello::size> buffer{};
  while (answer_.size() < server_hello::size) {
    const auto got = connection_->read(
      std::span(buffer).first(server_hello::size - answer_.size()));
    if (!is_done(got))
      return false;
    answer_.append(buffer.data(), got.bytes);
  }
  return true;
}

void dialer::proceed() {
  if (stage_ == stage::connecting) {
    if (!finish_connecting())
      return;
    stage_ = stage::handshake;
  }
  if (stage_ == stage::handshake) {
    if (!is_done(connection_->handshake()))
      return;
    stage_ = stage::asking;
  }
  if (stage_ == stage::asking) {
    if (!ask())
      return;
    stage_ = stage::listening;
  }
  if (listen())
    read_hello();
}

void dialer::read_hello() {
  const auto said = parse_server_hello(answer_);
  if (!said) {
    fail(EPROTO, "What answers at " + name_ + " is no weft daemon", true);
  } else if (said->version != control_version) {
    fail(EPROTONOSUPPORT,
         "This program speaks control protocol "
           + std::to_string(control_version) + ", the daemon at " + name_
           + " speaks " + std::to_string(said->version)
           + ": use programs of one version",
         true);
  } else if (said->answer != admission::granted) {
    fail(said->code == 0 ? EACCES : said->code,
         "The daemon at " + name_ + " refused: " + said->text,
         said->answer == admission::refused);
  } else {
    loop_.forget(connection_->descriptor());
    success reached{std::move(*connection_), *said};
    connection_.reset();
    finish(std::move(reached));
  }
}

} // namespace weft
