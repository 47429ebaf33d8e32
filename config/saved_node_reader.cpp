#include "config/last_values.hpp"
#include "config/saved_node_fields.hpp"
#include "config/saved_node_format.hpp"
#include "config/validate.hpp"

#include <algorithm>
#include <limits>
#include <unordered_set>

namespace weft {

namespace saved {
namespace {

/// As values a state that a node writes is about three times as large.
constexpr std::size_t most_growth = 16;
constexpr std::size_t most_values = std::size_t{1} << 30; ///< bytes

/// What has come of the reading so far.
struct reading {
  std::string failure; ///< the first thing that is wrong
  /// For what stands in lists and boxes, bytes: an empty record is much larger
  /// once it was read.
  std::size_t room = 0;
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

  void refuse(std::string_view name) {
    fail("its field '" + std::string{name} + "' is damaged");
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
  template <class T>
  void read_new(std::string_view name, const_byte_span bytes, boxed<T>& value) {
    if (whole_.room < sizeof(T))
      return fail("it is too large");
    whole_.room -= sizeof(T);
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
  void fail(std::string why) {
    if (whole_.failure.empty())
      whole_.failure = std::move(why);
  }

  const_byte_span record_;
  const_byte_span rest_;      ///< after what was asked for last
  std::uint64_t present_ = 0; ///< marks of its fields
  reading& whole_;
};

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

} // namespace
} // namespace saved

tl::expected<saved_node, std::string>
parse_saved_node(const_byte_span bytes, time_point now) {
  using saved::magic;
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
  saved::reading whole{
    {}, std::min(saved::most_growth * bytes.size(), saved::most_values)};
  auto& failure = whole.failure;
  saved::reader read{bytes.subspan(head), whole};
  saved::fields(read, node);
  bool is_whole = false;
  read(saved::last_field, is_whole);
  if (failure.empty() && !is_whole)
    failure = "it is damaged";
  if (failure.empty())
    failure = saved::find_mistake(node);
  if (failure.empty() && !is_fresh(node, now))
    failure = "it is older than " + std::to_string(most_saved_age.count())
              + " s, or of another start of this host";
  if (!failure.empty())
    return tl::unexpected{std::move(failure)};
  return node;
}

} // namespace weft
