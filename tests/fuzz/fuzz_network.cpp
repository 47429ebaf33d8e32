// What networks sign, keep and send: whatever is in its place crashes no
// reader, and what is read means the same when it is written and read again.
//
// The input: a letter for the kind, then its bytes.
#include "protocol/network/issuer.hpp"
#include "protocol/network/join_answer.hpp"
#include "protocol/network/record.hpp"
#include "protocol/network/revocations.hpp"
#include "tests/fuzz/support.hpp"

#include <algorithm>

namespace {

using namespace weft;
using namespace weft::test;

template <class Read>
void try_again(const_byte_span bytes, Read read) {
  const auto first = read(bytes);
  if (!first) {
    require(!first.error().what.empty());
    return;
  }
  const auto second = read(encode(*first));
  require(second && *second == *first);
}

/// A record is never written again; it keeps its bounds.
void try_record(const_byte_span bytes) {
  const auto record = member_record::read(bytes);
  if (!record)
    return;
  require(std::equal(bytes.begin(), bytes.end(), record->bytes().begin(),
                     record->bytes().end()));
  require(!find_mistake(record->content()));
  std::ignore = record->verify(verifying_key{});
}

/// URIs, one in each line.
void try_certificate(std::string_view text) {
  std::vector<std::string> uris;
  while (!text.empty()) {
    const auto end = text.find('\n');
    uris.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  if (const auto contents = read_uris(uris))
    require(to_uris(*contents) == uris);
}

void try_journal(const_byte_span bytes) {
  const journal_chain chain;
  const auto entry = chain.read(bytes);
  if (!entry)
    return;
  require(chain.read(chain.write(*entry)) == *entry);
  std::ignore = issuer::from_journal(bytes).has_value();
}

bool equal_proofs(const proven_request& a, const proven_request& b) {
  return a.request == b.request && a.proof == b.proof;
}

void try_proven(const_byte_span bytes) {
  const auto what = read_proven_request(bytes);
  if (!what)
    return;
  require(equal_proofs(read_proven_request(encode(*what)).value(), *what));
  std::ignore = check_signatures(*what, {}).has_value();
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0)
    return 0;
  const auto bytes = std::as_bytes(std::span(data + 1, size - 1));
  switch (data[0]) {
    case 'a':
      try_again(bytes, read_join_answer);
      break;
    case 'c':
      // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
      try_certificate({reinterpret_cast<const char*>(data + 1), size - 1});
      break;
    case 'i':
      try_again(bytes, read_invitation);
      break;
    case 'j':
      try_journal(bytes);
      break;
    case 'l':
      try_again(bytes, read_revocation_list);
      break;
    case 'p':
      try_proven(bytes);
      break;
    case 'q':
      try_again(bytes, read_join_request);
      break;
    default:
      try_record(bytes);
  }
  return 0;
}
