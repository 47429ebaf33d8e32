// What a directory tells a member, signed by a network's issuer and members.
#pragma once

#include "protocol/network/member_memory.hpp"
#include "protocol/network/preshared.hpp"
#include "protocol/network/record.hpp"
#include "protocol/network/revocations.hpp"
#include "tests/platform/network_pki.hpp"

#include <set>
#include <string>

namespace weft::test {

inline endpoint at(const std::string& text) {
  return *parse_endpoint(text);
}

/// A network and what its directory would tell.
struct told_network {
  network_item issuer_item() const {
    return {item_key(item_kind::issuer, "main"), pki.issuer.certificate.der};
  }
  network_item list_item(std::uint64_t number,
                         const std::set<member_id>& removed = {}) const {
    auto bytes = encode(
      revocation_list{pki.network, "main", number, network_pki::now, removed});
    const auto made = sign(pki.issuer.seed, bytes);
    bytes.insert(bytes.end(), made.begin(), made.end());
    return {item_key(item_kind::list, "main"), std::move(bytes)};
  }
  static network_item certificate_item(const network_holder& who) {
    return {item_key(item_kind::certificate, id_of(who)), who.chain.front()};
  }
  static network_item
  record_item(const network_holder& who, std::uint64_t serial,
              const std::string& where, std::uint64_t epoch = 0) {
    const auto& own = contents_of(who);
    record_content content;
    content.endpoints = {{at(where), endpoint_source::file}};
    content.epoch = epoch;
    return {item_key(item_kind::record, own.id),
            member_record::make(own.network, own.id, {own.generation, serial},
                                content, who.seed)
              .bytes()};
  }
  static const member_contents& contents_of(const network_holder& who) {
    return std::get<member_contents>(who.certificate.contents);
  }
  static member_id id_of(const network_holder& who) {
    return contents_of(who).id;
  }
  network_holder member(const std::string& name, const std::string& slice,
                        std::uint64_t allocation) {
    auto contents = pki.member_named(name);
    contents.prefixes = {prefix(slice)};
    contents.allocation = allocation;
    contents.revocation = 1;
    return pki.issue(contents);
  }

  network_pki pki;
  network_holder self = member("self", "10.200.0.0/28", 1);
  network_holder other = member("other", "10.200.0.16/28", 2);
};

inline epoch_secret secret_of(std::uint64_t epoch) {
  system_random random;
  epoch_secret made{epoch, {}};
  random.fill(made.secret.bytes());
  return made;
}

} // namespace weft::test
