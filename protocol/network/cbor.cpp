#include "protocol/network/cbor.hpp"

#include "protocol/base/text.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace weft::cbor {

namespace {

std::vector<std::uint8_t> to_unsigned(const_byte_span bytes) {
  std::vector<std::uint8_t> result(bytes.size());
  std::transform(bytes.begin(), bytes.end(), result.begin(),
                 [](auto byte) { return std::to_integer<std::uint8_t>(byte); });
  return result;
}

// The first byte of a value: its kind above, and how long what follows is.
constexpr std::uint8_t kind_bits = 5;
constexpr std::uint8_t length_mask = 0x1f;
enum class major : std::uint8_t {
  number = 0,
  bytes = 2,
  text = 3,
  list = 4,
  map = 5,
  simple = 7,
};
constexpr std::uint8_t first_longer = 24; ///< below: the number itself
constexpr std::uint8_t last_longer = 27;  ///< 1, 2, 4 and 8 bytes follow
constexpr std::uint8_t simple_false = 20;
constexpr std::uint8_t simple_null = 22;

/// The number that a first byte's low bits begin, taken off `bytes`.  Nothing:
/// it is not there whole, or of unknown length.
std::optional<std::uint64_t>
take_number(std::uint8_t low, const_byte_span& bytes) {
  if (low < first_longer)
    return low;
  if (low > last_longer)
    return std::nullopt;
  const std::size_t size = std::size_t{1} << (low - first_longer);
  if (bytes.size() < size)
    return std::nullopt;
  std::uint64_t number = 0;
  for (const auto each : bytes.first(size))
    number = number << 8 | std::to_integer<std::uint64_t>(each);
  bytes = bytes.subspan(size);
  return number;
}

/// What lies within a value.
struct inner_values {
  bool can_be = false; ///< it is a list or a map
  std::uint64_t count = 0;
};

/// Takes a value off `bytes`, but for those that lie within it.  Nothing: it is
/// of a kind that is not ours, or is not there whole.
std::optional<inner_values> take_value(const_byte_span& bytes) {
  if (bytes.empty())
    return std::nullopt;
  const auto first = std::to_integer<std::uint8_t>(bytes.front());
  const auto low = static_cast<std::uint8_t>(first & length_mask);
  bytes = bytes.subspan(1);
  const auto kind = static_cast<major>(first >> kind_bits);
  if (kind == major::simple && low >= simple_false && low <= simple_null)
    return inner_values{};
  const auto number = take_number(low, bytes);
  if (!number)
    return std::nullopt;
  switch (kind) {
    case major::number:
      return inner_values{};
    case major::bytes:
    case major::text:
      if (*number > bytes.size())
        return std::nullopt;
      bytes = bytes.subspan(static_cast<std::size_t>(*number));
      return inner_values{};
    case major::list:
    case major::map: // each of them has a byte at least
      if (*number > bytes.size())
        return std::nullopt;
      return inner_values{true, kind == major::map ? 2 * *number : *number};
    default:
      return std::nullopt;
  }
}

/// One value is all of `bytes`: of kinds that are ours, of known length, no
/// deeper than most_depth.  It is looked at before the library sees it, which
/// calls itself for each string of unknown length within another, so that a
/// frame full of their first bytes would use up the stack.
bool is_one_bounded_value(const_byte_span bytes) {
  // How many values are still to come, at each depth.
  std::array<std::uint64_t, most_depth + 1> left{1};
  std::size_t depth = 0;
  while (true) {
    while (left.at(depth) == 0) {
      if (depth == 0)
        return bytes.empty();
      --depth;
    }
    --left.at(depth);
    const auto within = take_value(bytes);
    if (!within || (within->can_be && depth == most_depth))
      return false;
    if (within->can_be)
      left.at(++depth) = within->count;
  }
}

/// Sees the values go by, and stops at what is not allowed: the parser goes no
/// further than this lets it.
class inspector final : public nlohmann::json_sax<value> {
public:
  bool null() override {
    return true;
  }
  bool boolean(bool) override {
    return true;
  }
  bool number_integer(number_integer_t) override {
    return false; // below zero: nothing of ours is
  }
  bool number_unsigned(number_unsigned_t) override {
    return true;
  }
  bool number_float(number_float_t, const string_t&) override {
    return false;
  }
  bool string(string_t& text) override {
    return is_plain(text);
  }
  bool binary(binary_t&) override {
    return true;
  }
  bool start_object(std::size_t) override {
    return enter();
  }
  bool key(string_t& name) override {
    return is_plain(name) && names_.back().insert(name).second;
  }
  bool end_object() override {
    return leave();
  }
  bool start_array(std::size_t) override {
    return enter();
  }
  bool end_array() override {
    return leave();
  }
  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::detail::exception&) override {
    return false;
  }

private:
  static bool is_plain(std::string_view text) {
    return find_invalid_utf8(text) == std::string_view::npos
           && !has_control_characters(text);
  }
  bool enter() {
    names_.emplace_back();
    return true;
  }
  bool leave() {
    names_.pop_back();
    return true;
  }

