// The directory's half of a joining (protocol/network/join.hpp) once its TLS
// session stands: it makes the challenge, and tells a proven request from
// others.  Bytes in, bytes out.
//
// Frames, each a length of four bytes in network order and
//   directory -> node   32 bytes: the ephemeral key
//   node -> directory   encode(proven_request)
//   directory -> node   encode(join_answer)
#pragma once

#include "protocol/base/random.hpp"
#include "protocol/network/issuing.hpp"

#include <optional>

namespace weft {

/// Of the node's one frame.
inline constexpr std::size_t most_joining_bytes = std::size_t{8} * 1024;

class joining_connection {
public:
  joining_connection(const tls_exporter& exporter, random_source& random);

  /// The first frame.
  byte_vector challenge() const;
  /// The node's frame, without its length; once.  What the issuer is to be
  /// asked, or why not.  The ephemeral key is wiped.
  accepted<ask_admission>
  take(const_byte_span frame, const network_id& network);
  bool has_asked() const {
    return !ephemeral_;
  }

private:
  tls_exporter exporter_;
  std::optional<private_key> ephemeral_;
};

/// The last frame.
byte_vector joining_answer(const join_answer& answer);

} // namespace weft
