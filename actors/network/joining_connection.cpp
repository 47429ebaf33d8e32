#include "actors/network/joining_connection.hpp"

#include "protocol/network/framing.hpp"
#include "protocol/network/join_answer.hpp"

namespace weft {

joining_connection::joining_connection(const tls_exporter& exporter,
                                       random_source& random)
  : exporter_(exporter), ephemeral_(generate_private_key(random)) {
}

byte_vector joining_connection::challenge() const {
  return with_length(derive_public_key(*ephemeral_).bytes);
}

accepted<ask_admission>
joining_connection::take(const_byte_span frame, const network_id& network) {
  if (!ephemeral_)
    return refuse(refusal::malformed, "one request is enough");
  const auto ephemeral = std::move(*ephemeral_);
  ephemeral_.reset();
  auto asked = read_proven_request(frame);
  if (!asked)
    return tl::unexpected(std::move(asked.error()));
  const auto request = check_proof(*asked, exporter_, ephemeral);
  if (!request)
    return tl::unexpected(request.error());
  if (request->network != network)
    return refuse(refusal::wrong_network, "the request is for another network");
  return ask_admission{std::move(*asked), exporter_};
}

byte_vector joining_answer(const join_answer& answer) {
  return with_length(encode(answer));
}

} // namespace weft
