// A record is a sequence of fields: the length of the name in one byte, the
// name, the length of the value in four, the value.  A value is a number in
// eight bytes, bytes, or a record; several of one name are a list, and of
// something optional there may be none.  Numbers are little-endian.
#include "config/saved_node_format.hpp"

#include "config/fields.hpp"
#include "config/validate.hpp"

#include <algorithm>
#include <concepts>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>
#include <unordered_set>
#include <utility>

// A test builds a program of the version after this one.
#ifndef WEFT_SAVED_NODE_VERSION
#  define WEFT_SAVED_NODE_VERSION 1
#endif

namespace weft {

const std::uint32_t saved_node_version = WEFT_SAVED_NODE_VERSION;

namespace {

constexpr std::string_view magic = "weft saved node\n";
constexpr std::string_view last_field = "complete";

template <class T, class Wanted>
concept is = std::same_as<std::remove_const_t<T>, Wanted>;

template <class T>
constexpr bool is_optional = false;
template <class T>
constexpr bool is_optional<std::optional<T>> = true;
template <class T>
constexpr bool is_optional<boxed<T>> = true;
template <class T>
constexpr bool is_vector = false;
template <class T>
constexpr bool is_vector<std::vector<T>> = !std::same_as<T, std::byte>;
template <class T>
constexpr bool is_time = false;
template <class Rep, class Period>
constexpr bool is_time<std::chrono::duration<Rep, Period>> = true;
template <class Clock, class Duration>
constexpr bool is_time<std::chrono::time_point<Clock, Duration>> = true;

// The last value of each enumeration that is a field.
constexpr auto last_of(peer_origin) {
  return peer_origin::network;
}
constexpr auto last_of(route_mode) {
  return route_mode::automatic;
}
constexpr auto last_of(df_mode) {
  return df_mode::off;
}
constexpr auto last_of(offload_mode) {
  return offload_mode::on;
}
constexpr auto last_of(log_level) {
  return log_level::off;
}
constexpr auto last_of(log_format) {
  return log_format::json;
}

/// Values of one size that are copied as they are.
template <class T>
constexpr bool is_fixed_bytes = false;
template <std::size_t N>
constexpr bool is_fixed_bytes<byte_array<N>> = true;
template <>
constexpr bool is_fixed_bytes<public_key> = true;
template <std::size_t N>
constexpr bool is_fixed_bytes<secret<N>> = true;
template <class Purpose>
constexpr bool is_fixed_bytes<secret_key<Purpose>> = true;

template <class T>
auto span_of(T& value) {
  if constexpr (requires { value.bytes(); })
    return value.bytes();
  else if constexpr (std::same_as<std::remove_const_t<T>, public_key>)
    return std::span{value.bytes};
  else
    return std::span{value};
}

// -- writing and reading -----------------------------------------------------

/// Bytes that are added, and wiped in the end.
class part {
public:
  explicit part(std::size_t usual_size) : bytes_(usual_size) {
  }
  std::size_t size() const {
    return size_;
  }
  const_byte_span bytes() const {
    return const_byte_span{bytes_}.first(size_);
  }
  void clear() {
    size_ = 0;
  }
  void add(const_byte_span more) {
    if (more.empty())
      return;
    if (bytes_.size() - size_ < more.size())
      bytes_.resize(2 * bytes_.size() + more.size());
    std::memcpy(&bytes_[size_], more.data(), more.size());
    size_ += more.size();
  }
  void set(std::size_t at, std::uint32_t number) {
    store_le(&bytes_[at], number);
  }

private:
  secret_bytes bytes_;
  std::size_t size_ = 0;
};

class writer {
public:
  static constexpr bool reads = false;

  /// Adds to `out`.
  explicit writer(part& out) : out_(out) {
  }

