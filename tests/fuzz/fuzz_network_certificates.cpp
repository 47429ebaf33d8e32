// Bytes in the place of a network's certificates, as they are and signed again
// by an issuer: none crashes the reader, and what is read says one thing, in
// the one text that there is for it.
#include "platform/network_certificates.hpp"
#include "platform/x509.hpp"
#include "tests/fuzz/support.hpp"

namespace {

using namespace weft;
using namespace weft::test;

template <class T>
T must(result<T> made) {
  require(made.has_value());
  return std::move(*made);
}

/// The same in each run: the corpus has certificates of it.
class constant final : public random_source {
public:
  void fill(byte_span out) override {
    for (auto& byte : out)
      byte = std::byte{42};
  }
};

constexpr network_time now{std::chrono::seconds{1'800'000'000}};
constexpr network_validity valid{now - std::chrono::hours{1},
                                 now + std::chrono::hours{1000}};

struct network {
  constant random;
  signing_seed seed = draw_signing_seed(random);
  network_id id = network_id::draw(random);
  std::vector<ip_prefix> ranges{*parse_ip_prefix("10.200.0.0/16"),
                                *parse_ip_prefix("fd00:200::/48")};
  network_signer root{
    must(make_root_certificate({id, "prod", ranges, 28, 64}, seed, valid)),
    seed};
  network_signer issuer{must(make_network_certificate(
                          issuer_contents{id, "main", ranges},
                          derive_verifying_key(seed), valid, root, random)),
                        seed};
};

void check(const network& net, const_byte_span der) {
  const auto read = read_network_certificate(der);
  if (!read) {
    require(!read.error().what.empty());
  } else {
    require(read->from < read->until);
    const auto again = read_uris(to_uris(read->contents));
    require(again && *again == read->contents);
  }
  const auto issued = verify_issued(net.issuer.certificate, der);
  require(!issued || (read && read->contents == issued->contents));
  const std::vector<byte_vector> chain{{der.begin(), der.end()},
                                       net.issuer.certificate.der};
  const auto leaf = verify_chain(net.root.certificate, chain, now);
  require(!leaf || issued);
  if (const auto issuer = verify_issuer(net.root.certificate, der, now))
    require(read && std::get_if<issuer_contents>(&read->contents) != nullptr);
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const network net;
  const auto bytes = std::as_bytes(std::span(data, size));
  check(net, bytes);
  if (const auto parsed = x509::parse_der(bytes)) {
    const auto key = x509::signing_key(net.seed);
    if (X509_sign(parsed.get(), key.get(), nullptr) > 0)
      check(net, x509::to_der(parsed.get()));
  }
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  if (const auto all = read_pem_certificates(text))
    require(must(read_pem_certificates(to_pem(*all))) == *all);
  if (const auto seed = read_pem_seed(text))
    require(must(read_pem_seed(must(to_pem(*seed)).view())) == *seed);
  return 0;
}
