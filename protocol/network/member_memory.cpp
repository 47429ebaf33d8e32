#include "protocol/network/member_memory.hpp"

#include <algorithm>
#include <charconv>

namespace weft {

namespace {

constexpr std::string_view marks_begin = "weft marks 1\n";
constexpr std::string_view items_begin = "weft items 1\n";

// Entries of marks: a letter, and whose it is.
constexpr char floor_entry = 'f';
constexpr char list_entry = 'l';    // an issuer's name
constexpr char removed_entry = 'x'; // a member's id, an issuer's name
constexpr char member_entry = 'm';  // a member's id
constexpr char item_entry = 'i';    // an item's key

constexpr std::size_t number_size = 8;
constexpr std::size_t length_size = 4;

// -- writing ------------------------------------------------------------------

void append(byte_vector& to, const_byte_span bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void append_length(byte_vector& to, std::size_t length) {
  append(to, const_byte_span(number_bytes(length)).last(length_size));
}

byte_vector begin(std::string_view what, const network_id& network) {
  byte_vector made;
  append(made, bytes_of(what));
  append(made, network.bytes);
  return made;
}

void append_entry(byte_vector& to, const_byte_span key,
                  const_byte_span content) {
  append_length(to, key.size());
  append_length(to, content.size());
  append(to, key);
  append(to, content);
}

byte_vector finish(byte_vector made) {
  append(made, sha256({made}));
  return made;
}

byte_vector
entry_key(char kind, const_byte_span whose, std::string_view of_whom = {}) {
  return joined({bytes_of({&kind, 1}), whose, bytes_of(of_whom)});
}

byte_array<number_size> time_bytes(network_time when) {
  return number_bytes(
    static_cast<std::uint64_t>(when.time_since_epoch().count()));
}

// -- reading ------------------------------------------------------------------

/// Takes numbers off the front; what is missing is zero and a failure.
class taker {
public:
  explicit taker(const_byte_span bytes) : rest_(bytes) {
  }

  const_byte_span take(std::size_t size) {
    if (size > rest_.size()) {
      failed_ = true;
      rest_ = {};
      return {};
    }
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  std::uint64_t number(std::size_t size = number_size) {
    std::uint64_t value = 0;
    for (const auto each : take(size))
      value = value << 8U | std::to_integer<std::uint64_t>(each);
    return value;
  }
  network_time time() {
    const auto seconds = number();
    if (seconds > static_cast<std::uint64_t>(
          latest_network_time.time_since_epoch().count()))
      failed_ = true;
    return failed_ ? network_time{}
                   : network_time{
                     std::chrono::seconds(static_cast<std::int64_t>(seconds))};
  }
  template <class Id>
  Id id() {
    Id made;
    const auto taken = take(Id::size);
    std::copy(taken.begin(), taken.end(), made.bytes.begin());
    return made;
  }
  std::string rest_as_text() {
    std::string text(reinterpret_cast<const char*>(rest_.data()), rest_.size());
    rest_ = {};
    return text;
  }
  bool is_empty() const {
    return rest_.empty();
  }
  bool failed() const {
    return failed_;
  }

private:
  const_byte_span rest_;
  bool failed_ = false;
};

tl::unexpected<refused> spoilt() {
  return refuse(refusal::malformed, "it is not as it was written");
}

/// The entries of a whole file.
accepted<std::vector<network_item>>
read_entries(std::string_view what, const network_id& network,
             const_byte_span bytes) {
  constexpr auto digest_size = sha256_digest{}.size();
  const auto head_size = what.size() + network_id::size;
  if (bytes.size() < head_size + digest_size || bytes.size() > most_kept_bytes)
    return spoilt();
  const auto content = bytes.first(bytes.size() - digest_size);
  const auto digest = sha256({content});
  if (!std::ranges::equal(digest, bytes.last(digest_size))
      || !std::ranges::equal(bytes_of(what), content.first(what.size())))
    return spoilt();
  taker from(content.subspan(what.size()));
  if (from.id<network_id>() != network)
    return refuse(refusal::wrong_network, "it is another network's");
  std::vector<network_item> entries;
  while (!from.is_empty()) {
    const auto key_size = static_cast<std::size_t>(from.number(length_size));
    const auto size = static_cast<std::size_t>(from.number(length_size));
    const auto key = from.take(key_size);
    const auto value = from.take(size);
    if (from.failed())
      return spoilt();
    entries.push_back({{key.begin(), key.end()}, {value.begin(), value.end()}});
  }
  return entries;
}

bool read_mark(view_marks& marks, const network_item& entry) {
  taker key(entry.key);
  taker content(entry.content);
  const auto kind = key.take(1);
  if (key.failed())
    return false;
  switch (std::to_integer<char>(kind[0])) {
    case floor_entry:
      marks.floor = content.time();
      break;
    case list_entry:
      marks.lists[key.rest_as_text()] = content.number();
      break;
    case removed_entry: {
      const auto id = key.id<member_id>();
      marks.removed[key.rest_as_text()][id] = content.time();
      break;
    }
    case member_entry: {
      auto& mark = marks.members[key.id<member_id>()];
      mark.generation = content.number();
      mark.record.generation = content.number();
      mark.record.serial = content.number();
      mark.issuer = content.rest_as_text();
      break;
    }
    case item_entry:
      return true; // read_marked_items() has them
    default:
      return false;
  }
  return !key.failed() && !content.failed() && key.is_empty()
         && content.is_empty();
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value = 0;
  const auto* end = text.data() + text.size();
  const auto [stop, wrong] = std::from_chars(text.data(), end, value);
  if (wrong != std::errc{} || stop != end)
    return std::nullopt;
  return value;
}

/// What stands before the next `separator`, which is taken off as well.
std::string_view next_word(std::string_view& text, char separator) {
  const auto end = text.find(separator);
  const auto word = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return word;
}

std::optional<preshared_epochs::held_secret>
parse_secret(std::string_view line) {
  preshared_epochs::held_secret made;
  const auto epoch = parse_number<std::uint64_t>(next_word(line, ' '));
  const auto secret = next_word(line, ' ');
  if (!epoch || *epoch == 0 || !read_hex_text(secret, made.of.secret.bytes()))
    return std::nullopt;
  made.of.epoch = *epoch;
  if (line == "-")
    return made;
  const auto until = parse_number<std::int64_t>(line);
  if (!until || *until > latest_network_time.time_since_epoch().count())
    return std::nullopt;
  made.until = network_time{std::chrono::seconds(*until)};
  return made;
}

} // namespace

byte_vector encode_marks(const network_id& network, const view_marks& marks,
                         std::span<const network_item* const> beside) {
  auto made = begin(marks_begin, network);
  append_entry(made, entry_key(floor_entry, {}), time_bytes(marks.floor));
  for (const auto& [issuer, number] : marks.lists)
    append_entry(made, entry_key(list_entry, bytes_of(issuer)),
                 number_bytes(number));
  for (const auto& [issuer, removed] : marks.removed)
    for (const auto& [id, until] : removed)
      append_entry(made, entry_key(removed_entry, id.bytes, issuer),
                   time_bytes(until));
  for (const auto& [id, mark] : marks.members)
    append_entry(made, entry_key(member_entry, id.bytes),
                 joined({number_bytes(mark.generation),
                         number_bytes(mark.record.generation),
                         number_bytes(mark.record.serial),
                         bytes_of(mark.issuer)}));
  for (const auto* each : beside)
    append_entry(made, entry_key(item_entry, each->key), each->content);
  return finish(std::move(made));
}

accepted<view_marks>
read_marks(const network_id& network, const_byte_span bytes) {
  const auto entries = read_entries(marks_begin, network, bytes);
  if (!entries)
    return tl::unexpected(entries.error());
  view_marks marks;
  for (const auto& each : *entries)
    if (!read_mark(marks, each))
      return spoilt();
  return marks;
}

accepted<std::vector<network_item>>
read_marked_items(const network_id& network, const_byte_span bytes) {
  auto entries = read_entries(marks_begin, network, bytes);
  if (!entries)
    return tl::unexpected(entries.error());
  std::vector<network_item> items;
  for (auto& [key, content] : *entries)
    if (!key.empty() && std::to_integer<char>(key.front()) == item_entry)
      items.push_back({{key.begin() + 1, key.end()}, std::move(content)});
  return items;
}

byte_vector encode_items(const network_id& network,
                         std::span<const network_item* const> items) {
  auto made = begin(items_begin, network);
  for (const auto* each : items)
    append_entry(made, each->key, each->content);
  return finish(std::move(made));
}

accepted<std::vector<network_item>>
read_items(const network_id& network, const_byte_span bytes) {
  return read_entries(items_begin, network, bytes);
}

std::string format_secrets(const preshared_epochs& epochs) {
  std::string text;
  // Of one piece: what a growing string leaves behind is not wiped.
  constexpr std::size_t longest_line = 128;
  text.reserve(longest_line * epochs.held().size());
  for (const auto& each : epochs.held()) {
    text += std::to_string(each.of.epoch) + ' ';
    constexpr std::string_view digits = "0123456789abcdef";
    for (const auto byte : each.of.secret.bytes()) {
      const auto value = std::to_integer<unsigned>(byte);
      text += digits[value >> 4U];
      text += digits[value & 15U];
    }
    text += ' ';
    text += each.until == network_time::max()
              ? "-"
              : std::to_string(each.until.time_since_epoch().count());
    text += '\n';
  }
  return text;
}

std::optional<preshared_epochs> parse_secrets(std::string_view text) {
  std::vector<preshared_epochs::held_secret> held;
  held.reserve(preshared_epochs::most);
  while (!text.empty()) {
    auto secret = parse_secret(next_word(text, '\n'));
    if (!secret || held.size() == preshared_epochs::most)
      return std::nullopt;
    held.push_back(std::move(*secret));
  }
  return preshared_epochs{std::move(held)};
}

} // namespace weft