  template <class T>
  void operator()(std::string_view name, const T& value) {
    if constexpr (is_optional<T>) {
      if (value)
        (*this)(name, *value);
    } else if constexpr (is_vector<T>) {
      for (const auto& each : value)
        (*this)(name, each);
    } else {
      const std::array head{static_cast<std::byte>(name.size())};
      put_bytes(head);
      put_bytes(std::as_bytes(std::span{name}));
      const auto length_at = out_.size();
      put_bytes(byte_array<sizeof(std::uint32_t)>{});
      const auto before = out_.size();
      put(value);
      out_.set(length_at, static_cast<std::uint32_t>(out_.size() - before));
    }
  }

private:
  template <class T>
  void put(const T& value) {
    if constexpr (std::is_enum_v<T> || std::integral<T>) {
      put_number(static_cast<std::uint64_t>(value));
    } else if constexpr (is_time<T>) {
      if constexpr (requires { value.time_since_epoch(); })
        put(value.time_since_epoch());
      else
        put_number(static_cast<std::uint64_t>(value.count()));
    } else if constexpr (is_fixed_bytes<T>) {
      put_bytes(span_of(value));
    } else if constexpr (std::same_as<T, std::string>) {
      put_bytes(std::as_bytes(std::span{value}));
    } else if constexpr (std::same_as<T, std::vector<std::byte>>) {
      put_bytes(value);
    } else {
      fields(*this, value);
    }
  }
  void put_number(std::uint64_t number) {
    byte_array<sizeof number> bytes{};
    store_le(bytes.data(), number);
    put_bytes(bytes);
  }
  void put_bytes(const_byte_span bytes) {
    out_.add(bytes);
  }

  part& out_;
};

/// What has come of the reading so far.
struct reading {
  std::string failure; ///< the first thing that is wrong
  /// For the elements of lists, bytes: an empty record is much larger once it
  /// was read.
  std::size_t room = 4 * max_saved_size;
};

class reader {
public:
  static constexpr bool reads = true;

  reader(const_byte_span record, reading& whole)
    : record_(record), whole_(whole) {
    const auto fits = walk([this](std::string_view name, const_byte_span) {
      present_ |= mark_of(name);
      if (name.starts_with('!'))
        fail("it holds '" + std::string{name}
             + "', which this program does not know");
    });
    if (!fits) {
      fail("it is damaged");
      record_ = {};
    }
    rest_ = record_;
  }

  template <class T>
  void operator()(std::string_view name, T& value) {
    if ((present_ & mark_of(name)) == 0)
      return;
    if constexpr (is_vector<T>) {
      if (!make_room(name, value))
        return;
    }
    const auto take = [&](const_byte_span bytes) {
      if constexpr (is_optional<T>)
        read_new(name, bytes, value);
      else if constexpr (is_vector<T>)
        get(name, bytes, value.emplace_back());
      else
        get(name, bytes, value);
    };
    auto next = first_of(rest_);
    if constexpr (!is_vector<T>) {
      // Mostly they come in the order in which they are asked for.
      if (next && next->name == name) {
        rest_ = next->rest;
        return take(next->value);
      }
    }
    walk([&](std::string_view found, const_byte_span bytes) {
      if (found == name)
        take(bytes);
    });
    for (; next && next->name == name; next = first_of(rest_))
      rest_ = next->rest;
  }

private:
  /// Most of what may be in a record is not, so it is known at once that a
  /// name is not there.  Several names have one mark.
  static constexpr std::uint64_t mark_of(std::string_view name) {
    constexpr unsigned bits = 64;
    auto sum = static_cast<unsigned>(name.size());
    for (const auto at : {std::size_t{0}, name.size() / 2, name.size() - 1})
      if (at < name.size())
        sum = 7 * sum + static_cast<unsigned char>(name[at]);
    return std::uint64_t{1} << (sum % bits);
  }

  /// For all elements that are there; false: they are too many.
  template <class T>
  bool make_room(std::string_view name, std::vector<T>& list) {
    std::size_t count = 0;
    walk([&](std::string_view found, const_byte_span) {
      if (found == name)
        ++count;
    });
    if (count > whole_.room / sizeof(T)) {
      fail("its list '" + std::string{name} + "' is too long");
      return false;
    }
    whole_.room -= count * sizeof(T);
    list.reserve(count);
    return true;
  }

