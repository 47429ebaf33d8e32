// How what control messages carry is serialized.  Public keys, addresses,
// prefixes and endpoints travel as the text that configuration files have for
// them, so that whoever receives them checks them again.  Secrets travel as
// their bytes, without a copy in between that nobody wipes.
#pragma once

#include "config/device_status.hpp"
#include "config/device_update.hpp"
#include "config/last_values.hpp"
#include "config/strings.hpp"

#include <caf/error.hpp>
#include <caf/meta/load_callback.hpp>
#include <caf/meta/type_name.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>

namespace weft {

// -- text and numbers --------------------------------------------------------

namespace wire_text {

std::string from(const public_key& key);
std::string from(const ip_prefix& prefix);
std::string from(const endpoint& where);
std::string from(const endpoint_config& where);

/// Each fails if the text is none of its kind.
caf::error read(const std::string& text, public_key& key);
caf::error read(const std::string& text, ip_prefix& prefix);
caf::error read(const std::string& text, endpoint& where);
caf::error read(const std::string& text, endpoint_config& where);

template <class Inspector, class T>
typename Inspector::result_type inspect(Inspector& f, T& value) {
  std::string text;
  if constexpr (Inspector::writes_state) {
    return f(text, caf::meta::load_callback([&] { return read(text, value); }));
  } else {
    text = from(value);
    return f(text);
  }
}

} // namespace wire_text

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, public_key& x) {
  return wire_text::inspect(f, x);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, secret<key_size>& x) {
  if constexpr (std::is_void_v<typename Inspector::result_type>) {
    // Whoever turns a message into a line of a log gets no key.
    std::string nothing;
    return f(nothing);
  } else {
    return f.apply_raw(x.size, x.data());
  }
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ip_prefix& x) {
  return wire_text::inspect(f, x);
}
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, endpoint& x) {
  return wire_text::inspect(f, x);
}

caf::error not_in_enumeration();

// -- types of the standard library -------------------------------------------

/// Gives a type of the standard library an inspect() that is found.
template <class T>
struct packed_field {
  T& value;
};
template <class T>
packed_field<T> packed(T& value) {
  return {value};
}

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};

template <class T>
inline constexpr bool needs_packing
  = is_optional<T>::value
    || std::is_same_v<
      T,
      endpoint_config> || std::is_same_v<T, std::chrono::seconds> || std::is_same_v<T, wall_time> || std::is_enum_v<T>;

template <class Inspector, class T>
typename Inspector::result_type
inspect_optional(Inspector& f, std::optional<T>& x) {
  bool present = x.has_value();
  T value = x.value_or(T{});
  const auto inspect_value = [&] {
    if constexpr (needs_packing<T>)
      return f(packed(value));
    else
      return f(value);
  };
  if constexpr (std::is_void_v<typename Inspector::result_type>) {
    if (present)
      inspect_value();
    else
      f(present);
  } else {
    if (auto failed = f(present))
      return failed;
    if (!present) {
      x.reset();
      return {};
    }
    if (auto failed = inspect_value())
      return failed;
    x = std::move(value);
    return {};
  }
}

template <class Inspector, class T>
typename Inspector::result_type inspect_enum(Inspector& f, T& x) {
  auto number = static_cast<std::uint8_t>(x);
  auto keep = [&] {
    if (number > static_cast<std::uint8_t>(last_of(x)))
      return not_in_enumeration();
    x = static_cast<T>(number);
    return caf::error{};
  };
  return f(number, caf::meta::load_callback(keep));
}

template <class Inspector, class T>
typename Inspector::result_type inspect(Inspector& f, packed_field<T>& x) {
  if constexpr (is_optional<T>::value) {
    return inspect_optional(f, x.value);
  } else if constexpr (std::is_enum_v<T>) {
    return inspect_enum(f, x.value);
  } else if constexpr (std::is_same_v<T, endpoint_config>) {
    return wire_text::inspect(f, x.value);
  } else if constexpr (std::is_same_v<T, wall_time>) {
    auto count = static_cast<std::int64_t>(x.value.time_since_epoch()
                                           / std::chrono::nanoseconds{1});
    auto keep = [&] {
      x.value = wall_time{std::chrono::nanoseconds{count}};
      return caf::error{};
    };
    return f(count, caf::meta::load_callback(keep));
  } else {
    auto count = static_cast<std::int64_t>(x.value.count());
    auto keep = [&] {
      x.value = std::chrono::seconds{count};
      return caf::error{};
    };
    return f(count, caf::meta::load_callback(keep));
  }
}

// -- configuration -----------------------------------------------------------

/// As an inspector takes it.
template <class T>
decltype(auto) carried(T& value) {
  if constexpr (needs_packing<T>)
    return packed(value);
  else
    return (value);
}

/// The keys of a section in the order of their rows.
template <class Inspector, class Section>
typename Inspector::result_type
inspect_section(Inspector& f, const char* name, Section& x) {
  return std::apply(
    [&](const auto&... row) {
      return f(caf::meta::type_name(name), carried(x.*row.member)...);
    },
    fields_of<Section>());
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, interface_config& x) {
  return inspect_section(f, "weft::interface_config", x);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, peer_config& x) {
  return inspect_section(f, "weft::peer_config", x);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, log_config& x) {
  return f(caf::meta::type_name("weft::log_config"), packed(x.level),
           packed(x.format));
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, offload_config& x) {
  return f(caf::meta::type_name("weft::offload_config"), packed(x.tun),
           packed(x.udp), packed(x.uring));
}

