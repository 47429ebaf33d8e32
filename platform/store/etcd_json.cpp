#include "platform/store/etcd_json.hpp"

#include "protocol/base/text.hpp"
#include "protocol/base/wipe.hpp"

#include <nlohmann/json.hpp>
#include <sodium.h>

#include <charconv>

namespace weft::etcd {

namespace {

using nlohmann::json;

constexpr auto base64 = sodium_base64_VARIANT_ORIGINAL;
/// A change of eight operations has six.
constexpr int deepest = 12;
constexpr std::size_t longest_message = 200;

std::string encoded(std::string_view bytes) {
  std::string text(sodium_base64_ENCODED_LEN(bytes.size(), base64), '\0');
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const auto* from = reinterpret_cast<const unsigned char*>(bytes.data());
  sodium_bin2base64(text.data(), text.size(), from, bytes.size(), base64);
  text.pop_back(); // the zero at the end
  return text;
}

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

json put(const put_operation& operation) {
  json made{{"key", encoded(operation.key)},
            {"value", encoded(operation.value)}};
  if (operation.lease != 0)
    made["lease"] = number(operation.lease);
  return made;
}

/// Thrown on the way through an answer, and caught where it is parsed.
struct misshapen {
  const char* what;
};

/// The member, or null.
const json& member(const json& of, const char* name) {
  static const json nothing;
  if (!of.is_object())
    throw misshapen{"an object is missing"};
  const auto at = of.find(name);
  return at == of.end() ? nothing : *at;
}

const json& object(const json& of, const char* name) {
  const auto& found = member(of, name);
  if (!found.is_object())
    throw misshapen{"an object is missing"};
  return found;
}

/// Empty if there is none.
const json& list(const json& of, const char* name) {
  static const json empty = json::array();
  const auto& found = member(of, name);
  if (found.is_null())
    return empty;
  if (!found.is_array())
    throw misshapen{"a list is something else"};
  return found;
}

bool flag(const json& of, const char* name) {
  const auto& found = member(of, name);
  if (found.is_null())
    return false;
  if (!found.is_boolean())
    throw misshapen{"a flag is something else"};
  return found.get<bool>();
}

std::string text_of(const json& of, const char* name) {
  const auto& found = member(of, name);
  if (found.is_null())
    return {};
  if (!found.is_string())
    throw misshapen{"a text is something else"};
  return found.get<std::string>();
}

/// As text, or plainly as some versions have small ones.
std::uint64_t number_of(const json& of, const char* name) {
  const auto& found = member(of, name);
  if (found.is_null())
    return 0;
  if (found.is_number_unsigned())
    return found.get<std::uint64_t>();
  if (!found.is_string())
    throw misshapen{"a number is something else"};
  const auto& text = found.get_ref<const std::string&>();
  std::uint64_t value = 0;
  const auto* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc{} || read.ptr != end)
    throw misshapen{"a number is something else"};
  return value;
}

std::string bytes_of(const json& of, const char* name, std::size_t most) {
  const auto text = text_of(of, name);
  std::string bytes(text.size() / 4 * 3 + 3, '\0');
  std::size_t size = 0;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  auto* to = reinterpret_cast<unsigned char*>(bytes.data());
  if (sodium_base642bin(to, bytes.size(), text.data(), text.size(), nullptr,
                        &size, nullptr, base64)
      != 0)
    throw misshapen{"bytes are no base64"};
  if (size > most)
    throw misshapen{"an entry is larger than directories write them"};
  bytes.resize(size);
  return bytes;
}

/// With the store's own prefix, which is not counted.
std::string key_of(const json& entry) {
  auto key = bytes_of(entry, "key", 2 * longest_store_key);
  if (key.empty())
    throw misshapen{"an entry has no key"};
  return key;
}

std::string value_of(const json& entry) {
  return bytes_of(entry, "value", largest_store_value);
}

store_entry entry_of(const json& from) {
  store_entry entry{key_of(from), value_of(from),
                    number_of(from, "mod_revision")};
  if (entry.changed == 0)
    throw misshapen{"an entry has no revision"};
  return entry;
}

std::vector<store_entry> entries_of(const json& range) {
  std::vector<store_entry> entries;
  for (const auto& from : list(range, "kvs"))
    entries.push_back(entry_of(from));
  return entries;
}

header header_of(const json& answer) {
  const auto& head = object(answer, "header");
  return {number_of(head, "cluster_id"), number_of(head, "revision")};
}

std::string short_text(std::string text) {
  text = printable(find_invalid_utf8(text) == std::string::npos
                     ? text
                     : std::string{"no text"});
  if (text.size() > longest_message)
    text.resize(longest_message);
  return text;
}

/// What does not keep to the depth is left out, so that it takes no memory.
json parsed(std::string_view text) {
  if (text.size() > largest_answer)
    throw misshapen{"it is too large"};
  bool too_deep = false;
  auto made = json::parse(
    text,
    [&](int depth, json::parse_event_t event, const json&) {
      if (depth > deepest && event != json::parse_event_t::key)
        too_deep = true;
      return !too_deep;
    },
    false);
  if (too_deep || !made.is_object())
    throw misshapen{"it is no JSON object of a few levels"};
  return made;
}

/// An error, be it in the answer's place or in the stream.
std::optional<refusal> refusal_in(const json& answer) {
  const auto& error = member(answer, "error");
  if (error.is_null())
    return std::nullopt;
  const auto& from = error.is_object() ? error : answer;
  auto code = number_of(from, error.is_object() ? "grpc_code" : "code");
  if (code == 0 || code > 16)
    code = static_cast<std::uint64_t>(status::unknown);
  auto message = text_of(from, "message");
  if (message.empty() && error.is_string())
    message = error.get<std::string>();
  return refusal{static_cast<status>(code), short_text(std::move(message))};
}

/// Runs `read` on the answer, or on what stands in it as `result`.
template <class T, class Read>
answer<T> parse(std::string_view text, bool in_stream, Read read) {
  try {
    const auto all = parsed(text);
    if (auto refused = refusal_in(all))
      return tl::unexpected(std::move(*refused));
    return read(in_stream ? object(all, "result") : all);
  } catch (const misshapen& wrong) {
    return tl::unexpected(
      refusal{status::malformed,
              std::string{"this is no answer of etcd's: "} + wrong.what});
  } catch (const json::exception&) {
    return tl::unexpected(
      refusal{status::malformed, "this is no answer of etcd's"});
  }
}

store_event event_of(const json& from) {
  const auto& entry = object(from, "kv");
  store_event event{number_of(entry, "mod_revision"), key_of(entry),
                    std::nullopt};
  if (event.at == 0)
    throw misshapen{"an event has no revision"};
  const auto type = text_of(from, "type");
  if (type.empty() || type == "PUT")
    event.value = value_of(entry);
  else if (type != "DELETE")
    throw misshapen{"an event is of an unknown type"};
  return event;
}

} // namespace

