// What nodes and issuers that reach no directory exchange as files: a request,
// and its answer.  JSON with base64 of the bytes that go over the wire
// otherwise; the answer's secret is sealed for the request's token, so neither
// file is one.
#pragma once

#include "platform/files.hpp"
#include "platform/network_certificates.hpp"
#include "protocol/network/join.hpp"
#include "protocol/network/join_answer.hpp"
#include "protocol/network/places.hpp"
#include "tools/weft/failure.hpp"
#include "tools/weft/network/node_folder.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace weft {

std::string format_request(const proven_request& request);
outcome<proven_request> read_request(std::string_view text);

/// What a file has that a command was told of; one that is not there is a
/// mistake.
outcome<secret_text> load_named(const std::string& file);

struct issued_membership {
  byte_vector root; ///< DER
  join_admission admission;
  std::vector<directory_address> directories;
};

std::string format_answer(const issued_membership& answer);
outcome<issued_membership> read_answer(std::string_view text);

/// The root in a PEM file.
struct network_root {
  root_contents contents;
  byte_vector der;
};
outcome<network_root> read_root(const std::string& file);

/// The keys of a node that asks by a file, with a token of its own drawing that
/// lies beside them until there is an answer.
result<join_keys> keep_offline_keys(const node_folder& folder);
void forget_offline_token(const node_folder& folder);

} // namespace weft