/// Without `control`, `reload`, `metrics`, `network` and `directory`: they say
/// who may send this, when the file is read again, who may watch and whom the
/// node believes, which is for whoever has the file.
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, node_config& x) {
  return f(caf::meta::type_name("weft::node_config"), x.interface, x.peers,
           x.log, x.offloads);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, allowed_ip_change& x) {
  return f(caf::meta::type_name("weft::allowed_ip_change"), x.prefix, x.remove);
}

constexpr peer_verb last_of(peer_verb) {
  return peer_verb::remove;
}

/// A key of a patch: nothing if it is kept.
template <class Value>
struct stated_key {
  std::optional<Value> value;
};
/// A key that a patch has no value for.
struct unstated_key {};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, unstated_key&) {
  return f();
}
template <class Inspector, class Value>
typename Inspector::result_type inspect(Inspector& f, stated_key<Value>& x) {
  return inspect_optional(f, x.value);
}

/// The keys in the order of their rows, each behind whether it is stated.
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, patch<peer_config>& x) {
  auto keys = std::apply(
    [&]<class... Row>(const Row&... row) {
      return std::tuple{[&] {
        if constexpr (is_stated_in_patch<typename Row::value_type>) {
          stated_key<typename Row::value_type> key;
          if (const auto* value = x.find(row.member))
            key.value = *value;
          return key;
        } else {
          return unstated_key{};
        }
      }()...};
    },
    peer_fields);
  const auto keep = [&] {
    for_each_field<peer_config>([&](const auto& row, auto number) {
      auto& key = std::get<number>(keys);
      if constexpr (!std::is_same_v<std::remove_reference_t<decltype(key)>,
                                    unstated_key>) {
        if (key.value)
          x.set(row.member, std::move(*key.value));
      }
    });
    return caf::error{};
  };
  return std::apply(
    [&](auto&... key) {
      return f(caf::meta::type_name("weft::patch"), x.public_key,
               packed(x.verb), x.replace_allowed_ips, key..., x.allowed_ips,
               caf::meta::load_callback(keep));
    },
    keys);
}

// -- status ------------------------------------------------------------------

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, drop_count& x) {
  return f(caf::meta::type_name("weft::drop_count"), x.reason, x.packets);
}

constexpr peer_word last_of(peer_word) {
  return peer_word::disabled;
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, peer_state& x) {
  return f(caf::meta::type_name("weft::peer_state"), packed(x.word), x.reason,
           packed(x.since), x.tries, x.cause);
}

/// Without its secret.
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, peer_status& x) {
  return f(caf::meta::type_name("weft::peer_status"), x.name, x.public_key,
           x.state, packed(x.endpoint), x.endpoint_host, x.allowed_ips,
           packed(x.persistent_keepalive), packed(x.last_handshake),
           packed(x.session_age), x.rx_bytes, x.tx_bytes, x.rx_packets,
           x.tx_packets, x.restarts, x.drops, x.round_trip, x.path_mtu,
           x.too_big);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, event_count& x) {
  return f(caf::meta::type_name("weft::event_count"), x.event, x.count);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, pool_use& x) {
  return f(caf::meta::type_name("weft::pool_use"), x.pool, x.size, x.used,
           x.exhausted);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, certificate_status& x) {
  return f(caf::meta::type_name("weft::certificate_status"), x.file, x.name,
           packed(x.not_after));
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, access_report& x) {
  return f(caf::meta::type_name("weft::access_report"), x.operators, x.viewers,
           x.certificates, x.refused);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, host_item& x) {
  return f(caf::meta::type_name("weft::host_item"), x.kind, x.value, x.in_place,
           x.found);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, offload_use& x) {
  return f(caf::meta::type_name("weft::offload_use"), x.name, x.in_use,
           x.reason);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, network_refusals& x) {
  return f(caf::meta::type_name("weft::network_refusals"), x.reason, x.count);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, network_status& x) {
  return f(caf::meta::type_name("weft::network_status"), x.name, x.member,
           x.directory, x.trouble, packed(x.since), x.members, x.peers,
           packed(x.certificate_ends), packed(x.list_issued), x.clock_suspect,
           x.epoch, x.refused);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, core_use& x) {
  return f(caf::meta::type_name("weft::core_use"), x.in_use, x.failed,
           x.is_shared, x.handed_over, x.without_place, x.without_core);
}

/// Without its secret.
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, device_status& x) {
  return f(caf::meta::type_name("weft::device_status"), x.interface, x.version,
           packed(x.started), x.addresses, x.public_key, x.listen,
           x.listen_port, x.fwmark, x.mtu, x.peers, x.drops, x.next_peer,
           x.remote_control, x.routes, x.link_up, x.events, x.events_lost,
           x.pools, x.send_queue, x.access, x.host, x.offloads, x.lock,
           x.bad_checksums, packed(x.network), x.cores);
}

} // namespace weft
