// Connections of a directory: those that are unknown until their handshake is
// done, nodes that join, and members.
#include "actors/network/directory_node.hpp"

#include <algorithm>
#include <utility>

namespace weft {

namespace {

/// Two seconds more than what it should take: a refusal is to be read.
constexpr std::chrono::seconds to_leave{2};

/// Whose chain it was when it began; nothing: no member's of this network.
std::optional<member_id> former_member(const network_certificate& root,
                                       std::span<const byte_vector> chain) {
  if (chain.empty())
    return std::nullopt;
  const auto own = read_network_certificate(chain.front());
  if (!own)
    return std::nullopt;
  const auto member = verify_member(root, chain, own->from);
  return member ? std::optional{member->contents.id} : std::nullopt;
}

} // namespace

// -- they come ---------------------------------------------------------------

/// False: what is in the way was said.
bool directory_node::make_tls() {
  auto made = network_tls::directory(
    read_->identity.tls,
    [this](network_purpose purpose,
           std::span<const byte_vector> chain) -> std::optional<refused> {
      if (purpose == network_purpose::joining)
        return std::nullopt;
      const auto member
        = verify_member(read_->identity.root, chain, now_of_network());
      // Who is only late is told so in words, which TLS has none for.
      return member || member.error().why == refusal::expired
               ? std::nullopt
               : std::optional{member.error()};
    });
  if (!made) {
    note(trouble_.listen, made.error().message, "connections");
    return false;
  }
  read_->tls.emplace(std::move(*made)); // connections keep the one before
  return true;
}

void directory_node::open_listener() {
  if (listener_)
    return;
  if (!read_->tls && !make_tls()) {
    reopen_at_ = loop().now() + options_.limits.reopen;
    return;
  }
  auto opened = tcp_listener::open(*options_.config.listen);
  if (!opened) {
    note(trouble_.listen, opened.error().message, "connections");
    reopen_at_ = loop().now() + options_.limits.reopen;
    return;
  }
  note(trouble_.listen, {}, "connections");
  tcp_.emplace(std::move(*opened));
  listener::owner told;
  told.accept = [this] {
    enter_loop_context();
    return accept();
  };
  told.rests = [this](time_point until) { alarm_.set(until); };
  told.failed = [this] { fail(); };
  listener_
    = std::make_unique<listener>(loop(), tcp_->descriptor(), std::move(told));
  options_.log->info("directory: {} of the network {} listens at {}",
                     read_->identity.name(), read_->identity.network().name,
                     to_string(tcp_->where()));
}

/// False: the others wait in the kernel's queue.
bool directory_node::accept() {
  if (!bounds_.may_accept(loop().now()))
    return false;
  auto came = tcp_->accept();
  if (!came.fd)
    return false;
  const auto source = connection_bounds::source_of(came.from.address);
  if (!bounds_.may_come(source, loop().now())) {
    turn_away(came.from, "too many connections come from there");
    return true;
  }
  if (bounds_.count(connection_kind::unknown) >= options_.limits.unknown)
    make_room();
  if (!bounds_.admit(source, loop().now())) {
    turn_away(came.from, "the directory has as many connections as it may");
    return true;
  }
  auto stream = read_->tls->accept(std::move(came.fd));
  if (!stream) {
    bounds_.remove(source, connection_kind::unknown);
    turn_away(came.from, stream.error().message);
    return true;
  }
  const auto number = ++last_number_;
  auto& made = connections_[number];
  made.from = came.from;
  made.source = source;
  made.until = loop().now() + options_.limits.handshake;
  made.stream = std::make_unique<frame_stream>(
    loop(), static_cast<frame_stream::owner&>(*this), number,
    std::move(*stream), most_joining_bytes);
  expect(*made.until);
  return true;
}

/// The oldest one goes of the source that has most unknown ones.
void directory_node::make_room() {
  const auto place = [this](const auto& each) {
    return std::pair{
      bounds_.count(connection_kind::unknown, each.second.source), ~each.first};
  };
  auto chosen = connections_.end();
  for (auto each = connections_.begin(); each != connections_.end(); ++each) {
    if (each->second.kind == connection_kind::unknown
        && (chosen == connections_.end() || place(*each) > place(*chosen)))
      chosen = each;
  }
  if (chosen != connections_.end())
    cut_off(chosen->first, "others want to come in");
}

void directory_node::turn_away(const endpoint& from, const std::string& why,
                               bool is_told) {
  ++turned_away_;
  if (is_told && refusals_.allows(loop().now()))
    options_.log->info("directory: {} did not come in: {}", to_string(from),
                       why);
}

directory_node::connection* directory_node::find(const frame_stream& stream) {
  const auto found = connections_.find(stream.number());
  return found == connections_.end() || found->second.leaving ? nullptr
                                                              : &found->second;
}

void directory_node::stream_stands(frame_stream& which) {
  auto* who = find(which);
  if (who == nullptr)
    return;
  if (which.tls()->purpose() == network_purpose::joining)
    begin_joining(*who);
  else
    welcome_member(which.number(), *who);
  carry_out();
}

// -- members -----------------------------------------------------------------

void directory_node::welcome_member(std::uint64_t number, connection& who) {
  who.stream->set_bound(most_member_frame_bytes);
  const auto chain = who.stream->tls()->peer_chain();
  const auto& root = read_->identity.root;
  const auto member = verify_member(root, chain, now_of_network());
  if (!member) { // its time has come
    const auto former = former_member(root, chain);
    refuse_member(who, member.error(),
                  !former || is_news(*former, member.error().why));
    return;
  }
  if (!bounds_.promote(who.source, connection_kind::member)) {
    refuse_member(who, {refusal::unavailable,
                        "the directory has as many connections as it may"});
    return;
  }
  who.kind = connection_kind::member;
  who.until.reset();
  who.member = member->contents.id;
  who.key = member->contents.key;
  who.name = member->contents.name;
  auto& present = by_key_[who.key];
  present.id = who.member;
  ++present.connections;
  core_.connected(number, *member, loop().moment());
}

void directory_node::refuse_member(connection& who, const refused& why,
                                   bool is_told) {
  who.stream->send(encode_frame(directory_message{request_refused{0, why}}));
  turn_away(who.from, why.what, is_told);
  let_go(who);
}

void directory_node::let_go(connection& who) {
  who.leaving = true;
  who.until = loop().now() + to_leave;
  expect(*who.until);
  who.stream->finish();
}

// -- joining -----------------------------------------------------------------

/// It needs no certificate for that, and stays unknown until it has proven that
/// it may ask: who says nothing gives way to others.
void directory_node::begin_joining(connection& who) {
  who.until = loop().now() + options_.limits.joining_patience;
  expect(*who.until);
  who.joining = std::make_unique<joining_connection>(
    who.stream->tls()->exporter(join_exporter_label), loop().random());
  who.stream->send(who.joining->challenge());
}

void directory_node::go_on_joining(std::uint64_t number, connection& who,
                                   const byte_vector& frame) {
  if (who.joining->has_asked()) {
    cut_off(number, "it says more than it should");
    return;
  }
  auto question = who.joining->take(frame, read_->identity.network().network);
  if (!question) {
    answer_joining(number, tl::unexpected(std::move(question.error())));
    return;
  }
  if (!bounds_.promote(who.source, connection_kind::joining)) {
    answer_joining(number, refuse(refusal::unavailable,
                                  "too many join just now: try it again"));
    return;
  }
  who.kind = connection_kind::joining;
  auto reason = core_.find_reason_to_wait();
  if (!reason && !issuer_)
    reason = refused{refusal::unavailable,
                     "this directory has no issuer: ask another one"};
  if (reason) {
    answer_joining(number, tl::unexpected(std::move(*reason)));
    return;
  }
  who.until.reset(); // the issuer has a deadline of its own
  issuer_->ask(std::move(*question), [this,
                                      number](accepted<issuing_answer> answer) {
    join_answer told = refuse(refusal::unavailable,
                              "the issuer answers what it was not asked");
    if (!answer)
      told = tl::unexpected(std::move(answer.error()));
    else if (auto* in = std::get_if<join_answer_given>(&*answer))
      told = std::move(in->admission);
    answer_joining(number, told);
  });
}

void directory_node::answer_joining(std::uint64_t number,
                                    const join_answer& answer) {
  const auto found = connections_.find(number);
  if (found == connections_.end() || found->second.leaving)
    return; // it has gone, and may ask for the same answer again
  auto& who = found->second;
  if (answer) {
    ++admitted_;
    options_.log->info("directory: a node at {} was let in",
                       to_string(who.from));
  } else {
    turn_away(who.from, "it wants to join: " + answer.error().what);
  }
  who.stream->send(joining_answer(answer));
  let_go(who);
}

// -- what they say, and their end --------------------------------------------

void directory_node::stream_has(frame_stream& which, byte_vector frame) {
  auto* who = find(which);
  if (who == nullptr)
    return;
  if (who->kind == connection_kind::member) {
    core_.received(which.number(), frame, loop().moment());
    const auto seen = sightings_.find(who->key);
    if (!std::exchange(who->has_spoken, true) && seen != sightings_.end())
      core_.seen(who->member, seen->second);
  } else if (who->joining)
    go_on_joining(which.number(), *who, frame);
  carry_out();
}

void directory_node::stream_sent(frame_stream& which) {
  auto* who = find(which);
  if (who == nullptr || who->kind != connection_kind::member)
    return;
  core_.queued(which.number(), which.queued_bytes(), loop().moment());
  carry_out();
}

void directory_node::stream_ended(frame_stream& which, const std::string& why) {
  const auto found = connections_.find(which.number());
  if (found == connections_.end())
    return;
  const auto& who = found->second;
  if (who.kind != connection_kind::member && !who.leaving)
    turn_away(who.from, why);
  forget(found);
  carry_out();
}

void directory_node::cut_off(std::uint64_t number, const std::string& why) {
  const auto found = connections_.find(number);
  if (found == connections_.end())
    return;
  if (!found->second.leaving)
    turn_away(found->second.from, why);
  forget(found);
}

/// The stream may be at work: it ends later.
void directory_node::forget(connection_map::iterator which) {
  auto& who = which->second;
  bounds_.remove(who.source, who.kind);
  if (who.kind == connection_kind::member) {
    core_.disconnected(which->first);
    const auto present = by_key_.find(who.key);
    if (present != by_key_.end() && --present->second.connections == 0)
      by_key_.erase(present);
  }
  who.stream->drop();
  buried_.push_back(std::move(who.stream));
  connections_.erase(which);
  alarm_.set(loop().now());
}

void directory_node::expect(time_point when) {
  connections_due_ = std::min(connections_due_, when);
  alarm_.set(connections_due_);
}

void directory_node::check_connections(time_point now) {
  if (const auto unsaid = refusals_.take_unsaid(now); unsaid > 0)
    options_.log->info("directory: {} others did not come in either", unsaid);
  if (now < connections_due_)
    return;
  connections_due_ = time_point::max();
  std::vector<std::pair<std::uint64_t, std::string>> over;
  for (const auto& [number, who] : connections_) {
    auto stuck = who.stream->stuck_since();
    if (stuck)
      *stuck += options_.limits.stuck;
    if (who.until && *who.until <= now)
      over.emplace_back(number, who.stream->stands()
                                  ? "it took too long"
                                  : "it did not complete the TLS handshake");
    else if (stuck && *stuck <= now)
      over.emplace_back(number, "it takes nothing any more");
    if (who.until)
      connections_due_ = std::min(connections_due_, *who.until);
    if (stuck)
      connections_due_ = std::min(connections_due_, *stuck);
  }
  for (const auto& [number, why] : over)
    cut_off(number, why);
  if (connections_due_ != time_point::max())
    alarm_.set(std::max(connections_due_, now));
}

} // namespace weft
