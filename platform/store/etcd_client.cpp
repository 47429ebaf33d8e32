#include "platform/store/etcd_client.hpp"

#include "protocol/base/wipe.hpp"

#include <algorithm>

namespace weft::etcd {

namespace {

using std::chrono::milliseconds;

/// A node that has not answered by then is left; its own patience with the
/// other nodes is five seconds.
constexpr milliseconds node_patience{4000};

/// More than the largest change as JSON, and lines of a watch as long as an
/// answer may be.
constexpr std::size_t largest_stream = 2 * largest_answer;

store_error cancelled() {
  return {store_failure::cancelled, "The directory's store is being closed"};
}

milliseconds rest(time_point until, time_point now) {
  return std::max(milliseconds{0},
                  std::chrono::ceil<milliseconds>(until - now));
}

bool says(const refusal& refused, std::string_view what) {
  return refused.message.find(what) != std::string::npos;
}

/// Of an answer under another status than 200: etcd's own, or the page of
/// whatever stands before it.
refusal refusal_by(const std::string& node, http_exchange& exchange) {
  auto refused = parse_refusal(exchange.received());
  if (refused.code == status::malformed)
    refused = {status::unavailable, node + " answers with HTTP status "
                                      + std::to_string(exchange.status())
                                      + " and nothing of etcd's"};
  return refused;
}

} // namespace

access::access(etcd_settings given, const time_source& time,
               random_source& source)
  : settings(std::move(given)), clock(time), random(source) {
  // Directories spread over the nodes.
  node_ = random.next_u32() % settings.endpoints.size();
}

access::~access() {
  wipe_text(token_);
}

std::size_t access::node() const {
  const std::lock_guard guard(mutex_);
  return node_;
}

void access::leave(std::size_t node) {
  const std::lock_guard guard(mutex_);
  if (node_ == node)
    node_ = (node_ + 1) % settings.endpoints.size();
}

std::string access::token() const {
  const std::lock_guard guard(mutex_);
  return token_;
}

bool access::has_token() const {
  const std::lock_guard guard(mutex_);
  return !token_.empty();
}

void access::set_token(std::string token) {
  const std::lock_guard guard(mutex_);
  token_.swap(token);
  wipe_text(token);
}

void access::drop_token(const std::string& token) {
  const std::lock_guard guard(mutex_);
  if (token_ == token)
    wipe_text(token_);
}

void access::wrote_heartbeat(store_revision at) {
  heartbeat_ = at;
}

void access::add(http_exchange& exchange) {
  const std::lock_guard guard(mutex_);
  exchanges_.push_back(&exchange);
  if (cancelled_)
    exchange.cancel();
}

void access::remove(http_exchange& exchange) {
  const std::lock_guard guard(mutex_);
  std::erase(exchanges_, &exchange);
}

void access::cancel_all() {
  const std::lock_guard guard(mutex_);
  cancelled_ = true;
  for (auto* exchange : exchanges_)
    exchange->cancel();
}

store_error error_of(const refusal& refused) {
  const auto with = [&](store_failure failure, const char* remedy) {
    return store_error{failure, "etcd: " + refused.message + remedy};
  };
  switch (refused.code) {
    case status::resource_exhausted:
      return with(store_failure::full,
                  ". Make room: compact and defragment it, end the alarm "
                  "(etcdctl alarm disarm), or raise its quota");
    case status::out_of_range:
      return with(store_failure::history_lost, ": list anew");
    case status::permission_denied:
    case status::unauthenticated:
    case status::invalid_argument:
    case status::failed_precondition:
      return with(store_failure::refused,
                  ". Its user must be the one of the configuration, with the "
                  "password there, and a role that may read and write the "
                  "prefix");
    case status::malformed:
      return with(store_failure::damaged, "");
    default:
      return with(store_failure::unavailable, "");
  }
}

bool may_pass(const refusal& refused) {
  switch (refused.code) {
    case status::cancelled: // by a leader's end
    case status::unknown:
    case status::deadline_exceeded:
    case status::internal:
    case status::unavailable:
      return true;
    case status::resource_exhausted:
      return says(refused, "too many requests");
    default:
      return false;
  }
}

bool wants_token(const refusal& refused) {
  return refused.code == status::unauthenticated
         || says(refused, "invalid auth token")
         || says(refused, "user name is empty")
         || says(refused, "revision in header is old");
}

http_request
client::request(const char* path, std::string body, std::size_t largest) {
  node_ = shared_->node();
  http_request made{node_name() + path,
                    std::move(body),
                    {"Content-Type: application/json",
                     "Grpc-Metadata-hasleader: true"},
                    shared_->settings.authority,
                    largest};
  wipe_text(token_);
  token_ = shared_->token(); // a watch may drop it at any time
  if (!token_.empty())
    made.headers.push_back("Authorization: " + token_);
  return made;
}

client::attempt
client::try_once(const char* path, const std::string& body, time_point until) {
  exchange_.begin(request(path, body, largest_answer));
  const auto end = std::min(until, now() + node_patience);
  auto state = http_exchange::progress::arrived;
  while (state == http_exchange::progress::arrived)
    state = exchange_.go_on(rest(end, now()));
  attempt made;
  made.sent = exchange_.may_have_been_sent();
  made.cancelled = state == http_exchange::progress::cancelled;
  if (state == http_exchange::progress::waiting)
    made.refused = refusal{status::deadline_exceeded,
                           node_name() + " does not answer in time"};
  else if (exchange_.was_too_large())
    made.too_large = true;
  else if (!exchange_.problem().empty())
    made.refused
      = refusal{status::unavailable, node_name() + ": " + exchange_.problem()};
  else if (exchange_.status() != 200)
    made.refused = refusal_by(node_name(), exchange_);
  else
    made.text = std::move(exchange_.received());
  exchange_.give_up();
  return made;
}

call_result<void> client::authorise(time_point until) {
  const auto& settings = shared_->settings;
  if (settings.user.empty() || shared_->has_token())
    return {};
  auto body = authenticate_request(settings.user, settings.password.view());
  const text_wiper wiper(body);
  while (true) {
    auto made = try_once("/v3/auth/authenticate", body, until);
    const text_wiper token_wiper(made.text);
    if (made.cancelled)
      return tl::unexpected(call_failure{cancelled(), {}});
    if (!made.refused) {
      auto token = parse_token(made.text);
      if (token) {
        shared_->set_token(std::move(*token));
        return {};
      }
      made.refused = token.error();
    }
    const bool later = may_pass(*made.refused);
    if (later) {
      if (auto moved = try_another(until); !moved)
        return tl::unexpected(call_failure{moved.error(), {}});
    }
    if (!later || now() >= until)
      return tl::unexpected(
        call_failure{error_of(*made.refused), made.refused->code});
  }
}

call_result<std::string>
client::call(const char* path, const std::string& body, time_point until) {
  bool in_doubt = false;
  std::size_t fresh_tokens = 0;
  while (true) {
    if (auto authorised = authorise(until); !authorised) {
      authorised.error().in_doubt = in_doubt;
      return tl::unexpected(std::move(authorised.error()));
    }
    auto made = try_once(path, body, until);
    if (made.cancelled)
      return tl::unexpected(
        call_failure{cancelled(), {}, in_doubt || made.sent});
    if (made.too_large)
      return tl::unexpected(call_failure{
        {store_failure::damaged, node_name() + " answers with more than "
                                   + std::to_string(largest_answer) + " bytes"},
        status::malformed,
        true,
        true});
    if (!made.refused) {
      succeeded();
      may_come_late_ = in_doubt;
      return std::move(made.text);
    }
    // Each node may have forgotten it, or it was dropped on the way here.
    if (!shared_->settings.user.empty() && wants_token(*made.refused)
        && fresh_tokens++ < shared_->settings.endpoints.size()) {
      drop_token();
      continue;
    }
    const bool later = may_pass(*made.refused);
    in_doubt = in_doubt || (later && made.sent);
    if (later) {
      if (auto moved = try_another(until); !moved)
        return tl::unexpected(call_failure{moved.error(), {}, in_doubt});
    }
    if (!later || now() >= until)
      return tl::unexpected(
        call_failure{error_of(*made.refused), made.refused->code, in_doubt});
  }
}

store_result<void>
client::begin_stream(const char* path, std::string body, time_point until) {
  if (auto authorised = authorise(until); !authorised)
    return tl::unexpected(std::move(authorised.error().error));
  exchange_.begin(request(path, std::move(body), largest_stream));
  return {};
}

store_result<void> client::try_another(time_point until) {
  shared_->leave(node_);
  if (++failed_nodes_ % shared_->settings.endpoints.size() != 0)
    return {};
  const auto pause = std::min(back_off_.next(), rest(until, now()));
  if (exchange_.pause(pause) == http_exchange::progress::cancelled)
    return tl::unexpected(cancelled());
  return {};
}

void client::succeeded() {
  failed_nodes_ = 0;
  back_off_.reset();
}

} // namespace weft::etcd
