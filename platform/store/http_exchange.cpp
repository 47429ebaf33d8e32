#include "platform/store/http_exchange.hpp"

#include "protocol/base/wipe.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace weft {

namespace {

constexpr long connect_patience = 2000; ///< ms
constexpr long keep_alive_seconds = 5;

} // namespace

void http_exchange::list_end::operator()(curl_slist* list) const {
  for (auto* item = list; item != nullptr; item = item->next)
    wipe_memory(item->data, std::strlen(item->data));
  curl().slist_free_all(list);
}

http_exchange::http_exchange() {
  multi_.reset(curl().multi_init());
  easy_.reset(curl().easy_init());
  if (!multi_ || !easy_)
    throw std::bad_alloc{};
}

http_exchange::~http_exchange() {
  give_up();
}

std::size_t http_exchange::take(char* bytes, std::size_t size,
                                std::size_t count, void* self) {
  auto& exchange = *static_cast<http_exchange*>(self);
  const auto all = size * count;
  if (exchange.received_.size() + all > exchange.request_.largest_answer) {
    exchange.too_large_ = true;
    return 0;
  }
  exchange.received_.append(bytes, all);
  exchange.arrived_ = true;
  return all;
}

// NOLINTBEGIN(cppcoreguidelines-pro-type-vararg,hicpp-vararg): curl's interface
void http_exchange::begin(http_request request) {
  give_up();
  request_ = std::move(request);
  received_.clear();
  problem_.clear();
  too_large_ = false;
  auto* easy = easy_.get();
  curl().easy_reset(easy);
  // Sends at once instead of asking first whether it may.
  curl_slist* headers = curl().slist_append(nullptr, "Expect:");
  for (const auto& header : request_.headers)
    headers = curl().slist_append(headers, header.c_str());
  headers_.reset(headers);
  curl().easy_setopt(easy, CURLOPT_URL, request_.url.c_str());
  curl().easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl().easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl().easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl().easy_setopt(easy, CURLOPT_POSTFIELDS, request_.body.data());
  curl().easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request_.body.size()));
  curl().easy_setopt(easy, CURLOPT_WRITEFUNCTION, &http_exchange::take);
  curl().easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl().easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl().easy_setopt(easy, CURLOPT_PROXY, ""); // whatever the environment says
  curl().easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_patience);
  curl().easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl().easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, keep_alive_seconds);
  curl().easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, keep_alive_seconds);
  curl().easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  // Of all authorities on this host only the store's own.
  curl().easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  if (!request_.authority.empty())
    curl().easy_setopt(easy, CURLOPT_CAINFO, request_.authority.c_str());
  running_ = curl().multi_add_handle(multi_.get(), easy) == CURLM_OK;
  if (!running_)
    problem_ = "there is no memory for it";
}

long http_exchange::status() const {
  long status = 0;
  curl().easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  return status;
}

bool http_exchange::may_have_been_sent() const {
  long size = 0;
  curl().easy_getinfo(easy_.get(), CURLINFO_REQUEST_SIZE, &size);
  return size != 0;
}
// NOLINTEND(cppcoreguidelines-pro-type-vararg,hicpp-vararg)

http_exchange::progress
http_exchange::go_on(std::chrono::milliseconds patience) {
  using clock = std::chrono::steady_clock; // how long poll(2) has waited
  const auto until = clock::now() + std::max(patience, patience.zero());
  arrived_ = false;
  for (;;) {
    if (cancelled_)
      return progress::cancelled;
    if (!running_)
      return progress::ended;
    int left = 0;
    curl().multi_perform(multi_.get(), &left);
    if (left == 0) {
      note_end();
      return progress::ended;
    }
    if (arrived_)
      return progress::arrived;
    const auto rest
      = std::chrono::ceil<std::chrono::milliseconds>(until - clock::now());
    if (rest.count() <= 0)
      return progress::waiting;
    curl().multi_poll(multi_.get(), nullptr, 0, static_cast<int>(rest.count()),
                      nullptr);
  }
}

http_exchange::progress http_exchange::pause(std::chrono::milliseconds time) {
  if (!cancelled_ && time.count() > 0)
    curl().multi_poll(multi_.get(), nullptr, 0, static_cast<int>(time.count()),
                      nullptr);
  return cancelled_ ? progress::cancelled : progress::waiting;
}

void http_exchange::note_end() {
  int left = 0;
  while (const auto* message = curl().multi_info_read(multi_.get(), &left)) {
    if (message->msg == CURLMSG_DONE && message->data.result != CURLE_OK)
      problem_ = curl().easy_strerror(message->data.result);
  }
  give_up();
}

void http_exchange::give_up() {
  if (running_)
    curl().multi_remove_handle(multi_.get(), easy_.get());
  running_ = false;
  headers_.reset();
  wipe_text(request_.body);
  for (auto& header : request_.headers)
    wipe_text(header);
}

void http_exchange::cancel() {
  cancelled_ = true;
  curl().multi_wakeup(multi_.get());
}

} // namespace weft
