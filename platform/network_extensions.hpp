// The extensions of a network's certificates (RFC 5280, section 4.2).
#pragma once

#include "platform/x509.hpp"
#include "protocol/network/certificate.hpp"
#include "protocol/network/signing.hpp"

#include <optional>
#include <string>
#include <vector>

namespace weft {

/// RFC 7093, section 2, method 1: of the SHA-256 of the key.
using key_identifier = byte_array<20>;
key_identifier identify(const verifying_key& key);

/// In the order in which they stand; one that is null: there is no memory.
/// `authority` is the signer's key; none: it is its own.
std::vector<x509::extension>
network_extensions(const certificate_contents& contents,
                   const verifying_key& key,
                   const std::optional<key_identifier>& authority);

/// All names of the subject's; one that is no URI is an empty text.
std::vector<std::string> uris_of(const X509* of);

} // namespace weft
