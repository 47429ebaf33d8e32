#include "protocol/network/steering.hpp"

#include "protocol/base/text.hpp"
#include "protocol/network/terms.hpp"

#include <algorithm>
#include <array>

namespace weft {

namespace {

const std::string question_name = "question to a directory";
const std::string answer_name = "answer of a directory";

constexpr std::size_t longest_text = 1024;
constexpr std::size_t longest_endpoint = 64;
constexpr std::size_t most_listed = 64;
constexpr std::size_t longest_presence = 256;

// -- texts -------------------------------------------------------------------

/// Texts come from the system and from libraries: CBOR of ours has them in one
/// line of UTF-8.
std::string tidy(const std::string& text) {
  auto result = text.substr(0, longest_text);
  result.resize(std::min(result.size(), find_invalid_utf8(result)));
  return printable(result);
}

cbor::value write(const std::optional<endpoint>& where) {
  return where ? to_string(*where) : std::string{};
}

std::optional<endpoint> read_endpoint(cbor::fields& from, const char* name) {
  const auto text = from.text(name, longest_endpoint);
  if (text.empty())
    return std::nullopt;
  const auto where = parse_endpoint(text);
  if (!where)
    from.fail(name, "is no endpoint");
  return where;
}

// -- questions ---------------------------------------------------------------

constexpr std::array<const char*, std::variant_size_v<steering_question>>
  question_kinds{"state", "recover", "backup", "members", "items"};

// -- answers -----------------------------------------------------------------

cbor::value write(const std::vector<store_presence>& directories) {
  auto result = cbor::value::array();
  for (const auto& each : directories) {
    if (result.size() == most_listed)
      break;
    result.push_back(cbor::value::object(
      {{"name", tidy(each.name)},
       {"value", tidy(each.value.substr(0, longest_presence))}}));
  }
  return result;
}

std::vector<store_presence> read_directories(cbor::fields& from) {
  std::vector<store_presence> result;
  for (const auto& each : from.list("directories", most_listed)) {
    cbor::fields one(each, "a directory");
    result.push_back(
      {one.text("name", longest_text), one.text("value", longest_presence)});
    if (one.finish())
      from.fail("directories", "has something that is none");
  }
  return result;
}

cbor::value write(const directory_state& state) {
  return cbor::value::object({{"is", "state"},
                              {"name", state.name},
                              {"network", state.network},
                              {"listen", write(state.listen)},
                              {"store", cbor::binary(state.store)},
                              {"revision", state.revision},
                              {"loaded", state.loaded},
                              {"recovering", state.recovering},
                              {"why", tidy(state.why_recovering)},
                              {"has_issuer", state.has_issuer},
                              {"items", state.items},
                              {"connected", state.connected},
                              {"joining", state.joining},
                              {"unknown", state.unknown},
                              {"admitted", state.admitted},
                              {"turned_away", state.turned_away},
                              {"store_trouble", tidy(state.trouble.store)},
                              {"issuer_trouble", tidy(state.trouble.issuer)},
                              {"listen_trouble", tidy(state.trouble.listen)},
                              {"directories", write(state.directories)},
                              {"ends", terms::seconds(state.ends)}});
}

directory_state read_state(cbor::fields& from) {
  directory_state state;
  state.name = from.text("name", longest_network_word);
  state.network = from.text("network", longest_network_word);
  state.listen = read_endpoint(from, "listen");
  from.bytes("store", state.store);
  state.revision = from.number("revision");
  state.loaded = from.flag("loaded");
  state.recovering = from.flag("recovering");
  state.why_recovering = from.text("why", longest_text);
  state.has_issuer = from.flag("has_issuer");
  state.items = from.number("items");
  state.connected = from.number("connected");
  state.joining = from.number("joining");
  state.unknown = from.number("unknown");
  state.admitted = from.number("admitted");
  state.turned_away = from.number("turned_away");
  state.trouble.store = from.text("store_trouble", longest_text);
  state.trouble.issuer = from.text("issuer_trouble", longest_text);
  state.trouble.listen = from.text("listen_trouble", longest_text);
  state.directories = read_directories(from);
  state.ends = from.time("ends");
  return state;
}

cbor::value write(const connected_members& answer) {
  auto members = cbor::value::array();
  for (const auto& each : answer.members) {
    if (members.size() == most_connected_members)
      break;
    members.push_back(cbor::value::object({{"id", cbor::binary(each.id.bytes)},
                                           {"name", each.name},
                                           {"from", to_string(each.from)}}));
  }
  return cbor::value::object(
    {{"is", "members"}, {"members", std::move(members)}, {"all", answer.all}});
}

connected_members read_members(cbor::fields& from) {
  connected_members answer;
  for (const auto& each : from.list("members", most_connected_members)) {
    cbor::fields one(each, "a member");
    connected_members::one member;
    member.id = one.id<member_id>("id");
    member.name = one.text("name", longest_network_word);
    if (const auto where = read_endpoint(one, "from"))
      member.from = *where;
    if (one.finish())
      from.fail("members", "has something that is none");
    answer.members.push_back(std::move(member));
  }
  answer.all = from.number("all");
  return answer;
}

cbor::value write(const known_items& answer) {
  auto items = cbor::value::array();
  for (const auto& each : answer.items)
    items.push_back(
      cbor::value::object({{"key", cbor::binary(each.key)},
                           {"content", cbor::binary(each.content)}}));
  return cbor::value::object(
    {{"is", "items"}, {"items", std::move(items)}, {"more", answer.more}});
}

known_items read_items(cbor::fields& from) {
  known_items answer;
  for (const auto& each : from.list("items", most_steering_items)) {
    cbor::fields one(each, "an item");
    network_item item;
    item.key = one.bytes("key", longest_store_key);
    item.content = one.bytes("content", most_steering_frame_bytes);
    if (one.finish())
      from.fail("items", "has something that is none");
    answer.items.push_back(std::move(item));
  }
  answer.more = from.flag("more");
  return answer;
}

cbor::value write(const steering_done&) {
  return cbor::value::object({{"is", "done"}});
}

cbor::value write(const steering_failed& answer) {
  return cbor::value::object({{"is", "failed"}, {"why", tidy(answer.why)}});
}

} // namespace

byte_vector encode_frame(const steering_question& question) {
  auto map = cbor::value::object();
  map["asks"] = question_kinds.at(question.index());
  if (const auto* backup = std::get_if<ask_store_backup>(&question))
    map["path"] = backup->path;
  if (const auto* items = std::get_if<ask_known_items>(&question))
    map["after"] = cbor::binary(items->after);
  return with_length(cbor::write(map));
}

byte_vector encode_frame(const steering_answer& answer) {
  return with_length(cbor::write(
    std::visit([](const auto& each) { return write(each); }, answer)));
}

accepted<steering_question> read_steering_question(const_byte_span frame) {
  const auto map = cbor::read(frame, most_steering_frame_bytes, question_name);
  if (!map)
    return tl::unexpected(map.error());
  cbor::fields from(*map, question_name);
  steering_question question;
  const auto kind = from.text("asks", longest_text);
  if (kind == "state")
    question = ask_directory_state{};
  else if (kind == "recover")
    question = ask_recovery{};
  else if (kind == "backup")
    question = ask_store_backup{from.text("path", longest_backup_path)};
  else if (kind == "members")
    question = ask_connected_members{};
  else if (kind == "items")
    question = ask_known_items{from.bytes("after", longest_store_key)};
  else
    from.fail("asks", "is nothing that this version answers");
  if (auto wrong = from.finish())
    return tl::unexpected(std::move(*wrong));
  return question;
}

accepted<steering_answer> read_steering_answer(const_byte_span frame) {
  const auto map = cbor::read(frame, most_steering_frame_bytes, answer_name);
  if (!map)
    return tl::unexpected(map.error());
  cbor::fields from(*map, answer_name);
  steering_answer answer;
  const auto kind = from.text("is", longest_text);
  if (kind == "state")
    answer = read_state(from);
  else if (kind == "members")
    answer = read_members(from);
  else if (kind == "items")
    answer = read_items(from);
  else if (kind == "done")
    answer = steering_done{};
  else if (kind == "failed")
    answer = steering_failed{from.text("why", longest_text)};
  else
    from.fail("is", "is no answer that this version knows");
  if (auto wrong = from.finish())
    return tl::unexpected(std::move(*wrong));
  return answer;
}

} // namespace weft
