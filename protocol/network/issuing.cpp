#include "protocol/network/issuing.hpp"

#include "protocol/network/certified_terms.hpp"
#include "protocol/network/terms.hpp"

#include <array>

namespace weft {

namespace {

using cbor::fields;
using cbor::value;

constexpr std::size_t longest_kind = 32;
constexpr std::size_t most_key_bytes = 64;

/// In the order of issuing_question's alternatives.
constexpr std::array<std::string_view, std::variant_size_v<issuing_question>>
  question_kinds{"admit",    "for itself", "items", "invite",
                 "withdraw", "remove",     "rekey", "certify directory",
                 "tokens",   "members",    "state", "adopt",
                 "back up"};
/// And of issuing_answer's.
constexpr std::array<std::string_view, std::variant_size_v<issuing_answer>>
  answer_kinds{"joined",  "certified", "items", "tokens",
               "members", "state",     "done",  "refused"};

// -- parts of messages --------------------------------------------------------

std::vector<network_item> read_items(fields& from, const char* name) {
  std::vector<network_item> items;
  for (const auto& each : from.list(name, most_issuing_list)) {
    fields item(each, "item");
    items.push_back({item.bytes("key", most_key_bytes),
                     item.bytes("content", most_issuing_frame_bytes)});
    if (item.finish())
      from.fail(name, "has something that is no item");
  }
  return items;
}

invitation read_terms_of_token(fields& from, const char* name) {
  auto terms = read_invitation(from.bytes(name, most_issuing_frame_bytes));
  if (terms)
    return std::move(*terms);
  // Says precisely what is wrong with it, for who has typed it.
  from.fail(name, "is not as it may be (" + terms.error().what + ")");
  return {};
}

// -- questions ----------------------------------------------------------------

value write(const ask_admission& what) {
  return value{{"request", cbor::binary(encode(what.request))},
               {"exporter", cbor::binary(what.exporter)}};
}
value write(const ask_for_itself& what) {
  return value{{"request", cbor::binary(what.request)}};
}
value write(const ask_items& what) {
  return value{{"after", what.after}, {"patience", what.patience.count()}};
}
value write(const ask_invitation& what) {
  return value{{"invitation", cbor::binary(encode(what.terms))}};
}
value write(const ask_withdrawal& what) {
  return value{{"token", cbor::binary(what.token.bytes)}};
}
value write(const ask_removal& what) {
  return value{{"name", what.name}};
}
value write(const ask_rekeying&) {
  return value::object();
}
value write(const ask_directory_certificate& what) {
  return value{{"name", what.name}, {"key", cbor::binary(what.key.bytes)}};
}
value write(const ask_tokens& what) {
  return what.after ? value{{"after", cbor::binary(what.after->bytes)}}
                    : value::object();
}
value write(const ask_members& what) {
  return what.after ? value{{"after", cbor::binary(what.after->bytes)}}
                    : value::object();
}
value write(const ask_state&) {
  return value::object();
}
value write(const ask_adoption& what) {
  return value{{"items", terms::write(what.items)}, {"last", what.last}};
}

value write(const ask_backup& what) {
  return value{{"path", what.path}};
}

void read(fields& from, const value&, ask_admission& what) {
  auto request
    = read_proven_request(from.bytes("request", 2 * most_join_request_bytes));
  if (request)
    what.request = std::move(*request);
  else
    from.fail("request", "is none to join");
  from.bytes("exporter", what.exporter);
}
void read(fields& from, const value&, ask_for_itself& what) {
  what.request = from.bytes("request", most_own_request_bytes);
}
void read(fields& from, const value&, ask_items& what) {
  what.after = from.number("after");
  const auto most = static_cast<std::uint64_t>(longest_patience.count());
  what.patience = std::chrono::seconds(
    static_cast<std::chrono::seconds::rep>(from.number("patience", most)));
}
void read(fields& from, const value&, ask_invitation& what) {
  what.terms = read_terms_of_token(from, "invitation");
}
void read(fields& from, const value&, ask_withdrawal& what) {
  from.bytes("token", what.token.bytes);
}
void read(fields& from, const value&, ask_removal& what) {
  what.name = from.text("name", longest_network_word);
}
void read(fields&, const value&, ask_rekeying&) {
}
void read(fields& from, const value&, ask_directory_certificate& what) {
  what.name = from.text("name", longest_network_word);
  from.bytes("key", what.key.bytes);
}
void read(fields& from, const value&, ask_tokens& what) {
  if (from.has("after"))
    from.bytes("after", what.after.emplace().bytes);
}
void read(fields& from, const value&, ask_members& what) {
  if (from.has("after"))
    from.bytes("after", what.after.emplace().bytes);
}
void read(fields&, const value&, ask_state&) {
}
void read(fields& from, const value&, ask_adoption& what) {
  what.items = read_items(from, "items");
  what.last = from.flag("last");
}

void read(fields& from, const value&, ask_backup& what) {
  constexpr std::size_t longest_path = 4096;
  what.path = from.text("path", longest_path);
}

// -- answers ------------------------------------------------------------------

value write(const join_answer_given& what) {
  return value{{"answer", cbor::binary(encode(join_answer{what.admission}))}};
}
value write(const certified_answer& what) {
  value map{{"certificates", terms::write(what.certificates)}};
  terms::write(map, what.secret);
  return map;
}
value write(const issued_items& what) {
  return value{{"items", terms::write(what.items)},
               {"gone", terms::write(what.gone)},
               {"through", what.through},
               {"more", what.more}};
}
value write(const tokens_answer& what) {
  auto list = value::array();
  for (const auto& each : what.tokens)
    list.push_back(value{{"invitation", cbor::binary(encode(each.terms))},
                         {"used", each.used},
                         {"withdrawn", each.withdrawn}});
  return value{{"tokens", std::move(list)}, {"more", what.more}};
}
value write(const members_answer& what) {
  auto list = value::array();
  for (const auto& each : what.members)
    list.push_back(value::object(
      {{"terms", terms::write(each.terms)}, {"removed", each.removed}}));
  return value{{"members", std::move(list)}, {"more", what.more}};
}
value write(const state_answer& what) {
  return value::object(
    {{"root", terms::write(certificate_contents{what.root})},
     {"issuer", terms::write(certificate_contents{what.issuer})},
     {"journal", what.journal},
     {"head", cbor::binary(what.head)},
     {"members", what.members},
     {"epoch", what.epoch},
     {"list", what.list},
     {"ends", terms::seconds(what.ends)},
     {"recovering", what.recovering}});
}
value write(const issuing_done&) {
  return value::object();
}
value write(const issuing_refused& what) {
  auto map = value::object();
  terms::write(map, what.why);
  return map;
}

void read(fields& from, const value&, join_answer_given& what) {
  auto answer = read_join_answer(from.bytes("answer", most_join_answer_bytes));
  if (answer && *answer)
    what.admission = std::move(**answer);
  else
    from.fail("answer", "is none to joining");
}
void read(fields& from, const value&, certified_answer& what) {
  what.certificates
    = terms::read_certificates(from, "certificates", most_join_certificates);
  what.secret = terms::read_secret(from);
}
void read(fields& from, const value&, issued_items& what) {
  what.items = read_items(from, "items");
  what.gone = terms::read_byte_strings(from, "gone", most_issuing_list,
                                       {0, most_key_bytes},
                                       "has something that is no key");
  what.through = from.number("through");
  what.more = from.flag("more");
}
void read(fields& from, const value&, tokens_answer& what) {
  for (const auto& each : from.list("tokens", most_issuing_list)) {
    fields token(each, "token");
    what.tokens.push_back({read_terms_of_token(token, "invitation"),
                           token.number("used"), token.flag("withdrawn")});
    if (token.finish())
      from.fail("tokens", "has something that is none");
  }
  what.more = from.flag("more");
}
void read(fields& from, const value&, members_answer& what) {
  for (const auto& each : from.list("members", most_issuing_list)) {
    fields member(each, "member");
    what.members.push_back(
      {terms::read_terms(member, each, "terms"), member.flag("removed")});
    if (member.finish())
      from.fail("members", "has something that is none");
  }
  what.more = from.flag("more");
}
void read(fields& from, const value&, state_answer& what) {
  what.root = terms::read_contents<root_contents>(from, "root");
  what.issuer = terms::read_contents<issuer_contents>(from, "issuer");
  what.journal = from.number("journal");
  from.bytes("head", what.head);
  what.members = from.number("members");
  what.epoch = from.number("epoch");
  what.list = from.number("list");
  what.ends = from.time("ends");
  what.recovering = from.flag("recovering");
}
void read(fields&, const value&, issuing_done&) {
}
void read(fields& from, const value&, issuing_refused& what) {
  what.why = terms::read_refused(from);
}

// -- both ---------------------------------------------------------------------

template <class Message, std::size_t Size>
byte_vector encode_message(const Message& message,
                           const std::array<std::string_view, Size>& kinds) {
  auto map = std::visit([](const auto& each) { return write(each); }, message);
  map["!kind"] = std::string{kinds.at(message.index())};
  return with_length(cbor::write(map));
}

template <class Message, std::size_t Index = 0, std::size_t Size>
Message read_kind(std::string_view kind, fields& from, const value& map,
                  const std::array<std::string_view, Size>& kinds) {
  if constexpr (Index < Size) {
    if (kind != kinds[Index])
      return read_kind<Message, Index + 1>(kind, from, map, kinds);
    std::variant_alternative_t<Index, Message> message;
    read(from, map, message);
    return message;
  } else {
    from.fail("!kind", "is none that this weft knows");
    return {};
  }
}

template <class Message, std::size_t Size>
accepted<Message>
read_message(const_byte_span frame, const std::string& what,
             const std::array<std::string_view, Size>& kinds) {
  const auto map = cbor::read(frame, most_issuing_frame_bytes, what);
  if (!map)
    return tl::unexpected(map.error());
  fields from(*map, what);
  auto message
    = read_kind<Message>(from.text("!kind", longest_kind), from, *map, kinds);
  if (auto wrong = from.finish())
    return tl::unexpected(std::move(*wrong));
  return message;
}

} // namespace

byte_vector encode_frame(const issuing_question& question) {
  return encode_message(question, question_kinds);
}

byte_vector encode_frame(const issuing_answer& answer) {
  return encode_message(answer, answer_kinds);
}

accepted<issuing_question> read_issuing_question(const_byte_span frame) {
  return read_message<issuing_question>(frame, "question", question_kinds);
}

accepted<issuing_answer> read_issuing_answer(const_byte_span frame) {
  return read_message<issuing_answer>(frame, "answer of the issuer",
                                      answer_kinds);
}

} // namespace weft
