#include "protocol/network/join_answer.hpp"

#include "protocol/network/terms.hpp"

namespace weft {

namespace {

const std::string what_it_is = "answer to joining";

join_admission read_admission(cbor::fields& from) {
  join_admission result;
  result.certificates
    = terms::read_certificates(from, "certificates", most_join_certificates);
  result.secret = terms::read_secret(from);
  return result;
}

} // namespace

byte_vector encode(const join_answer& answer) {
  auto map = cbor::value::object();
  if (!answer) {
    terms::write(map, answer.error());
    return cbor::write(map);
  }
  map["certificates"] = terms::write(answer->certificates);
  terms::write(map, answer->secret);
  return cbor::write(map);
}

accepted<join_answer> read_join_answer(const_byte_span bytes) {
  const auto map = cbor::read(bytes, most_join_answer_bytes, what_it_is);
  if (!map)
    return tl::unexpected(map.error());
  cbor::fields from(*map, what_it_is);
  join_answer answer;
  if (from.has("refused"))
    answer = tl::unexpected(terms::read_refused(from));
  else
    answer = read_admission(from);
  if (auto wrong = from.finish())
    return tl::unexpected(std::move(*wrong));
  accepted<join_answer> result{tl::in_place, std::move(answer)};
  return result;
}

} // namespace weft
