// What is to change of a section of the configuration, key by key: each key is
// kept, cleared or set.
#pragma once

#include "config/fields.hpp"

#include <bitset>
#include <type_traits>

namespace weft {

/// The keys of a Section that are to change.  One that is not stated is kept.
template <class Section>
class field_changes {
public:
  template <class Value>
  field_changes& set(Value Section::*member, std::type_identity_t<Value> to) {
    values_.*member = std::move(to);
    stated_.set(number_of(member));
    return *this;
  }
  /// Back to what holds when nothing is configured.
  template <class Value>
  field_changes& clear(Value Section::*member) {
    return set(member, Section{}.*member);
  }

  /// The new value; null: it is kept.
  template <class Value>
  const Value* find(Value Section::*member) const {
    return stated_.test(number_of(member)) ? &(values_.*member) : nullptr;
  }
  /// Whether it loses a value.
  template <class Value>
  bool clears(Value Section::*member) const {
    const auto* value = find(member);
    return value != nullptr && *value == Section{}.*member;
  }
  bool keeps_all() const {
    return stated_.none();
  }

  void apply_to(Section& section) const {
    for_each_field<Section>([&](const auto& row, auto number) {
      if (stated_.test(number))
        section.*row.member = values_.*row.member;
    });
  }

  bool operator==(const field_changes&) const = default;

private:
  Section values_; ///< what is not stated is as in a new one
  std::bitset<field_count<Section>> stated_;
};

/// A change of a Section.
template <class Section>
struct patch;

struct allowed_ip_change {
  ip_prefix prefix;
  bool remove = false;

  bool operator==(const allowed_ip_change&) const = default;
};

enum class peer_verb : std::uint8_t {
  put,    ///< the peer is made if it does not exist
  update, ///< nothing happens if it does not exist
  remove,
};

/// One peer's part.  `public_key` says whose, and its allowed IPs change one
/// by one, so neither is among the other keys.
template <>
struct patch<peer_config> : field_changes<peer_config> {
  weft::public_key public_key;
  peer_verb verb = peer_verb::put;
  bool replace_allowed_ips = false;           ///< the former ones go first
  std::vector<allowed_ip_change> allowed_ips; ///< in order
  /// Any of these opens an answer to our own initiation as well as
  /// preshared_key does: while a network goes from one key to the next.  Never
  /// sent to another process.  Nothing: they stay.
  std::optional<std::vector<weft::preshared_key>> other_preshared_keys;

  bool operator==(const patch&) const = default;
};

/// Whether a key changes by a value that a patch states.
template <class Value>
inline constexpr bool is_stated_in_patch
  = !std::is_same_v<
      Value, public_key> && !std::is_same_v<Value, std::vector<ip_prefix>>;

} // namespace weft
