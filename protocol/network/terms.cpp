#include "protocol/network/terms.hpp"

#include "protocol/base/text.hpp"
#include "protocol/network/join_answer.hpp"
#include "protocol/network/ranges.hpp"

#include <algorithm>

namespace weft::terms {

namespace {

constexpr std::size_t longest_reason = 512;

/// As long as it may be, and not cut within a character.
std::string shortened(const std::string& reason) {
  auto text = reason.substr(0, longest_reason);
  text.resize(std::min(text.size(), find_invalid_utf8(text)));
  return text;
}

} // namespace

std::uint64_t seconds(network_time when) {
  return static_cast<std::uint64_t>(when.time_since_epoch().count());
}

cbor::value write(std::span<const ip_prefix> prefixes) {
  auto list = cbor::value::array();
  for (const auto& prefix : prefixes)
    list.push_back(to_string(prefix));
  return list;
}

std::vector<ip_prefix> read_prefixes(cbor::fields& from, const char* name) {
  std::vector<ip_prefix> prefixes;
  for (const auto& each : from.list(name, most_prefixes)) {
    const auto* text = each.get_ptr<const std::string*>();
    const auto prefix = text != nullptr ? parse_ip_prefix(*text) : std::nullopt;
    if (!prefix || to_string(*prefix) != *text) {
      from.fail(name, "has something that is no prefix");
      return {};
    }
    prefixes.push_back(*prefix);
  }
  return prefixes;
}

std::set<std::string>
read_words(cbor::fields& from, const char* name, std::size_t most) {
  std::set<std::string> words;
  for (const auto& each : from.list(name, most)) {
    const auto* text = each.get_ptr<const std::string*>();
    if (text == nullptr || !is_network_word(*text)
        || !words.insert(*text).second) {
      from.fail(name, "has something that is no word of its own");
      return {};
    }
  }
  return words;
}

void read_context(cbor::fields& from, std::string_view context) {
  if (from.text("!what", context.size()) != context)
    from.fail("!what", "is not '" + std::string{context} + "'");
}

void write(cbor::value& into, const refused& why) {
  into["refused"] = std::string{to_string(why.why)};
  into["reason"] = shortened(why.what);
}

refused read_refused(cbor::fields& from) {
  // A reason that a newer issuer has is one that is not in our list.
  const auto why = parse_refusal(from.text("refused", longest_reason));
  return {why.value_or(refusal::not_allowed),
          from.text("reason", longest_reason)};
}

cbor::value write(std::span<const byte_vector> strings) {
  auto list = cbor::value::array();
  for (const auto& each : strings)
    list.push_back(cbor::binary(each));
  return list;
}

std::vector<byte_vector>
read_byte_strings(cbor::fields& from, const char* name, std::size_t most,
                  byte_count each, std::string_view is_wrong) {
  std::vector<byte_vector> strings;
  for (const auto& one : from.list(name, most)) {
    if (!one.is_binary() || one.get_binary().size() < each.least
        || one.get_binary().size() > each.most) {
      from.fail(name, is_wrong);
      return {};
    }
    const auto bytes = std::as_bytes(std::span(one.get_binary()));
    strings.emplace_back(bytes.begin(), bytes.end());
  }
  return strings;
}

std::vector<byte_vector>
read_certificates(cbor::fields& from, const char* name, std::size_t most) {
  auto certificates
    = read_byte_strings(from, name, most, {1, most_certificate_bytes},
                        "has something that is none");
  if (certificates.empty())
    from.fail(name, "has none");
  return certificates;
}

cbor::value write(std::span<const bucket_table::item> items) {
  auto list = cbor::value::array();
  for (const auto& each : items)
    list.push_back(cbor::value{{"key", cbor::binary(each.key)},
                               {"content", cbor::binary(each.content)}});
  return list;
}

void write(cbor::value& into, const std::optional<sealed_secret>& secret) {
  if (!secret)
    return;
  into["epoch"] = secret->epoch;
  into["secret"] = cbor::binary(secret->box);
}

std::optional<sealed_secret> read_secret(cbor::fields& from) {
  if (!from.has("secret"))
    return std::nullopt;
  return sealed_secret{from.number("epoch"),
                       from.bytes("secret", most_sealed_bytes)};
}

} // namespace weft::terms
