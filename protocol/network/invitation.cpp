#include "protocol/network/invitation.hpp"

#include "protocol/network/certificate.hpp"
#include "protocol/network/ranges.hpp"
#include "protocol/network/terms.hpp"

namespace weft {

namespace {

const std::string what_it_is = "invitation";
constexpr std::string_view context = "weft invitation 1";
constexpr std::size_t most_bytes = 2048;

} // namespace

std::optional<refused> find_mistake(const invitation& what) {
  const auto wrong = [](std::string how) {
    return refused{refusal::malformed, what_it_is + ": " + std::move(how)};
  };
  if (what.network == network_id{} || what.token == verifying_key{})
    return wrong("it names no network or no token");
  if (what.uses == 0 || what.uses > most_uses)
    return wrong("it has 1 to " + std::to_string(most_uses) + " uses");
  if (what.until <= network_time{} || what.until > latest_network_time)
    return wrong("it has no end");
  if (what.groups.size() > most_groups)
    return wrong("more than " + std::to_string(most_groups) + " groups");
  for (const auto& group : what.groups) {
    if (!is_network_word(group))
      return wrong("a group is 1-32 of a-z, 0-9 and -");
  }
  if (what.name && !is_network_word(*what.name))
    return wrong("a name is 1-32 of a-z, 0-9 and -");
  if (auto mistake = mistake_in(what.prefixes, "prefixes"))
    return wrong(std::move(*mistake));
  if (what.uses > 1 && (what.name || !what.prefixes.empty()))
    return wrong("a name or a prefix is for one use");
  return std::nullopt;
}

byte_vector encode(const invitation& what) {
  cbor::value map{{"!what", std::string{context}},
                  {"network", cbor::binary(what.network.bytes)},
                  {"token", cbor::binary(what.token.bytes)},
                  {"uses", what.uses},
                  {"until", terms::seconds(what.until)},
                  {"groups", what.groups},
                  {"prefixes", terms::write(what.prefixes)}};
  if (what.name)
    map["name"] = *what.name;
  return cbor::write(map);
}

accepted<invitation> read_invitation(const_byte_span bytes) {
  const auto map = cbor::read(bytes, most_bytes, what_it_is);
  if (!map)
    return tl::unexpected(map.error());
  cbor::fields from(*map, what_it_is);
  terms::read_context(from, context);
  invitation result;
  result.network = from.id<network_id>("network");
  from.bytes("token", result.token.bytes);
  result.uses = from.number("uses");
  result.until = from.time("until");
  result.groups = terms::read_words(from, "groups", most_groups);
  if (from.has("name"))
    result.name = from.text("name", longest_network_word);
  result.prefixes = terms::read_prefixes(from, "prefixes");
  if (auto wrong = from.finish())
    return tl::unexpected(std::move(*wrong));
  if (auto wrong = find_mistake(result))
    return tl::unexpected(std::move(*wrong));
  return result;
}

} // namespace weft