std::string to_json(const range_request& request) {
  json made{{"key", encoded(request.key)}, {"limit", number(request.most)}};
  if (!request.end.empty())
    made["range_end"] = encoded(request.end);
  if (request.at != 0)
    made["revision"] = number(request.at);
  return made.dump();
}

std::string to_json(const put_operation& request) {
  return put(request).dump();
}

std::string to_json(const transaction_request& request) {
  json made{{"compare", json::array()}, {"success", json::array()}};
  for (const auto& condition : request.conditions)
    made["compare"].push_back({{"key", encoded(condition.key)},
                               {"target", "MOD"},
                               {"result", "EQUAL"},
                               {"mod_revision", number(condition.changed)}});
  for (const auto& write : request.writes) {
    if (write.value)
      made["success"].push_back(
        {{"request_put", put({write.key, *write.value})}});
    else
      made["success"].push_back(
        {{"request_delete_range", {{"key", encoded(write.key)}}}});
  }
  made["failure"] = json::array(
    {{{"request_range", {{"key", encoded(request.otherwise_read)}}}}});
  return made.dump();
}

std::string to_json(const watch_request& request) {
  return json{{"create_request",
               {{"key", encoded(request.key)},
                {"range_end", encoded(request.end)},
                {"start_revision", number(request.from)}}}}
    .dump();
}

std::string
authenticate_request(const std::string& name, std::string_view password) {
  json made{{"name", name}, {"password", password}};
  auto text = made.dump(-1, ' ', false, json::error_handler_t::replace);
  wipe_text(made["password"].get_ref<std::string&>());
  return text;
}

std::string grant_request(std::uint64_t lease, std::chrono::seconds time) {
  return json{{"ID", number(lease)}, {"TTL", std::to_string(time.count())}}
    .dump();
}

std::string keep_alive_request(std::uint64_t lease) {
  return json{{"ID", number(lease)}}.dump();
}

std::string compaction_request(store_revision revision) {
  return json{{"revision", number(revision)}}.dump();
}

answer<header> parse_done(std::string_view text) {
  return parse<header>(text, false, header_of);
}

answer<range_answer> parse_range(std::string_view text) {
  return parse<range_answer>(text, false, [](const json& from) {
    return range_answer{header_of(from), entries_of(from), flag(from, "more")};
  });
}

answer<transaction_answer> parse_transaction(std::string_view text) {
  return parse<transaction_answer>(text, false, [](const json& from) {
    transaction_answer made{header_of(from), flag(from, "succeeded"), {}};
    for (const auto& response : list(from, "responses")) {
      const auto& range = member(response, "response_range");
      if (!range.is_null())
        made.read = entries_of(range);
    }
    return made;
  });
}

answer<std::string> parse_token(std::string_view text) {
  return parse<std::string>(text, false, [](const json& from) {
    auto token = text_of(from, "token");
    if (token.empty() || token.size() > 8192 || has_control_characters(token))
      throw misshapen{"there is no token"};
    return token;
  });
}

answer<std::uint64_t> parse_kept(std::string_view text) {
  return parse<std::uint64_t>(text, true, [](const json& from) {
    return number_of(from, "TTL");
  });
}

answer<watch_answer> parse_watch(std::string_view line) {
  return parse<watch_answer>(line, true, [](const json& from) {
    watch_answer made;
    made.created = flag(from, "created");
    made.cancelled = flag(from, "canceled");
    made.compacted = number_of(from, "compact_revision");
    made.reason = short_text(text_of(from, "cancel_reason"));
    for (const auto& event : list(from, "events"))
      made.events.push_back(event_of(event));
    return made;
  });
}

refusal parse_refusal(std::string_view text) {
  const auto none = parse<bool>(text, false, [](const json&) { return true; });
  if (!none)
    return none.error();
  return {status::malformed, "this is no answer of etcd's"};
}

} // namespace weft::etcd
