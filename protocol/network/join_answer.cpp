#include "protocol/network/join_answer.hpp"

#include "protocol/base/text.hpp"
#include "protocol/network/cbor.hpp"

#include <algorithm>

namespace weft {

namespace {

const std::string what_it_is = "answer to joining";
constexpr std::size_t longest_reason = 512;
constexpr std::size_t most_box_bytes = 256;

std::optional<refusal> parse_refusal(std::string_view text) {
  for (std::size_t i = 0; i < refusal_count; ++i) {
    if (text == to_string(static_cast<refusal>(i)))
      return static_cast<refusal>(i);
  }
  return std::nullopt;
}

refused read_refusal(cbor::fields& from) {
  // A reason that a newer issuer has is one that is not in our list.
  const auto why = parse_refusal(from.text("refused", longest_reason));
  return {why.value_or(refusal::not_allowed),
          from.text("reason", longest_reason)};
}

join_admission read_admission(cbor::fields& from) {
  join_admission result;
  for (const auto& each : from.list("certificates", most_join_certificates)) {
    if (!each.is_binary() || each.get_binary().empty()
        || each.get_binary().size() > most_certificate_bytes) {
      from.fail("certificates", "has something that is none");
      return {};
    }
    const auto certificate = std::as_bytes(std::span(each.get_binary()));
    result.certificates.emplace_back(certificate.begin(), certificate.end());
  }
  if (result.certificates.empty())
    from.fail("certificates", "has none");
  if (from.has("secret"))
    result.secret = sealed_secret{from.number("epoch"),
                                  from.bytes("secret", most_box_bytes)};
  return result;
}

/// As long as it may be, and not cut within a character.
std::string shortened(const std::string& reason) {
  auto text = reason.substr(0, longest_reason);
  text.resize(std::min(text.size(), find_invalid_utf8(text)));
  return text;
}

} // namespace

byte_vector encode(const join_answer& answer) {
  auto map = cbor::value::object();
  if (!answer) {
    map["refused"] = std::string{to_string(answer.error().why)};
    map["reason"] = shortened(answer.error().what);
    return cbor::write(map);
  }
  auto certificates = cbor::value::array();
  for (const auto& each : answer->certificates)
    certificates.push_back(cbor::binary(each));
  map["certificates"] = std::move(certificates);
  if (answer->secret) {
    map["epoch"] = answer->secret->epoch;
    map["secret"] = cbor::binary(answer->secret->box);
  }
  return cbor::write(map);
}

accepted<join_answer> read_join_answer(const_byte_span bytes) {
  const auto map = cbor::read(bytes, most_join_answer_bytes, what_it_is);
  if (!map)
    return tl::unexpected(map.error());
  cbor::fields from(*map, what_it_is);
  join_answer answer;
  if (from.has("refused"))
    answer = tl::unexpected(read_refusal(from));
  else
    answer = read_admission(from);
  if (auto wrong = from.finish())
    return tl::unexpected(std::move(*wrong));
  accepted<join_answer> result{tl::in_place, std::move(answer)};
  return result;
}

} // namespace weft
