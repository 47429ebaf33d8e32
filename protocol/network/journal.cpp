#include "protocol/network/journal.hpp"

#include "protocol/network/certified_terms.hpp"
#include "protocol/network/terms.hpp"

#include <array>

namespace weft {

namespace {

constexpr std::string_view context = "weft journal 1";

/// In the order of journal_event's alternatives.
constexpr std::array<std::string_view, std::variant_size_v<journal_event>>
  kinds{"begun",  "invited", "withdrawn", "admitted", "renewed",  "removed",
        "listed", "epoch",   "adopted",   "gone",     "recovered"};

// -- events as values --------------------------------------------------------

cbor::value write(const journal_begun& event) {
  return cbor::value::object(
    {{"root", terms::write(certificate_contents{event.root})},
     {"issuer", terms::write(certificate_contents{event.issuer})}});
}

cbor::value write(const token_invited& event) {
  return cbor::value::object(
    {{"invitation", cbor::binary(encode(event.terms))}});
}

cbor::value write(const token_withdrawn& event) {
  return cbor::value::object({{"token", cbor::binary(event.token.bytes)}});
}

cbor::value write(const member_admitted& event) {
  return cbor::value::object({{"token", cbor::binary(event.token.bytes)},
                              {"terms", terms::write(event.terms)}});
}

cbor::value write(const member_renewed& event) {
  return cbor::value::object({{"terms", terms::write(event.terms)}});
}

cbor::value write(const member_removed& event) {
  return cbor::value::object({{"id", cbor::binary(event.id.bytes)}});
}

cbor::value write(const list_issued& event) {
  return cbor::value::object({{"list", event.number}});
}

cbor::value write(const epoch_begun& event) {
  return cbor::value::object({{"epoch", event.epoch}});
}

cbor::value write(const member_adopted& event) {
  return cbor::value::object({{"terms", terms::write(event.terms)}});
}

cbor::value write(const removal_adopted& event) {
  return cbor::value::object({{"id", cbor::binary(event.id.bytes)}});
}

cbor::value write(const journal_recovered& event) {
  return cbor::value::object({{"allocation", event.allocation}});
}

// -- and back ----------------------------------------------------------------

void read(cbor::fields& from, const cbor::value&, journal_begun& event) {
  event.root = terms::read_contents<root_contents>(from, "root");
  event.issuer = terms::read_contents<issuer_contents>(from, "issuer");
}

void read(cbor::fields& from, const cbor::value&, token_invited& event) {
  auto terms
    = read_invitation(from.bytes("invitation", most_journal_entry_bytes));
  if (terms)
    event.terms = std::move(*terms);
  else
    from.fail("invitation", "is none");
}

void read(cbor::fields& from, const cbor::value&, token_withdrawn& event) {
  from.bytes("token", event.token.bytes);
}

void read(cbor::fields& from, const cbor::value& map, member_admitted& event) {
  from.bytes("token", event.token.bytes);
  event.terms = terms::read_terms(from, map, "terms");
}

void read(cbor::fields& from, const cbor::value& map, member_renewed& event) {
  event.terms = terms::read_terms(from, map, "terms");
}

void read(cbor::fields& from, const cbor::value&, member_removed& event) {
  from.bytes("id", event.id.bytes);
}

void read(cbor::fields& from, const cbor::value&, list_issued& event) {
  event.number = from.number("list");
}

void read(cbor::fields& from, const cbor::value&, epoch_begun& event) {
  event.epoch = from.number("epoch");
}

void read(cbor::fields& from, const cbor::value& map, member_adopted& event) {
  event.terms = terms::read_terms(from, map, "terms");
}

void read(cbor::fields& from, const cbor::value&, removal_adopted& event) {
  from.bytes("id", event.id.bytes);
}

void read(cbor::fields& from, const cbor::value&, journal_recovered& event) {
  event.allocation = from.number("allocation");
}

template <std::size_t Index = 0>
journal_event
read_event(std::string_view kind, cbor::fields& from, const cbor::value& map) {
  if constexpr (Index < kinds.size()) {
    if (kind != kinds[Index])
      return read_event<Index + 1>(kind, from, map);
    std::variant_alternative_t<Index, journal_event> event;
    read(from, map, event);
    return event;
  } else {
    from.fail("kind", "is none that this weft knows");
    return {};
  }
}

} // namespace

byte_vector journal_chain::write(const journal_entry& entry) const {
  auto map = std::visit([](const auto& each) { return weft::write(each); },
                        entry.event);
  map["!what"] = std::string{context};
  map["number"] = length_ + 1;
  map["former"] = cbor::binary(head_);
  map["at"] = terms::seconds(entry.at);
  map["kind"] = std::string{kinds.at(entry.event.index())};
  return cbor::write(map);
}

accepted<journal_entry> journal_chain::read(const_byte_span bytes) const {
  constexpr std::size_t longest_kind = 16;
  const auto what = "journal entry " + std::to_string(length_ + 1);
  const auto map = cbor::read(bytes, most_journal_entry_bytes, what);
  if (!map)
    return tl::unexpected(map.error());
  cbor::fields from(*map, what);
  terms::read_context(from, context);
  if (from.number("number") != length_ + 1)
    from.fail("number", "is not the next");
  sha256_digest former{};
  from.bytes("former", former);
  if (former != head_)
    from.fail("former", "is another chain's");
  journal_entry entry;
  entry.at = from.time("at");
  entry.event = read_event(from.text("kind", longest_kind), from, *map);
  if (auto wrong = from.finish())
    return tl::unexpected(std::move(*wrong));
  return entry;
}

void journal_chain::append(const_byte_span bytes) {
  ++length_;
  head_ = sha256({bytes});
}

} // namespace weft