  struct field {
    std::string_view name;
    const_byte_span value;
    const_byte_span rest; ///< of the record
  };
  /// Nothing: there is none, or it does not fit the record.
  static std::optional<field> first_of(const_byte_span record) {
    if (record.empty())
      return std::nullopt;
    const auto name_size = static_cast<std::size_t>(record[0]);
    const auto head = 1 + name_size + sizeof(std::uint32_t);
    if (record.size() < head)
      return std::nullopt;
    const std::size_t size
      = load_le<std::uint32_t>(record.data() + 1 + name_size);
    if (record.size() - head < size)
      return std::nullopt;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const auto* letters = reinterpret_cast<const char*>(record.data()) + 1;
    return field{{letters, name_size},
                 record.subspan(head, size),
                 record.subspan(head + size)};
  }

  /// False: the fields do not fit the record.
  template <class Each>
  bool walk(Each each) const {
    auto rest = record_;
    while (const auto next = first_of(rest)) {
      each(next->name, next->value);
      rest = next->rest;
    }
    return rest.empty();
  }

  template <class Optional>
  void read_new(std::string_view name, const_byte_span bytes, Optional& value) {
    get(name, bytes, value.emplace());
  }
  void read_new(std::string_view name, const_byte_span bytes,
                std::optional<pending_initiation>& value);

  template <class T>
  void get(std::string_view name, const_byte_span bytes, T& value) {
    if constexpr (std::is_enum_v<T>) {
      const auto number = number_in(name, bytes);
      if (number > static_cast<std::uint64_t>(last_of(T{})))
        return refuse(name);
      value = static_cast<T>(number);
    } else if constexpr (std::integral<T>) {
      const auto number = number_in(name, bytes);
      if (number > std::numeric_limits<T>::max())
        return refuse(name);
      value = static_cast<T>(number);
    } else if constexpr (is_time<T>) {
      if constexpr (requires { value.time_since_epoch(); }) {
        typename T::duration since{};
        get(name, bytes, since);
        value = T{since};
      } else {
        value = T{static_cast<typename T::rep>(number_in(name, bytes))};
      }
    } else if constexpr (is_fixed_bytes<T>) {
      const auto room = span_of(value);
      if (bytes.size() != room.size())
        return refuse(name);
      std::ranges::copy(bytes, room.begin());
    } else if constexpr (std::same_as<T, std::string>) {
      value.resize(bytes.size());
      std::ranges::copy(bytes,
                        std::as_writable_bytes(std::span{value}).begin());
    } else if constexpr (std::same_as<T, std::vector<std::byte>>) {
      value.assign(bytes.begin(), bytes.end());
    } else {
      reader inner{bytes, whole_};
      fields(inner, value);
    }
  }

  std::uint64_t number_in(std::string_view name, const_byte_span bytes) {
    if (bytes.size() == sizeof(std::uint64_t))
      return load_le<std::uint64_t>(bytes.data());
    refuse(name);
    return 0;
  }
  void refuse(std::string_view name) {
    fail("its field '" + std::string{name} + "' is damaged");
  }
  void fail(std::string why) {
    if (whole_.failure.empty())
      whole_.failure = std::move(why);
  }

