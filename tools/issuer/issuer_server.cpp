#include "tools/issuer/issuer_server.hpp"

#include "actors/loop/line_limit.hpp"
#include "platform/accounts.hpp"
#include "platform/epoll.hpp"
#include "platform/stream.hpp"
#include "platform/unix_socket.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <map>

namespace weft {

namespace {

using asker = issuer_service::asker;
using role = issuer_service::role;

std::string_view text_of(const_byte_span bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), // NOLINT
          bytes.size()};
}

/// One who asks.
class connection {
public:
  connection(file_descriptor fd, asker number, role as)
    : fd_(std::move(fd)), number_(number), as_(as),
      reader_(as == role::directory ? most_directory_question_bytes
                                    : most_issuing_frame_bytes) {
  }

  int descriptor() const {
    return fd_.get();
  }
  asker number() const {
    return number_;
  }
  role as() const {
    return as_;
  }
  bool ended() const {
    return ended_;
  }
  void end() {
    ended_ = true;
  }

  void read() {
    std::array<char, std::size_t{16} * 1024> room{};
    const auto got = read_some(fd_.get(), room);
    if (got.what == stream_result::status::closed)
      end();
    if (got.what == stream_result::status::ok) {
      reader_.append(std::as_bytes(std::span(room).first(got.bytes)));
      within_frame_ = true;
    }
  }

  /// The next whole question, if it is to be taken now.
  std::optional<issuing_question> next() {
    if (ended_ || is_busy() || !unsent_.empty())
      return std::nullopt;
    auto frame = reader_.next();
    if (!frame) {
      end();
      return std::nullopt;
    }
    if (!*frame)
      return std::nullopt;
    within_frame_ = false;
    auto question = read_issuing_question(**frame);
    if (!question) {
      answer(issuing_refused{question.error()});
      return std::nullopt;
    }
    ++unanswered_;
    waits_for_items_ = std::holds_alternative<ask_items>(*question);
    return std::move(*question);
  }

  void answered(const issuing_answer& what) {
    --unanswered_;
    waits_for_items_ = false;
    answer(what);
  }

  void write() {
    while (!unsent_.empty()) {
      const auto done = write_some(fd_.get(), text_of(unsent_).substr(sent_));
      if (done.what == stream_result::status::closed)
        end();
      if (done.what != stream_result::status::ok)
        return;
      sent_ += done.bytes;
      if (sent_ == unsent_.size()) {
        unsent_.clear();
        sent_ = 0;
      }
    }
  }

  interest wanted() const {
    if (!unsent_.empty())
      return interest::write;
    // Nothing is taken in that cannot be answered yet, but who hangs up
    // meanwhile is seen.
    return is_busy() ? interest::errors : interest::read;
  }
  /// What the other end may not let last for ever; nothing: it owes nothing.
  std::optional<time_point> deadline(time_point now) {
    if (!within_frame_ && unsent_.empty()) {
      until_.reset();
      return until_;
    }
    if (!until_)
      until_ = now + issuer_frame_patience;
    return until_;
  }

private:
  bool is_busy() const {
    return waits_for_items_ || unanswered_ >= most_questions_at_once;
  }
  void answer(const issuing_answer& what) {
    const auto frame = encode_frame(what);
    unsent_.insert(unsent_.end(), frame.begin(), frame.end());
  }

  file_descriptor fd_;
  asker number_;
  role as_;
  frame_reader reader_;
  byte_vector unsent_;
  std::size_t sent_ = 0;
  std::size_t unanswered_ = 0;
  bool waits_for_items_ = false;
  bool within_frame_ = false; ///< of which something has come
  bool ended_ = false;
  std::optional<time_point> until_;
};

/// A socket, and who may come to it.
struct door {
  unix_listener listener;
  role as;
  std::vector<uid_t> users;

  bool lets_in(int descriptor) const {
    const auto who = credentials_of(descriptor);
    return who && std::count(users.begin(), users.end(), who->user) != 0;
  }
};

} // namespace

class issuer_server::working {
public:
  working(issuer_service& service, host_clock& clock,
          std::shared_ptr<spdlog::logger> log)
    : service_(service), clock_(clock), log_(std::move(log)) {
  }

  result<void> open(const issuer_sockets& sockets);
  result<void> run(const signal_watch& signals, std::optional<int> parent);

private:
  result<void> open_door(const std::string& path, role as,
                         std::vector<uid_t> users, mode_t mode);
  void accept(door& at);
  /// Everybody on the host can have it said.
  void tell_refusal(const std::string& why);
  std::size_t count(role as) const;
  void serve(connection& who, const poller::ready& event);
  void take_questions(connection& who);
  void give(const std::vector<issuer_service::answered>& answers);
  /// Watches each for what it waits for, and lets those go that have ended or
  /// are too slow.
  result<void> look_after_all();
  void tell_news();
  bool is_signal_to_end(const signal_watch& signals) const;

  issuer_service& service_;
  host_clock& clock_;
  std::shared_ptr<spdlog::logger> log_;
  std::optional<poller> events_;
  std::vector<std::unique_ptr<door>> doors_;
  std::map<asker, std::unique_ptr<connection>> all_;
  asker last_ = 0;
  line_limit refusals_{10, std::chrono::seconds{1}};
};

result<void> issuer_server::working::open(const issuer_sockets& sockets) {
  auto events = poller::open();
  if (!events)
    return tl::unexpected(std::move(events.error()));
  events_ = std::move(*events);
  std::vector<uid_t> users{0, own_user()};
  constexpr mode_t for_root = 0600;
  if (auto opened = open_door(sockets.root, role::root, users, for_root);
      !opened)
    return opened;
  if (sockets.directory_user)
    users.push_back(*sockets.directory_user);
  // A daemon of root's without root's capabilities opens what is open to all;
  // who it is says the kernel.
  constexpr mode_t for_all = 0666;
  return open_door(sockets.directory, role::directory, users, for_all);
}

