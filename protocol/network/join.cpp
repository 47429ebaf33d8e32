#include "protocol/network/join.hpp"

#include "protocol/base/sodium.hpp"
#include "protocol/network/terms.hpp"

namespace weft {

namespace {

const std::string what_it_is = "request to join";
constexpr std::string_view request_context = "weft join request 1";
constexpr std::string_view proof_context = "weft join 1";
constexpr std::string_view key_context = "weft join key 1";
constexpr std::size_t most_proven_bytes = most_join_request_bytes + 512;

byte_vector signed_part(const network_id& network, const_byte_span request,
                        const public_key& key, const tls_exporter& exporter) {
  return joined({bytes_of(proof_context), network.bytes, sha256({request}),
                 key.bytes, exporter});
}

/// Nothing if the result is all zero.
std::optional<shared_secret>
diffie_hellman(const private_key& own, const public_key& other) {
  sodium::ensure_ready();
  shared_secret result;
  if (crypto_scalarmult_curve25519(sodium::raw(result.data()),
                                   sodium::raw(own.data()),
                                   sodium::raw(other.bytes.data()))
      != 0)
    return std::nullopt;
  return result;
}

byte_array<32> key_mac(const shared_secret& shared, const_byte_span message,
                       const public_key& ephemeral, const public_key& key) {
  secret<key_size> mac_key;
  hkdf_sha256(shared.bytes(), bytes_of(key_context),
              joined({ephemeral.bytes, key.bytes}), mac_key.bytes());
  return hmac_sha256(mac_key.bytes(), message);
}

byte_vector signed_part(const join_request& request, const_byte_span bytes,
                        const tls_exporter& exporter) {
  return signed_part(request.network, bytes, request.key, exporter);
}

} // namespace

byte_vector encode(const join_request& request) {
  cbor::value map{{"!what", std::string{request_context}},
                  {"network", cbor::binary(request.network.bytes)},
                  {"token", cbor::binary(request.token.bytes)},
                  {"key", cbor::binary(request.key.bytes)},
                  {"certificate", cbor::binary(request.certificate.bytes)}};
  if (request.name)
    map["name"] = *request.name;
  return cbor::write(map);
}

accepted<join_request> read_join_request(const_byte_span bytes) {
  const auto map = cbor::read(bytes, most_join_request_bytes, what_it_is);
  if (!map)
    return tl::unexpected(map.error());
  cbor::fields from(*map, what_it_is);
  terms::read_context(from, request_context);
  join_request request;
  request.network = from.id<network_id>("network");
  from.bytes("token", request.token.bytes);
  from.bytes("key", request.key.bytes);
  from.bytes("certificate", request.certificate.bytes);
  if (from.has("name")) {
    request.name = from.text("name", longest_network_word);
    if (!is_network_word(*request.name))
      from.fail("name", "is not 1-32 of a-z, 0-9 and -");
  }
  if (auto wrong = from.finish())
    return tl::unexpected(std::move(*wrong));
  return request;
}

byte_vector encode(const proven_request& what) {
  return cbor::write(
    cbor::value{{"request", cbor::binary(what.request)},
                {"by_token", cbor::binary(what.proof.by_token)},
                {"by_certificate", cbor::binary(what.proof.by_certificate)},
                {"of_key", cbor::binary(what.proof.of_key)}});
}

accepted<proven_request> read_proven_request(const_byte_span bytes) {
  const auto map = cbor::read(bytes, most_proven_bytes, what_it_is);
  if (!map)
    return tl::unexpected(map.error());
  cbor::fields from(*map, what_it_is);
  proven_request what;
  what.request = from.bytes("request", most_join_request_bytes);
  from.bytes("by_token", what.proof.by_token);
  from.bytes("by_certificate", what.proof.by_certificate);
  from.bytes("of_key", what.proof.of_key);
  if (auto wrong = from.finish())
    return tl::unexpected(std::move(*wrong));
  return what;
}

std::optional<proven_request>
prove(const join_keys& keys, const network_id& network,
      const std::optional<std::string>& name, const tls_exporter& exporter,
      const join_challenge& challenge) {
  const auto shared = diffie_hellman(keys.wireguard, challenge.ephemeral);
  if (!shared)
    return std::nullopt;
  const auto key = derive_public_key(keys.wireguard);
  proven_request what;
  what.request
    = encode(join_request{network, derive_verifying_key(keys.token), key,
                          derive_verifying_key(keys.certificate), name});
  const auto message = signed_part(network, what.request, key, exporter);
  what.proof.by_token = sign(keys.token, message);
  what.proof.by_certificate = sign(keys.certificate, message);
  what.proof.of_key = key_mac(*shared, message, challenge.ephemeral, key);
  return what;
}

accepted<join_request>
check_signatures(const proven_request& what, const tls_exporter& exporter) {
  auto request = read_join_request(what.request);
  if (!request)
    return request;
  const auto message = signed_part(*request, what.request, exporter);
  if (!verify(request->token, message, what.proof.by_token))
    return refuse(refusal::bad_signature,
                  what_it_is + ": it is not signed with the token's seed");
  if (!verify(request->certificate, message, what.proof.by_certificate))
    return refuse(refusal::unproven_key,
                  what_it_is + ": it is not signed with the certificate's key");
  return request;
}

accepted<join_request>
check_proof(const proven_request& what, const tls_exporter& exporter,
            const private_key& ephemeral) {
  auto request = check_signatures(what, exporter);
  if (!request)
    return request;
  const auto shared = diffie_hellman(ephemeral, request->key);
  const auto expected
    = shared ? key_mac(*shared, signed_part(*request, what.request, exporter),
                       derive_public_key(ephemeral), request->key)
             : byte_array<32>{};
  if (!shared
      || sodium_memcmp(expected.data(), what.proof.of_key.data(),
                       expected.size())
           != 0)
    return refuse(refusal::unproven_key,
                  what_it_is + ": it does not prove its WireGuard key");
  return request;
}

} // namespace weft