  const_byte_span record_;
  const_byte_span rest_;      ///< after what was asked for last
  std::uint64_t present_ = 0; ///< marks of its fields
  reading& whole_;
};

/// What is copied out, so that it can be written and read alike, and put back
/// when it was read.
template <class A, class T, class Put>
void copied(A& a, std::string_view name, T value, Put put) {
  a(name, value);
  if constexpr (A::reads)
    put(value);
}

// -- the records -------------------------------------------------------------

template <class A, is<ip_address> T>
void fields(A& a, T& x) {
  copied(a, "v6", x.family == ip_family::v6,
         [&](auto v6) { x.family = v6 ? ip_family::v6 : ip_family::v4; });
  a("bytes", x.bytes);
}
template <class A, is<ip_prefix> T>
void fields(A& a, T& x) {
  a("address", x.address);
  a("length", x.length);
}
template <class A, is<endpoint> T>
void fields(A& a, T& x) {
  a("address", x.address);
  a("port", x.port);
  a("scope", x.scope_id);
}
template <class A, is<host_endpoint> T>
void fields(A& a, T& x) {
  a("host", x.host);
  a("port", x.port);
}
template <class A, is<endpoint_config> T>
void fields(A& a, T& x) {
  std::optional<endpoint> numeric;
  std::optional<host_endpoint> name;
  if constexpr (!A::reads) {
    if (const auto* where = std::get_if<endpoint>(&x))
      numeric = *where;
    else
      name = std::get<host_endpoint>(x);
  }
  a("numeric", numeric);
  a("name", name);
  if constexpr (A::reads) {
    if (name)
      x = *name;
    else
      x = numeric.value_or(endpoint{});
  }
}
template <class A, is<source_address> T>
void fields(A& a, T& x) {
  a("address", x.address);
  a("interface", x.interface_index);
}
template <class A, is<network_path> T>
void fields(A& a, T& x) {
  a("remote", x.remote);
  a("local", x.local);
}
template <class A, is<interface_config> T>
void fields(A& a, T& x) {
  for_each_field<interface_config>(
    [&](const auto& row, auto) { a(row.name, x.*row.member); });
}
template <class A, is<peer_config> T>
void fields(A& a, T& x) {
  for_each_field<peer_config>(
    [&](const auto& row, auto) { a(row.name, x.*row.member); });
}
template <class A, is<log_config> T>
void fields(A& a, T& x) {
  a("level", x.level);
  a("format", x.format);
}
template <class A, is<offload_config> T>
void fields(A& a, T& x) {
  for (const auto& key : all_offloads)
    a(key.name, x.*key.mode);
}
template <class A, is<cookie_checker::state> T>
void fields(A& a, T& x) {
  a("secret", x.cookie_secret);
  a("made", x.made);
}
template <class A, is<cookie_stamper::state> T>
void fields(A& a, T& x) {
  a("mac1", x.last_mac1);
  a("cookie", x.cookie);
  a("received", x.cookie_received);
}
template <class A, is<loop_guard::state> T>
void fields(A& a, T& x) {
  a("left", x.left);
  a("earned", x.earned);
  a("probed", x.probed);
  a("in_tunnel", x.in_tunnel);
}
template <class A, is<replay_window::state> T>
void fields(A& a, T& x) {
  a("next", x.next);
  byte_array<replay_window::bits / 8> seen{};
  constexpr auto size = sizeof(std::uint64_t);
  if constexpr (!A::reads) {
    for (std::size_t i = 0; i < x.seen.size(); ++i)
      store_le(&seen[i * size], x.seen[i]);
  }
  a("seen", seen);
  if constexpr (A::reads) {
    for (std::size_t i = 0; i < x.seen.size(); ++i)
      x.seen[i] = load_le<std::uint64_t>(&seen[i * size]);
  }
}
template <class A, is<keypair_state> T>
void fields(A& a, T& x) {
  a("send", x.send);
  a("receive", x.receive);
  a("local", x.local_index);
  a("remote", x.remote_index);
  a("initiator", x.initiator);
  a("created", x.created);
  a("counter", x.send_counter);
  auto window = x.window.save();
  a("window", window);
  if constexpr (A::reads)
    x.window = replay_window{window};
}
template <class A, is<keypairs::state> T>
void fields(A& a, T& x) {
  a("current", x.current);
  a("previous", x.previous);
  a("next", x.next);
  a("next_is_final", x.next_is_final);
}
template <class A, is<noise_initiator::state> T>
void fields(A& a, T& x) {
  a("chaining_key", x.chaining_key);
  a("hash", x.hash);
  a("ephemeral", x.ephemeral);
}
/// All but the initiator's state, which has to be there first.
template <class A, is<pending_initiation> T>
void more_fields(A& a, T& x) {
  a("index", x.index);
  a("sent", x.sent);
  a("crossed", x.crossed);
}
void fields(writer& a, const pending_initiation& x) {
  a("initiator", x.initiator.save());
  more_fields(a, x);
}
template <class A, is<session_traffic> T>
void fields(A& a, T& x) {
  a("bytes", x.bytes);
  a("packets", x.packets);
}
template <class A, is<drop_counters> T>
void fields(A& a, T& x) {
  for (const auto& row : drop_rows()) {
    std::optional<std::uint64_t> packets;
    if (!A::reads && x[row.reason] != 0) // most are zero
      packets = x[row.reason];
    copied(a, row.name, packets, [&](const auto& counted) {
      x.dropped(row.reason, counted.value_or(0));
    });
  }
}
template <class A, is<deadline_table> T>
void fields(A& a, T& x) {
  constexpr std::array<std::pair<std::string_view, deadline>,
                       deadline_table::count>
    all{{{"retransmit_handshake", deadline::retransmit_handshake},
         {"passive_keepalive", deadline::passive_keepalive},
         {"new_handshake", deadline::new_handshake},
         {"zero_keys", deadline::zero_keys},
         {"persistent_keepalive", deadline::persistent_keepalive}}};
  for (const auto& [name, which] : all)
    copied(a, name, x.find(which), [&, due = which](const auto& when) {
      if (when)
        x.set(due, *when);
    });
}
template <class A, is<session_values> T>
void fields(A& a, T& x) {
  a("peer", x.peer);
  a("slot", x.slot);
  a("psk", x.psk);
  a("other_psks", x.other_psks);
  a("keepalive", x.keepalive_interval);
  a("path", x.path);
  a("heard_by", x.heard_by);
  a("proven", x.proven);
  a("generation", x.generation);
  a("pending", x.pending);
  a("last_handshake_sent", x.last_handshake_sent);
  a("last_accepted", x.last_accepted);
  a("newest_timestamp", x.newest_timestamp);
  a("last_timestamp", x.last_timestamp);
  a("attempts", x.attempts);
  a("has_reason", x.has_reason);
  a("unanswered", x.unanswered);
  a("given_up", x.given_up);
  a("unused_answers", x.unused_answers);
  a("older_stamps", x.older_stamps);
  a("final_rekey_sent", x.final_rekey_sent);
  a("last_handshake", x.last_handshake);
  a("round_trip", x.round_trip);
  a("deadlines", x.deadlines);
  a("silence_jitter", x.silence_jitter);
  a("outbox", x.outbox);
  a("staged_sendable", x.staged_sendable);
  a("keepalive_due", x.keepalive_due);
  a("sent", x.sent);
  a("received", x.received);
  a("drops", x.drops);
}
template <class A, is<session_state> T>
void fields(A& a, T& x) {
  a("values", x.values);
  a("keys", x.keys);
  a("cookies", x.cookies);
  a("loops", x.loops);
  a("staged", x.staged);
}
template <class A, is<saved_session> T>
void fields(A& a, T& x) {
  a("session", x.session);
  a("up_until", x.up_until);
  a("too_big", x.too_big);
  a("path_mtu", x.path_mtu);
  a("path_mtu_told", x.path_mtu_told);
}
template <class A, is<session_memory> T>
void fields(A& a, T& x) {
  a("remote", x.remote);
  a("proven", x.proven);
  a("newest_initiation", x.newest_initiation);
  a("last_stamp", x.last_stamp);
  a("generation", x.generation);
  a("session_lost", x.session_lost);
}
template <class A, is<saved_peer> T>
void fields(A& a, T& x) {
  a("slot", x.slot);
  a("origin", x.origin);
  a("config", x.config);
  a("other_psks", x.other_preshared_keys);
  a("address", x.address);
  a("restarts", x.restarts);
  a("session", x.session);
  a("lost", x.lost);
}
template <class A, is<saved_node> T>
void fields(A& a, T& x) {
  a("taken", x.taken);
  a("interface", x.interface);
  a("port", x.port);
  a("fwmark", x.fwmark);
  a("log", x.log);
  a("offloads", x.offloads);
  a("file_digest", x.file_digest);
  a("index_key", x.indices.key);
  a("cookies", x.cookies);
  a("generations", x.generations);
  a("peers", x.peers);
  a("deprived", x.deprived);
}

void reader::read_new(std::string_view name, const_byte_span bytes,
                      std::optional<pending_initiation>& value) {
  std::optional<noise_initiator::state> state;
  reader inner{bytes, whole_};
  inner("initiator", state);
  if (!state)
    return refuse(name);
  value.emplace(pending_initiation{noise_initiator{*state}});
  more_fields(inner, *value);
}

// -- what has to fit ---------------------------------------------------------

/// A key that is missing is zero, as in something new.
bool are_fair(const keypairs::state& keys) {
  return std::ranges::all_of(
    std::array{&keys.current, &keys.previous, &keys.next},
    [](const boxed<keypair_state>* pair) {
      return !*pair
             || (!(*pair)->send.is_zero() && !(*pair)->receive.is_zero()
                 && (*pair)->send_counter <= limits::reject_after_messages);
    });
}

/// What is wrong with the peers; empty: nothing.
std::string find_mistake(const saved_node& node) {
  if (node.generations.size() > receiver_index_codec::max_slots)
    return "it has more slots than there can be";
  if (node.indices.key.is_zero()
      || (node.cookies && node.cookies->made
          && node.cookies->cookie_secret.is_zero()))
    return "a key is missing";
  std::unordered_set<public_key> keys;
  keys.reserve(node.peers.size());
  std::optional<std::uint32_t> former;
  for (const auto& peer : node.peers) {
    if (peer.slot >= node.generations.size()
        || (former && peer.slot <= *former))
      return "the slots of its peers are damaged";
    former = peer.slot;
    if (!keys.insert(peer.config.public_key).second)
      return "it has a peer twice";
    if (const auto mistake = validate(peer.config))
      return mistake->field + " of a peer is damaged";
    if (!peer.session)
      continue;
    const auto& session = peer.session->session;
    if (session.values.peer != peer.config.public_key
        || session.values.slot != peer.slot || !are_fair(session.keys))
      return "the session of a peer is damaged";
  }
  return {};
}

/// As a writer, for a record that is given to others in parts of whole fields:
/// thousands of peers are never there twice.
class part_writer {
public:
  [[maybe_unused]] static constexpr bool reads = false;

