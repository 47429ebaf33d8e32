#include "actors/control/wire/frame_filter.hpp"

#include "messages/control.hpp"

#include <algorithm>

namespace weft {

namespace {

using basp::operation;
using decision = frame_walker::decision;

const decision pass{decision::kind::pass, {}};
const decision drop{decision::kind::drop, {}};
const decision hold{decision::kind::hold, {}};
const decision more{decision::kind::more, {}};

decision violation(std::string why) {
  return {decision::kind::violation, std::move(why)};
}

/// The request that is all that a message has; null: it is none of weft's.
const request_traits* find_only_request(std::string_view types) {
  constexpr std::string_view one_type = "@<>+"; // as CAF names a message
  return types.starts_with(one_type)
           ? find_request(types.substr(one_type.size()))
           : nullptr;
}

/// An error, from `offset` on, is read by CAF with whatever is in it.
decision check_error(const basp::header& head, std::string_view payload,
                     std::size_t offset) {
  const auto error = basp::parse_error(payload.substr(offset));
  if (error == basp::message_head::state::complete)
    return pass;
  if (error == basp::message_head::state::incomplete
      && payload.size() < head.length)
    return more;
  return violation("a malformed error");
}

} // namespace

template <class Check>
filter_result frame_walker::walk(std::string_view waiting, Check check) {
  filter_result result;
  for (;;) {
    const auto step = std::min(rest_, waiting.size() - result.pass);
    result.pass += step;
    rest_ -= step;
    complete_ += step > 0 && rest_ == 0 ? 1 : 0;
    const auto ahead = waiting.substr(result.pass);
    if (rest_ > 0 || ahead.size() < basp::header_size)
      return result;
    const auto head = basp::parse_header(ahead);
    auto decided = check(
      head,
      ahead.substr(basp::header_size).substr(0, std::size_t{head.length}));
    switch (decided.what) {
      case decision::kind::pass:
        rest_ = size_ = basp::header_size + head.length;
        break;
      case decision::kind::drop: // only what has no payload
        if (result.pass == 0) {
          result.drop = basp::header_size;
          ++complete_;
        }
        return result;
      case decision::kind::hold:
        result.held = true;
        return result;
      case decision::kind::more:
        return result;
      case decision::kind::violation:
        result.violation = std::move(decided.why);
        return result;
    }
  }
}

// -- the server's side -------------------------------------------------------

frame_filter::frame_filter(settings given) : settings_(std::move(given)) {
  server_actors_.emplace(settings_.facade, false);
}

filter_result frame_filter::from_remote(std::string_view waiting) {
  resumes_at_.reset();
  return to_server_.walk(waiting, [this](const basp::header& head,
                                         std::string_view payload) {
    return check(head, payload);
  });
}

filter_result frame_filter::to_remote(std::string_view waiting) {
  return to_client_.walk(waiting,
                         [this](const basp::header& head, std::string_view) {
                           return check_server(head);
                         });
}

frame_filter::decision
frame_filter::check(const basp::header& head, std::string_view payload) {
  if (head.what == operation::client_handshake)
    return check_handshake(head, payload);
  if (client_.empty())
    return violation("it does not begin with a handshake");
  if (head.flags != 0)
    return violation(head.flags == basp::named_receiver
                       ? "a message to an actor by its name"
                       : "a header with flags");
  switch (head.what) {
    case operation::heartbeat:
      if (head.length != 0)
        return violation("a heartbeat with a payload");
      return drop; // the gateway sees that the client lives
    case operation::monitor_message:
      return check_monitor(head, payload);
    case operation::down_message:
      return check_down(head, payload);
    case operation::direct_message:
      return basp::message_id{head.data}.is_response()
               ? check_answer(head, payload)
               : check_request(head, payload);
    case operation::server_handshake:
      return violation("the handshake of a server");
    case operation::routed_message:
      return violation("a message to be passed on to another node");
    case operation::client_handshake:
      break;
  }
  return violation("an unknown operation");
}

/// The client says who it is, and once it knows the server says it again, to
/// select the connection.
frame_filter::decision frame_filter::check_handshake(const basp::header& head,
                                                     std::string_view payload) {
  const auto expected_flags = client_.empty() ? 0 : basp::select_connection;
  if (selected_ || head.flags != expected_flags || head.data != 0
      || head.source != 0 || head.destination != 0
      || head.length != settings_.node.size())
    return violation("a handshake out of place");
  if (payload.size() < head.length)
    return more;
  if (!client_.empty()) {
    if (payload != client_)
      return violation("a handshake for another node");
    selected_ = true;
    return pass;
  }
  // Both ids are of one kind, which stands in front.
  constexpr std::size_t kind_size = 8;
  if (payload.substr(0, kind_size) != settings_.node.substr(0, kind_size))
    return violation("a node id of another kind");
  if (payload == settings_.node)
    return violation("the daemon's own node id");
  client_ = payload;
  return pass;
}

frame_filter::decision frame_filter::check_monitor(const basp::header& head,
                                                   std::string_view payload) {
  const auto nodes = client_ + settings_.node;
  if (head.data != 0 || head.source != 0 || head.length != nodes.size())
    return violation("a malformed monitor message");
  const auto found = server_actors_.find(head.destination);
  if (found == server_actors_.end() || found->second)
    return violation("it watches actors that are not its business");
  if (payload.size() < head.length)
    return more;
  if (payload != nodes)
    return violation("a monitor message for another node");
  found->second = true;
  return pass;
}

frame_filter::decision
frame_filter::check_down(const basp::header& head, std::string_view payload) {
  const auto nodes = client_ + settings_.node;
  if (head.data != 0 || head.destination != 0 || head.length <= nodes.size()
      || head.length > most_down)
    return violation("a malformed down message");
  if (payload.size() < nodes.size())
    return more;
  if (payload.substr(0, nodes.size()) != nodes)
    return violation("a down message for another node");
  auto reason = check_error(head, payload, nodes.size());
  if (reason.what != decision::kind::pass)
    return reason;
  if (client_actors_.erase(head.source) == 0)
    return violation("the end of an actor that nobody knows");
  return pass;
}

frame_filter::decision frame_filter::check_request(const basp::header& head,
                                                   std::string_view payload) {
  const basp::message_id id{head.data};
  if (!id.is_request())
    return violation("a message that is no request");
  if (head.destination != settings_.facade || head.source == 0)
    return violation("a message to another actor");
  const auto most = settings_.role == control_role::operate
                      ? max_control_size + message_overhead
                      : most_from_viewer;
  if (head.length > most)
    return violation("a request of " + std::to_string(head.length) + " bytes");
  const auto content = basp::parse_message_head(payload);
  if (content.is == basp::message_head::state::malformed)
    return violation("a malformed message");
  if (content.is == basp::message_head::state::incomplete)
    return payload.size() < head.length ? more
                                        : violation("a truncated message");
  const auto* request = find_only_request(content.types);
  if (request == nullptr)
    return violation("a message that is none of weft's");
  const auto is_large = request->answers == answer_size::large;
  if (requests_.size() >= most_requests
      || (is_large && large_answers_ >= most_large_answers))
    return hold;
  if (request->streams == streaming::yes) {
    auto shown = check_subscriber(head, payload, content.size);
    if (shown.what != decision::kind::pass)
      return shown;
  }
  if (settings_.account && !settings_.account->requests.take(now_)) {
    resumes_at_ = settings_.account->requests.available();
    return hold;
  }
  client_actors_.insert(head.source);
  if (client_actors_.size() > most_actors)
    return violation("too many actors");
  if (!requests_.emplace(request_key{head.source, id.number()}, is_large)
         .second)
    return violation("two requests with one number");
  if (is_large)
    ++large_answers_;
  return pass;
}

/// A subscriber is an actor of the client's own: its number and its node.
frame_filter::decision
frame_filter::check_subscriber(const basp::header& head,
                               std::string_view payload, std::size_t offset) {
  const auto size = offset + sizeof(std::uint64_t) + client_.size();
  if (head.length != size)
    return violation("a malformed subscription");
  if (payload.size() < size)
    return more;
  const auto actor = basp::load_u64(payload, offset);
  if (actor == 0 || payload.substr(offset + sizeof actor) != client_)
    return violation("a subscription for another node");
  client_actors_.insert(actor);
  return pass;
}

frame_filter::decision
frame_filter::check_answer(const basp::header& head, std::string_view payload) {
  const request_key batch{head.destination,
                          basp::message_id{head.data}.number()};
  const auto found = batches_.find(batch);
  if (found == batches_.end())
    return violation("an answer that nobody waits for");
  if (head.length > most_answer)
    return violation("an answer of " + std::to_string(head.length) + " bytes");
  if (head.source != 0 && client_actors_.count(head.source) == 0)
    return violation("an answer of an actor that nobody knows");
  const auto content = basp::parse_message_head(payload);
  if (content.is == basp::message_head::state::incomplete)
    return payload.size() < head.length ? more
                                        : violation("a truncated message");
  if (content.is == basp::message_head::state::malformed
      || (content.types != "@<>" && content.types != "@<>+@error"))
    return violation("a malformed answer");
  if (content.types != "@<>") {
    auto error = check_error(head, payload, content.size);
    if (error.what != decision::kind::pass)
      return error;
  } else if (head.length != content.size) {
    return violation("bytes behind an answer");
  }
  batches_.erase(found);
  return pass;
}

/// Only counts.
frame_filter::decision frame_filter::check_server(const basp::header& head) {
  const basp::message_id id{head.data};
  if (head.what == operation::down_message) {
    server_actors_.erase(head.source);
  } else if (head.what == operation::direct_message) {
    if (head.source != 0)
      server_actors_.emplace(head.source, false);
    if (server_actors_.size() > most_actors)
      return violation("it does not watch the actors that it is shown");
    if (id.is_request()) {
      batches_.emplace(head.source, id.number());
      if (batches_.size() > most_batches)
        return violation("it does not answer the events that it is sent");
    } else if (const auto found
               = requests_.find({head.destination, id.number()});
               id.is_response() && found != requests_.end()) {
      if (found->second)
        --large_answers_;
      requests_.erase(found);
    }
  }
  return pass;
}

// -- the client's side -------------------------------------------------------

namespace {

/// An answer, or a batch of events.
decision check_message(const basp::header& head, std::string_view payload) {
  const auto content = basp::parse_message_head(payload);
  if (content.is == basp::message_head::state::incomplete
      && payload.size() < head.length)
    return more;
  if (content.is != basp::message_head::state::complete)
    return violation("a malformed message");
  if (content.types == "@<>+@error")
    return check_error(head, payload, content.size);
  constexpr std::string_view own = "@<>+weft::";
  const auto is_own
    = content.types.starts_with(own)
      && content.types.find('+', own.size()) == std::string_view::npos;
  if (!is_own && content.types != "@<>" && content.types != "@<>+bool")
    return violation("a message that is none of weft's");
  return pass;
}

/// The end of an actor of the server's, after the ids of two nodes.
decision check_end(const basp::header& head, std::string_view payload) {
  constexpr std::size_t node_size = 32;
  if (head.length <= 2 * node_size)
    return violation("a malformed down message");
  if (payload.size() < 2 * node_size)
    return more;
  constexpr auto kind = static_cast<std::uint64_t>(caf::atom("default"));
  if (basp::load_u64(payload, 0) != kind
      || basp::load_u64(payload, node_size) != kind)
    return violation("a node id of another kind");
  return check_error(head, payload, 2 * node_size);
}

} // namespace

filter_result server_guard::to_remote(std::string_view waiting) {
  return to_server_.walk(waiting, [](const basp::header&, std::string_view) {
    return pass;
  });
}

filter_result server_guard::from_remote(std::string_view waiting) {
  return from_server_.walk(
    waiting,
    [this](const basp::header& head, std::string_view payload) -> decision {
      constexpr std::size_t most
        = max_control_size + frame_filter::message_overhead;
      if (head.length > most)
        return violation("a message of " + std::to_string(head.length)
                         + " bytes");
      if (head.flags != 0)
        return violation("a header with flags");
      const auto is_handshake = head.what == operation::server_handshake;
      if (is_handshake == handshake_seen_)
        return violation("a handshake out of place");
      handshake_seen_ = true;
      switch (head.what) {
        case operation::server_handshake:
          return head.data == basp::version && head.length > 0
                   ? pass
                   : violation("another version of BASP");
        case operation::direct_message:
          return check_message(head, payload);
        case operation::down_message:
          return check_end(head, payload);
        case operation::monitor_message:
          return head.length > 0 ? pass : violation("an empty message");
        case operation::heartbeat:
          return head.length == 0 ? pass
                                  : violation("a heartbeat with a payload");
        case operation::client_handshake:
        case operation::routed_message:
          break;
      }
      return violation("an operation that servers do not use");
    });
}

} // namespace weft