  std::vector<std::set<std::string>> names_;
};

const value& nothing() {
  static const value empty = value::array();
  return empty;
}

} // namespace

byte_vector write(const value& what) {
  const auto bytes = value::to_cbor(what);
  byte_vector result(bytes.size());
  std::transform(bytes.begin(), bytes.end(), result.begin(),
                 [](auto byte) { return std::byte{byte}; });
  return result;
}

value binary(const_byte_span bytes) {
  return value::binary(to_unsigned(bytes));
}

accepted<value>
read(const_byte_span bytes, std::size_t most_bytes, const std::string& what) {
  if (bytes.size() > most_bytes)
    return refuse(refusal::malformed, what + ": " + std::to_string(bytes.size())
                                        + " bytes, of which there may be "
                                        + std::to_string(most_bytes));
  const auto wrong = [&] {
    return refuse(refusal::malformed, what + ": it is no CBOR as it should be");
  };
  if (!is_one_bounded_value(bytes))
    return wrong();
  const auto input = to_unsigned(bytes);
  inspector look;
  if (!value::sax_parse(input, &look, value::input_format_t::cbor))
    return wrong();
  auto result = value::from_cbor(input, true, false);
  if (!result.is_object())
    return refuse(refusal::malformed, what + ": it is no map");
  return result;
}

fields::fields(const value& map, std::string what)
  : map_(map), what_(std::move(what)) {
  if (!map_.is_object())
    error_ = refused{refusal::malformed, what_ + ": it is no map"};
}

bool fields::has(const char* name) const {
  return map_.is_object() && map_.contains(name);
}

const value* fields::find(const char* name) {
  known_.insert(name);
  if (error_)
    return nullptr;
  const auto found = map_.find(name);
  if (found == map_.end()) {
    fail(name, "is missing");
    return nullptr;
  }
  return &*found;
}

std::uint64_t fields::number(const char* name, std::uint64_t most) {
  const auto* found = find(name);
  if (found == nullptr)
    return 0;
  const auto* number = found->get_ptr<const value::number_unsigned_t*>();
  if (number == nullptr || *number > most) {
    fail(name, "is no number up to " + std::to_string(most));
    return 0;
  }
  return *number;
}

bool fields::flag(const char* name) {
  const auto* found = find(name);
  if (found == nullptr)
    return false;
  const auto* flag = found->get_ptr<const value::boolean_t*>();
  if (flag == nullptr)
    fail(name, "is neither true nor false");
  return flag != nullptr && *flag;
}

std::string fields::text(const char* name, std::size_t most) {
  const auto* found = find(name);
  if (found == nullptr)
    return {};
  const auto* text = found->get_ptr<const value::string_t*>();
  if (text == nullptr || text->size() > most) {
    fail(name, "is no text of up to " + std::to_string(most) + " bytes");
    return {};
  }
  return *text;
}

network_time fields::time(const char* name) {
  const auto latest = latest_network_time.time_since_epoch().count();
  const auto seconds = number(name, static_cast<std::uint64_t>(latest));
  return network_time{
    std::chrono::seconds(static_cast<std::chrono::seconds::rep>(seconds))};
}

byte_vector fields::bytes(const char* name, std::size_t most) {
  const auto* found = find(name);
  if (found == nullptr)
    return {};
  if (!found->is_binary() || found->get_binary().size() > most) {
    fail(name, "is no string of up to " + std::to_string(most) + " bytes");
    return {};
  }
  const auto& from = found->get_binary();
  byte_vector result(from.size());
  std::transform(from.begin(), from.end(), result.begin(),
                 [](auto byte) { return std::byte{byte}; });
  return result;
}

void fields::bytes(const char* name, byte_span out) {
  const auto from = bytes(name, out.size());
  if (from.size() == out.size())
    std::copy(from.begin(), from.end(), out.begin());
  else
    fail(name, "is no string of " + std::to_string(out.size()) + " bytes");
}

const value& fields::list(const char* name, std::size_t most) {
  const auto* found = find(name);
  if (found == nullptr)
    return nothing();
  if (!found->is_array() || found->size() > most) {
    fail(name, "is no list of up to " + std::to_string(most));
    return nothing();
  }
  return *found;
}

void fields::fail(const char* name, std::string_view how) {
  if (!error_)
    error_ = refused{refusal::malformed,
                     what_ + ": '" + name + "' " + std::string{how}};
}

std::optional<refused> fields::finish() {
  if (error_)
    return error_;
  for (const auto& [name, unused] : map_.items()) {
    if (name.starts_with('!') && known_.count(name) == 0)
      return refused{refusal::unknown_critical,
                     what_ + ": '" + printable(name)
                       + "' must be understood, which a newer weft does"};
  }
  return std::nullopt;
}

} // namespace weft::cbor