  explicit part_writer(const std::function<void(const_byte_span)>& next)
    : next_(next) {
  }
  void pass_on() {
    next_(part_.bytes());
    part_.clear();
  }
  void put(const_byte_span bytes) {
    part_.add(bytes);
  }

  template <class T>
  void operator()(std::string_view name, const T& value) {
    if constexpr (is_optional<T>) {
      if (value)
        (*this)(name, *value);
    } else if constexpr (is_vector<T>) {
      for (const auto& each : value)
        (*this)(name, each);
    } else {
      writer{part_}(name, value);
      if (part_.size() > usual_size / 2)
        pass_on();
    }
  }

private:
  static constexpr std::size_t usual_size = std::size_t{128} << 10;

  const std::function<void(const_byte_span)>& next_;
  part part_{usual_size};
};

} // namespace

void write_saved_node(const saved_node& node,
                      const std::function<void(const_byte_span)>& next,
                      std::uint32_t version) {
  part_writer write{next};
  write.put(std::as_bytes(std::span{magic}));
  byte_array<sizeof version> number{};
  store_le(number.data(), version);
  write.put(number);
  fields(write, node);
  write(last_field, true);
  write.pass_on();
}

secret_bytes format_saved_node(const saved_node& node, std::uint32_t version) {
  secret_bytes out;
  const auto append = [&out](const_byte_span part) {
    out.insert(out.end(), part.begin(), part.end());
  };
  write_saved_node(node, append, version);
  return out;
}

tl::expected<saved_node, std::string>
parse_saved_node(const_byte_span bytes, time_point now) {
  const auto head = magic.size() + sizeof(std::uint32_t);
  if (bytes.size() > max_saved_size)
    return tl::unexpected{std::string{"it is too large"}};
  if (bytes.size() < head
      || !std::ranges::equal(bytes.first(magic.size()),
                             std::as_bytes(std::span{magic})))
    return tl::unexpected{std::string{"it is no state of a node"}};
  const auto version = load_le<std::uint32_t>(&bytes[magic.size()]);
  if (version + 1 < saved_node_version || version > saved_node_version + 1)
    return tl::unexpected{"its format is version " + std::to_string(version)
                          + ", and this program knows version "
                          + std::to_string(saved_node_version)};
  saved_node node;
  reading whole;
  auto& failure = whole.failure;
  reader read{bytes.subspan(head), whole};
  fields(read, node);
  bool is_whole = false;
  read(last_field, is_whole);
  if (failure.empty() && !is_whole)
    failure = "it is damaged";
  if (failure.empty())
    failure = find_mistake(node);
  if (failure.empty() && !is_fresh(node, now))
    failure = "it is older than " + std::to_string(most_saved_age.count())
              + " s, or of another start of this host";
  if (!failure.empty())
    return tl::unexpected{std::move(failure)};
  return node;
}

} // namespace weft