result<void>
issuer_server::working::open_door(const std::string& path, role as,
                                  std::vector<uid_t> users, mode_t mode) {
  auto listener = unix_listener::open(path, mode);
  if (!listener)
    return tl::unexpected(std::move(listener.error()));
  doors_.push_back(
    std::make_unique<door>(door{std::move(*listener), as, std::move(users)}));
  auto& made = *doors_.back();
  return events_->watch(made.listener.descriptor(), interest::read, &made);
}

std::size_t issuer_server::working::count(role as) const {
  return static_cast<std::size_t>(
    std::count_if(all_.begin(), all_.end(),
                  [&](const auto& each) { return each.second->as() == as; }));
}

void issuer_server::working::accept(door& at) {
  auto fd = at.listener.accept();
  if (!fd)
    return;
  if (!at.lets_in(fd.get())) {
    tell_refusal("somebody who may not has connected to " + at.listener.path());
    return;
  }
  if (count(at.as) >= most_issuer_connections) {
    tell_refusal(at.listener.path() + " has "
                 + std::to_string(most_issuer_connections)
                 + " connections, which are all it may have");
    return;
  }
  const auto number = ++last_;
  auto made = std::make_unique<connection>(std::move(fd), number, at.as);
  if (events_->watch(made->descriptor(), interest::read, made.get()))
    all_.emplace(number, std::move(made));
}

void issuer_server::working::tell_refusal(const std::string& why) {
  if (refusals_.allows(clock_.now()))
    log_->warn("{}", why);
}

void issuer_server::working::serve(connection& who,
                                   const poller::ready& event) {
  if (event.writable)
    who.write();
  if (event.readable && !who.ended())
    who.read();
  take_questions(who);
}

void issuer_server::working::take_questions(connection& who) {
  while (const auto question = who.next())
    service_.ask(who.number(), who.as(), *question, clock_.moment());
}

void issuer_server::working::give(
  const std::vector<issuer_service::answered>& answers) {
  for (const auto& each : answers) {
    if (const auto to = all_.find(each.to); to != all_.end())
      to->second->answered(each.answer);
  }
  for (auto& [number, each] : all_) {
    if (each->wanted() == interest::write)
      each->write();
    take_questions(*each); // that have come while it was busy
  }
}

result<void> issuer_server::working::look_after_all() {
  const auto now = clock_.now();
  auto next = service_.next_deadline();
  if (const auto unsaid = refusals_.take_unsaid(now))
    log_->warn("{} more connections were refused", unsaid);
  if (const auto summary = refusals_.next_summary())
    next = std::min(next, *summary);
  for (auto at = all_.begin(); at != all_.end();) {
    auto& who = *at->second;
    const auto until = who.deadline(now);
    if (until && now >= *until)
      who.end();
    if (who.ended()) {
      service_.forget(who.number());
      events_->forget(who.descriptor());
      at = all_.erase(at);
      continue;
    }
    if (until)
      next = std::min(next, *until);
    if (auto watched
        = events_->watch(who.descriptor(), who.wanted(), at->second.get());
        !watched)
      return watched;
    ++at;
  }
  clock_.wake_at(*events_, next);
  return {};
}

void issuer_server::working::tell_news() {
  for (const auto& each : service_.take_news())
    log_->log(each.is_trouble ? spdlog::level::err : spdlog::level::info, "{}",
              each.text);
}

bool issuer_server::working::is_signal_to_end(
  const signal_watch& signals) const {
  const int signal = signals.read();
  if (signal != SIGTERM && signal != SIGINT)
    return false;
  log_->info("ends by a signal");
  return true;
}

result<void> issuer_server::working::run(const signal_watch& signals,
                                         std::optional<int> parent) {
  // Its tag is that of none of the others.
  if (auto watched = events_->watch(signals.descriptor(), interest::read, this);
      !watched)
    return watched;
  if (parent)
    if (auto watched = events_->watch(*parent, interest::read, &parent);
        !watched)
      return watched;
  bool ends = false;
  while (!ends) {
    if (auto looked = look_after_all(); !looked)
      return looked;
    for (const auto& event : events_->wait(true)) {
      const auto is_door
        = std::find_if(doors_.begin(), doors_.end(), [&](const auto& each) {
            return each.get() == event.tag;
          });
      if (event.tag == this)
        ends = is_signal_to_end(signals) || ends;
      else if (event.tag == &parent)
        ends = true;
      else if (is_door != doors_.end())
        accept(**is_door);
      else // connections live until all events are seen
        serve(*static_cast<connection*>(event.tag), event);
    }
    give(service_.settle(clock_.moment()));
    tell_news();
    if (service_.failure())
      return tl::unexpected(*service_.failure());
  }
  return {};
}

result<issuer_server>
issuer_server::open(issuer_service& service, const issuer_sockets& sockets,
                    host_clock& clock, std::shared_ptr<spdlog::logger> log) {
  auto all = std::make_unique<working>(service, clock, std::move(log));
  if (auto opened = all->open(sockets); !opened)
    return tl::unexpected(std::move(opened.error()));
  return issuer_server{std::move(all)};
}

issuer_server::issuer_server(std::unique_ptr<working> all)
  : working_(std::move(all)) {
}
issuer_server::issuer_server(issuer_server&&) noexcept = default;
issuer_server::~issuer_server() = default;

result<void>
issuer_server::run(const signal_watch& signals, std::optional<int> parent) {
  return working_->run(signals, parent);
}

} // namespace weft
