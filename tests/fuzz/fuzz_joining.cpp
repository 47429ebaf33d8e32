// A joining from its first frame to its last, but for TLS: whatever one side
// sends, the other one stays within its bounds, and nobody is let in but by the
// token of an invitation.
//
// The input: `n` for what a node says to a directory that has an issuer, or `d`
// for what a directory says to a node; then the stream.  Keys and the session's
// secret are always the same, so that a corpus can have what is right.
#include "actors/network/joining_connection.hpp"
#include "tests/fuzz/support.hpp"

namespace {

using namespace weft;
using namespace weft::test;

const network_time noon{std::chrono::seconds{1'790'000'000}};

network_id some_network() {
  network_id id;
  id.bytes[0] = std::byte{1};
  return id;
}

member_id some_member() {
  member_id id;
  id.bytes[0] = std::byte{1};
  return id;
}

join_keys some_keys() {
  counter random(7);
  return {draw_signing_seed(random), draw_signing_seed(random),
          generate_private_key(random)};
}

/// With one invitation, for the token of some_keys().
issuer some_issuer() {
  const root_contents root{
    some_network(), "prod", {*parse_ip_prefix("10.200.0.0/16")}};
  const issuer_contents self{some_network(), "first", root.ranges};
  auto made
    = issuer::from_journal(issuer::begin(root, self, noon).value()).value();
  invitation terms;
  terms.network = some_network();
  terms.token = derive_verifying_key(some_keys().token);
  terms.uses = 1;
  terms.until = noon + std::chrono::hours{1};
  const auto invited = made.invite(terms, noon);
  require(invited && made.take_over(invited->entry.value()));
  return made;
}

void try_answer(const join_answer& answer) {
  frame_reader reader(most_join_answer_bytes);
  reader.append(joining_answer(answer));
  const auto frame = reader.next();
  require(frame && *frame);
  const auto read = read_join_answer(**frame);
  require(read && *read == answer);
}

void try_directory(const_byte_span stream) {
  counter random(1);
  joining_connection directory(tls_exporter{}, random);
  require(directory.challenge().size()
          == frame_length_bytes + public_key{}.bytes.size());
  frame_reader reader(most_joining_bytes);
  reader.append(stream);
  const auto frame = reader.next();
  if (!frame || !*frame)
    return;
  const auto asked = directory.take(**frame, some_network());
  require(directory.has_asked());
  require(!directory.take(**frame, some_network()));
  if (!asked)
    return try_answer(tl::unexpected(asked.error()));
  const auto request = check_signatures(asked->request, asked->exporter);
  require(request.has_value());
  auto core = some_issuer();
  const auto made = core.admit(*request, some_member(), noon);
  if (!made)
    return try_answer(tl::unexpected(made.error()));
  require(request->token == derive_verifying_key(some_keys().token));
  require(core.take_over(made->entry.value()).has_value());
  require(!core.admit(*request, some_member(), noon)->entry);
  try_answer(join_admission{{byte_vector(1), byte_vector(1)}, {}});
}

void try_node(const_byte_span stream) {
  frame_reader reader(most_join_answer_bytes);
  reader.append(stream);
  const auto first = reader.next();
  if (!first || !*first)
    return;
  join_challenge given;
  if ((*first)->size() == given.ephemeral.bytes.size()) {
    std::copy((*first)->begin(), (*first)->end(),
              given.ephemeral.bytes.begin());
    const auto proven
      = prove(some_keys(), some_network(), "one", tls_exporter{}, given);
    require(!proven
            || (check_signatures(*proven, tls_exporter{})
                && encode(*proven).size() <= most_joining_bytes));
  }
  for (auto frame = first; frame && *frame; frame = reader.next()) {
    const auto answer = read_join_answer(**frame);
    if (answer)
      require(read_join_answer(encode(*answer)) == answer);
    else
      require(!answer.error().what.empty());
  }
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0)
    return 0;
  const auto stream = std::as_bytes(std::span(data + 1, size - 1));
  if (data[0] == 'n')
    try_directory(stream);
  else if (data[0] == 'd')
    try_node(stream);
  return 0;
}
