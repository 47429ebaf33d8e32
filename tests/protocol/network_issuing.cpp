// What an issuer is asked and answers, and what members ask for themselves, as
// bytes.
#include "protocol/network/issuing.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/network_support.hpp"

using namespace weft;
using namespace weft::test;
using namespace std::chrono_literals;

namespace {

const_byte_span without_length(const byte_vector& frame) {
  REQUIRE(frame.size() > 4);
  CHECK(load_be<std::uint32_t>(frame.data()) == frame.size() - 4);
  return const_byte_span(frame).subspan(4);
}

template <class Question>
Question passed(const Question& what) {
  const auto frame = encode_frame(issuing_question{what});
  auto read = read_issuing_question(without_length(frame));
  if (!read)
    FAIL(read.error().what);
  REQUIRE(std::holds_alternative<Question>(*read));
  return std::get<Question>(*read);
}

template <class Answer>
Answer answered(const Answer& what) {
  const auto frame = encode_frame(issuing_answer{what});
  auto read = read_issuing_answer(without_length(frame));
  if (!read)
    FAIL(read.error().what);
  REQUIRE(std::holds_alternative<Answer>(*read));
  return std::get<Answer>(*read);
}

byte_vector bytes_in(std::string_view text) {
  const auto all = bytes_of(text);
  return {all.begin(), all.end()};
}

invitation some_invitation() {
  deterministic_random random(7);
  invitation terms;
  terms.network = some_root().network;
  terms.token = derive_verifying_key(draw_signing_seed(random));
  terms.until = noon + 1h;
  terms.groups = {"db", "web"};
  terms.name = "gateway";
  terms.prefixes = prefixes_of({"10.200.64.0/20"});
  return terms;
}

certificate_terms some_terms() {
  return {some_member(3), some_invitation().token, noon, noon + 24h * 90};
}

} // namespace

TEST_CASE("Questions to an issuer come out as they went in") {
  const auto token = some_invitation().token;
  proven_request request{bytes_in("request"), {}};
  request.proof.of_key.fill(std::byte{3});
  tls_exporter exporter{};
  exporter.fill(std::byte{4});
  const auto admission = passed(ask_admission{request, exporter});
  CHECK(admission.request.request == request.request);
  CHECK(admission.request.proof == request.proof);
  CHECK(admission.exporter == exporter);
  CHECK(passed(ask_for_itself{bytes_in("renewal")}).request
        == bytes_in("renewal"));
  const auto items = passed(ask_items{17, 30s});
  CHECK(items.after == 17);
  CHECK(items.patience == 30s);
  CHECK(passed(ask_invitation{some_invitation()}).terms == some_invitation());
  CHECK(passed(ask_withdrawal{token}).token == token);
  CHECK(passed(ask_removal{"beta"}).name == "beta");
  passed(ask_rekeying{});
  const auto directory = passed(ask_directory_certificate{"alpha", token});
  CHECK(directory.name == "alpha");
  CHECK(directory.key == token);
  CHECK(passed(ask_tokens{token}).after == token);
  CHECK_FALSE(passed(ask_tokens{}).after);
  CHECK(passed(ask_members{some_member(1).id}).after == some_member(1).id);
  passed(ask_state{});
  const auto adoption
    = passed(ask_adoption{{{bytes_in("ckey"), bytes_in("content")}}, true});
  CHECK(adoption.items
        == std::vector<network_item>{{bytes_in("ckey"), bytes_in("content")}});
  CHECK(adoption.last);
  CHECK(passed(ask_backup{"/var/backup"}).path == "/var/backup");
}

TEST_CASE("Answers of an issuer come out as they went in") {
  const join_admission admission{{bytes_in("leaf"), bytes_in("issuer")},
                                 sealed_secret{2, bytes_in("box")}};
  CHECK(answered(join_answer_given{admission}).admission == admission);
  const auto certified = answered(
    certified_answer{{bytes_in("leaf")}, sealed_secret{5, bytes_in("b")}});
  CHECK(certified.certificates == std::vector<byte_vector>{bytes_in("leaf")});
  CHECK(certified.secret == sealed_secret{5, bytes_in("b")});
  const auto items = answered(issued_items{
    {{bytes_in("ckey"), bytes_in("content")}}, {bytes_in("c")}, 9, true});
  CHECK(items.items.size() == 1);
  CHECK(items.gone == std::vector<byte_vector>{bytes_in("c")});
  CHECK(items.through == 9);
  CHECK(items.more);
  const auto tokens
    = answered(tokens_answer{{{some_invitation(), 3, true}}, true});
  REQUIRE(tokens.tokens.size() == 1);
  CHECK(tokens.tokens.front().terms == some_invitation());
  CHECK(tokens.tokens.front().used == 3);
  CHECK(tokens.tokens.front().withdrawn);
  CHECK(tokens.more);
  const auto members = answered(members_answer{{{some_terms(), true}}, false});
  REQUIRE(members.members.size() == 1);
  CHECK(members.members.front().terms == some_terms());
  CHECK(members.members.front().removed);
  state_answer state;
  state.root = some_root();
  state.issuer = some_issuer();
  state.journal = 5;
  state.ends = noon;
  state.recovering = true;
  const auto read = answered(state);
  CHECK(read.root == state.root);
  CHECK(read.issuer == state.issuer);
  CHECK(read.journal == 5);
  CHECK(read.ends == noon);
  CHECK(read.recovering);
  answered(issuing_done{});
  const refused why{refusal::taken, "'beta' is another member's name"};
  CHECK(answered(issuing_refused{why}).why == why);
}

TEST_CASE("What is no question to an issuer is refused, and so is a later "
          "version's") {
  const auto frame = encode_frame(issuing_question{ask_removal{"beta"}});
  const auto whole = without_length(frame);
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(read_issuing_question(whole.first(size)));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    byte_vector changed(whole.begin(), whole.end());
    changed[at] ^= std::byte{0x80};
    CHECK_NOTHROW(read_issuing_question(changed));
  }
  // An answer is none, whatever it is called.
  const auto answer = encode_frame(issuing_answer{issuing_done{}});
  const auto read = read_issuing_question(without_length(answer));
  REQUIRE_FALSE(read);
  CHECK(read.error().what.find("!kind") != std::string::npos);
}

TEST_CASE("A member's request for itself is signed by its present key") {
  deterministic_random random(9);
  const auto present = draw_signing_seed(random);
  const auto other = derive_verifying_key(draw_signing_seed(random));
  const renewal_request renewal{some_root().network, some_member(1).id, 4,
                                some_member(1).key, other};
  const auto bytes = make_renewal(renewal, present);
  CHECK(bytes.size() <= most_own_request_bytes);
  const auto read = read_own_request(bytes).value();
  CHECK(std::get<renewal_request>(read) == renewal);
  CHECK(is_own_request_signed_by(derive_verifying_key(present), bytes));
  CHECK_FALSE(is_own_request_signed_by(other, bytes));

  const leave_request leave{renewal.network, renewal.member, 4};
  const auto leaving = make_leave(leave, present);
  CHECK(std::get<leave_request>(read_own_request(leaving).value()) == leave);
  CHECK(is_own_request_signed_by(derive_verifying_key(present), leaving));
  CHECK_FALSE(read_own_request(const_byte_span(leaving).first(10)));
  for (std::size_t at = 0; at < leaving.size(); ++at) {
    auto changed = leaving;
    changed[at] ^= std::byte{1};
    CHECK_FALSE(
      (read_own_request(changed)
       && is_own_request_signed_by(derive_verifying_key(present), changed)));
  }
}
