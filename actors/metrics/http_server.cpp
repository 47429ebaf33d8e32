#include "actors/metrics/http_server.hpp"

#include "actors/metrics/microhttpd.hpp"

#include <cerrno>
#include <vector>

namespace weft {

namespace {

/// For the lines of a request, and for what is on its way in either direction.
constexpr std::size_t memory_of_connection = std::size_t{16} << 10;

bool queue(MHD_Connection* connection, const http_answer& what,
           std::string_view allowed = {}) {
  // The library copies it: it may be sent long after the answer is gone.
  auto* response = microhttpd().create_response_from_buffer(
    what.body.size(), const_cast<char*>(what.body.data()),
    MHD_RESPMEM_MUST_COPY);
  if (response == nullptr)
    return false;
  microhttpd().add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                   what.content_type.c_str());
  microhttpd().add_response_header(response, MHD_HTTP_HEADER_CONNECTION,
                                   "close");
  if (!allowed.empty())
    microhttpd().add_response_header(response, MHD_HTTP_HEADER_ALLOW,
                                     std::string{allowed}.c_str());
  const auto done
    = microhttpd().queue_response(connection, what.status, response);
  microhttpd().destroy_response(response);
  return done == MHD_YES;
}

} // namespace

/// The library is C: it gets functions, and a pointer to the server.
struct http_server::library {
  static http_server& server(void* self) {
    return *static_cast<http_server*>(self);
  }

  static MHD_Result
  requested(void* self, MHD_Connection* connection, const char* path,
            const char* method, const char* /*version*/, const char* /*data*/,
            std::size_t* /*size*/, void** /*state*/) {
    return server(self).respond(connection, method, path) ? MHD_YES : MHD_NO;
  }

  static void changed(void* self, MHD_Connection* connection, void** /*state*/,
                      MHD_ConnectionNotificationCode what) {
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
      server(self).came(connection);
    else
      server(self).clients_.erase(connection);
  }
};

http_server::http_server(io_loop& loop, std::string path, owner told,
                         limits bounds)
  : loop_(loop), path_(std::move(path)), owner_(std::move(told)),
    limits_(bounds), alarm_(loop, [this] { cut_off_slow(); }) {
}

result<std::unique_ptr<http_server>>
http_server::start(io_loop& loop, std::string path, owner told, limits bounds) {
  std::unique_ptr<http_server> made(
    new http_server(loop, std::move(path), std::move(told), bounds));
  constexpr unsigned flags
    = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME;
  made->daemon_ = microhttpd().start_daemon(
    flags, 0, nullptr, nullptr, &library::requested, made.get(),
    MHD_OPTION_CONNECTION_LIMIT, static_cast<unsigned>(bounds.clients),
    MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory_of_connection,
    MHD_OPTION_NOTIFY_CONNECTION, &library::changed, made.get(),
    MHD_OPTION_END);
  if (made->daemon_ == nullptr)
    return tl::unexpected(make_system_error(errno, "Cannot serve metrics"));
  const auto* set
    = microhttpd().get_daemon_info(made->daemon_, MHD_DAEMON_INFO_EPOLL_FD);
  made->descriptor_ = set->epoll_fd;
  if (auto done = loop.watch(made->descriptor_, interest::read, made.get());
      !done)
    return tl::unexpected(done.error());
  return made;
}

http_server::~http_server() {
  alarm_.stop();
  if (daemon_ == nullptr)
    return;
  loop_.forget(descriptor_);
  // The library wants nobody to be suspended any more.
  for (auto& [connection, one] : clients_) {
    if (one.at == stage::waits)
      microhttpd().resume_connection(connection);
  }
  microhttpd().stop_daemon(daemon_);
}

// -- connections -------------------------------------------------------------

const http_server::client* http_server::find_hesitant() const {
  const auto now = loop_.now();
  const client* oldest = nullptr;
  for (const auto& [connection, one] : clients_) {
    if (one.at == stage::asks && now - one.since >= limits_.hesitation
        && (oldest == nullptr || one.since < oldest->since))
      oldest = &one;
  }
  return oldest;
}

void http_server::add(file_descriptor connection) {
  sockaddr_storage from{};
  socklen_t size = sizeof(from);
  auto* address = reinterpret_cast<sockaddr*>(&from);
  if (::getpeername(connection.get(), address, &size) != 0)
    return;
  if (const auto* hesitant = find_hesitant();
      hesitant != nullptr && clients_.size() >= limits_.clients) {
    ::shutdown(hesitant->descriptor, SHUT_RDWR); // the library notices
    run();
  }
  // The library closes it, also if it does not take it.
  microhttpd().add_connection(daemon_, connection.release(), address, size);
  run();
}

void http_server::came(MHD_Connection* connection) {
  const auto* info = microhttpd().get_connection_info(
    connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  auto& added = clients_[connection];
  added.descriptor = info->connect_fd;
  added.since = loop_.now();
  added.until = added.since + limits_.patience;
  alarm_.set(added.until);
}

/// Called when a request's head is there, and again once it is resumed.
bool http_server::respond(MHD_Connection* connection, std::string_view method,
                          std::string_view path) {
  auto& one = clients_.at(connection);
  if (one.answer)
    return queue(connection, *one.answer);
  if (path != path_)
    return queue(connection, {MHD_HTTP_NOT_FOUND, "text/plain; charset=utf-8",
                              "There is " + path_ + " alone.\n"});
  if (method != MHD_HTTP_METHOD_GET && method != MHD_HTTP_METHOD_HEAD)
    return queue(connection,
                 {MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain; charset=utf-8",
                  "It can be read, and that is all.\n"},
                 "GET, HEAD");
  one.at = stage::waits;
  microhttpd().suspend_connection(connection);
  owner_.asked();
  return true;
}

void http_server::answer(http_answer what) {
  const auto shared = std::make_shared<const http_answer>(std::move(what));
  const auto until = loop_.now() + limits_.patience;
  for (auto& [connection, one] : clients_) {
    if (one.at != stage::waits)
      continue;
    one.at = stage::is_answered;
    one.answer = shared;
    one.until = until;
    microhttpd().resume_connection(connection);
  }
  alarm_.set(until);
  run();
}

void http_server::cut_off_slow() {
  const auto now = loop_.now();
  for (auto& [connection, one] : clients_) {
    if (one.at == stage::waits)
      continue;
    if (one.until <= now)
      ::shutdown(one.descriptor, SHUT_RDWR); // the library notices
    else
      alarm_.set(one.until);
  }
  run();
}

// -- the library -------------------------------------------------------------

void http_server::ready(bool, bool) {
  run();
}

void http_server::run() {
  // It keeps in mind what it has not finished, and its descriptor does not
  // show that.
  constexpr int most_at_a_time = 64;
  for (int i = 0; i < most_at_a_time; ++i) {
    microhttpd().run(daemon_);
    MHD_UNSIGNED_LONG_LONG rest = 0;
    if (microhttpd().get_timeout(daemon_, &rest) != MHD_YES || rest > 0)
      return;
  }
  alarm_.set(loop_.now());
}

} // namespace weft
